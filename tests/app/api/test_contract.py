"""The service keeps to its own description: requests are generated from it, and every answer is held to it."""

import json
import re
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any

import pytest
import requests
import schemathesis
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from reliability import Record
from schemathesis import Case
from schemathesis.checks import CheckFunction
from schemathesis.config import SchemathesisConfig
from schemathesis.generation.hypothesis.builder import HypothesisTestConfig, HypothesisTestMode, create_test
from schemathesis.schemas import BaseSchema
from schemathesis.specs.openapi.checks import positive_data_acceptance
from server import running
from soak import part
from sqlalchemy import Engine

from app.api.error_handlers import METHODS
from app.edge.keys import Keys
from app.main import api, create_app
from model.inference.scorer import Scorer
from seqrec.limits import LARGEST_ID

KEY = "chief"
USERS, MOVIES = 150, 100
"""Ids of generated requests are at most so large: most of them are in the database, some are not."""

KEPT = 50
"""Smaller ids are not deleted, so that there are users and movies left to ask for."""

KINDS = ("click", "watch", "like", "dislike", "skip", "watchlist")
GENRES = ("Action", "Comedy", "Drama", "Western")

BEYOND_THE_SCHEMA = re.compile(
    r"""
      there\ is\ no\ genre           # which there are changes with the catalogue
    | There\ is\ no\ (user|movie)    # in a list of ratings; a schema knows no rows
    | not\ a\ cursor\ of             # cursors are opaque: only the service can tell its own
    | is\ later\ than                # JSON Schema compares no two fields
    | is\ there\ twice               # nor two entries of a list by one of their fields
    | in\ the\ future                # nor with the clock
    | the\ file\ (is|begins)         # what the bytes of a file are
    | not\ (an\ export|a\ list\ of\ ratings)  # as above
    """,
    re.VERBOSE,
)
"""Why a request that fits the description may be refused all the same, by the message of each field."""


@dataclass
class Service:
    """A service under test, and how many requests it has got."""

    address: str
    session: requests.Session
    requests: int = 0


@pytest.fixture
def service(loaded: Engine, scorer: Scorer) -> Iterator[Service]:
    app = create_app(loaded, scorer, keys=Keys(api=("user",), admin=KEY))
    with running(app) as address, requests.Session() as session:
        yield Service(address, session)


@pytest.fixture
def description(service: Service) -> BaseSchema:
    """The service's description, from which requests are generated that mostly name what there is."""
    schema = schemathesis.openapi.from_dict(api().openapi(), config=SchemathesisConfig(seed=1))
    schema.config.generation.update(with_security_parameters=False)  # the key that is sent opens everything
    for hook in (map_body, map_query, map_path_parameters, filter_path_parameters):
        schema.hook(hook)
    return schema


def map_body(context: schemathesis.HookContext, body: Any) -> Any:
    if isinstance(body, bytes) and context.operation is not None and context.operation.path.endswith("/events"):
        return b"\n".join(map(event_in_place_of, body.splitlines()))
    return with_known_ids(body)


def event_in_place_of(rating: bytes) -> bytes:
    """A line of an import of events, made of one of ratings: lines have one strategy for all routes.

    What is invalid stays so.
    """
    try:
        given = json.loads(rating)
    except ValueError:
        return rating
    if not isinstance(given, dict) or not given.keys() >= {"user_id", "movie_id", "stars"}:
        return rating
    kind = KINDS[int(2 * given["stars"]) % len(KINDS)]
    return json.dumps({"user_id": given["user_id"], "movie_id": given["movie_id"], "kind": kind}).encode()


def map_query(_: object, query: Any) -> Any:
    return with_known_ids(query)


def filter_path_parameters(_: object, parameters: Any) -> bool:
    """Without lists and objects: in a path they are texts, such as `[136]`, which may be external ids."""
    return not any(isinstance(value, list | dict) for value in (parameters or {}).values())


def map_path_parameters(context: schemathesis.HookContext, parameters: Any) -> Any:
    operation = context.operation
    least = KEPT if operation is not None and operation.label.startswith("DELETE") else 0
    return with_known_ids(parameters, least)


