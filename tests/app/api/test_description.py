"""The OpenAPI document tells all that a caller needs."""

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.routing import APIRoute
from pydantic import TypeAdapter

from app.api.routes import events, movies, operations, predictions, rating_import, ratings, recommendations, users
from app.main import api

DESCRIPTION = api().openapi()
SCHEMAS = DESCRIPTION["components"]["schemas"]

OPERATIONS = [
    pytest.param(operation, id=f"{method} {path}")
    for path, methods in DESCRIPTION["paths"].items()
    for method, operation in methods.items()
]

ROUTES = [
    pytest.param(route, id=route.name)
    for module in (events, movies, operations, predictions, rating_import, ratings, recommendations, users)
    for router in module.routers
    for route in router.routes
    if isinstance(route, APIRoute) and route.response_model
]


def successes(operation: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for status, answer in operation["responses"].items():
        if status < "300":
            yield from answer.get("content", {}).values()


@pytest.mark.parametrize("operation", OPERATIONS)
def test_an_operation_says_more_than_its_summary(operation: dict[str, Any]) -> None:
    assert len(operation["description"]) > 30
    assert operation["description"].rstrip(".") != operation["summary"]


@pytest.mark.parametrize("operation", OPERATIONS)
def test_an_operation_has_an_example_of_its_answer(operation: dict[str, Any]) -> None:
    for content in successes(operation):
        assert "example" in content
    for status, answer in operation["responses"].items():
        if status >= "400":
            assert set(answer["content"]) == {"application/problem+json"}


@pytest.mark.parametrize("route", ROUTES)
def test_the_example_of_an_answer_is_one(route: APIRoute) -> None:
    assert route.methods
    (method,) = route.methods
    operation = DESCRIPTION["paths"][route.path_format][method.lower()]
    (content,) = successes(operation)

    TypeAdapter(route.response_model).validate_python(content["example"], strict=False)


def test_a_request_has_an_example_where_its_fields_exclude_each_other() -> None:
    for name in ("PredictionRequest", "RankRequest", "RecommendationRequest", "BatchRequest"):
        assert SCHEMAS[name]["examples"], name