def with_known_ids(value: Any, least: int = 0, name: str = "") -> Any:
    """The same with ids of what is mostly there, and names of genres; what is invalid stays so."""
    if isinstance(value, dict):
        return {field: with_known_ids(own, least, str(field)) for field, own in value.items()}
    if isinstance(value, list):
        return [with_known_ids(own, least, name) for own in value]
    most = {"user_id": USERS, "user_ids": USERS, "movie_id": MOVIES, "movie_ids": MOVIES, "exclude": MOVIES}.get(name)
    if most is not None and type(value) is int and 1 <= value <= LARGEST_ID:
        return least + 1 + value % (most - least)
    return GENRES[len(value) % len(GENRES)] if name == "genre" and isinstance(value, str) else value


RATINGS = st.fixed_dictionaries(
    {
        "user_id": st.integers(1, USERS),
        "movie_id": st.integers(1, MOVIES),
        "stars": st.integers(1, 10).map(lambda half_stars: half_stars / 2),
    },
    optional={"rated_at": st.integers(0, 10**9)},
)
LINES = st.lists(RATINGS.map(json.dumps)).map(lambda lines: "\n".join(lines).encode())
TABLE = st.lists(st.tuples(st.integers(1900, 2000), st.integers(1, 10))).map(
    lambda rows: "\n".join(["title,year,rating", *(f"Silent Letters,{year},{stars}" for year, stars in rows)]).encode()
)
schemathesis.openapi.media_type("text/csv", TABLE)
for media_type in ("application/jsonl", "application/octet-stream"):
    schemathesis.openapi.media_type(media_type, LINES)


EVERYTHING = tuple(HypothesisTestMode)
"""The description's examples, the edges of what is valid, and random requests."""

SOAK_REQUESTS, SOAK_SECONDS = part(20_000), part(200)


@pytest.mark.slow
def test_every_answer_is_one_that_the_description_allows(service: Service, description: BaseSchema) -> None:
    ask_for_each_operation(service, description, EVERYTHING, examples=10)

    assert service.requests > 2000


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_every_answer_to_very_many_requests_is_one_that_the_description_allows(
    service: Service, description: BaseSchema, engine: Engine, record: Record
) -> None:
    description.config.checks.update(excluded_check_names=["ignored_auth"])  # asks everything three times
    end = time.monotonic() + SOAK_SECONDS
    ask_for_each_operation(service, description, EVERYTHING, examples=part(100))
    for seed in count(start=2):
        if service.requests > SOAK_REQUESTS or time.monotonic() > end:
            break
        ask_for_each_operation(service, description, [HypothesisTestMode.FUZZING], examples=100, seed=seed)

    assert service.requests > SOAK_REQUESTS / 4
    record(
        "requests generated from the API's description, valid and not",
        database=engine.dialect.name,
        requests=service.requests,
        failed=0,
    )


def ask_for_each_operation(
    service: Service, description: BaseSchema, modes: Iterable[HypothesisTestMode], examples: int, seed: int = 1
) -> None:
    """Send requests of these kinds, ``examples`` random ones for each operation; the same ones for the same seed."""
    chosen = settings(
        max_examples=examples,
        phases=[Phase.explicit, Phase.generate],  # nothing to shrink: the database is another one by then
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    config = HypothesisTestConfig(description.config, list(modes), seed=seed, explicit_settings=chosen)
    for path in description:
        for operation in description[path].values():
            create_test(operation=operation, test_func=ask, config=config)(service=service)


def ask(case: Case, service: Service) -> None:
    """Send the request, and raise what schemathesis finds wrong with the answer."""
    headers = {"X-API-Key": KEY}
    answer = case.call(service.address, service.session, headers)
    service.requests += 1
    problems = [detail["message"] for detail in answer.json()["details"]] if answer.status_code == 422 else []
    excluded: list[CheckFunction] = []
    if problems and all(map(BEYOND_THE_SCHEMA.search, problems)):
        excluded = [positive_data_acceptance]
    case.validate_response(
        answer,
        excluded_checks=excluded,
        headers=headers,
        transport_kwargs={"base_url": service.address, "session": service.session, "headers": headers},
    )


def test_every_path_refuses_the_methods_that_it_does_not_document_and_names_those_it_does(client: TestClient) -> None:
    for path, operations in api().openapi()["paths"].items():
        documented = [method for method in METHODS if method.lower() in operations]
        for method in set(METHODS) - set(documented):
            answer = client.request(method, re.sub(r"\{\w+\}", "1", path))

            assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed"), (method, path)
            assert answer.headers["allow"] == ", ".join(documented), (method, path)
