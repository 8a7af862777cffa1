"""Queries as models, for the routes that are asked most.

FastAPI reads the parameters of a query one by one for each request, which is a good part of what a list from memory
costs. Callers ask with the same few queries again and again, so each text of one is read once.
"""

from functools import lru_cache
from typing import Any, Generic, TypeVar, get_origin

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError
from starlette.datastructures import QueryParams

M = TypeVar("M", bound=BaseModel)

REMEMBERED = 1024
LONGEST_REMEMBERED = 256
"""Bytes of a query's text; a longer one is hardly sent twice."""


class Query(Generic[M]):
    """A dependency that reads a query as a model; requests with the same query get the same object.

    FastAPI does not see the parameters: a route says ``openapi_extra={"parameters": query.parameters()}``.
    """

    def __init__(self, model: type[M]) -> None:
        self._model = model
        self._repeatable = {name for name, field in model.model_fields.items() if get_origin(field.annotation) is list}
        self._remembered = lru_cache(REMEMBERED)(self._read)

    async def __call__(self, request: Request) -> M:
        """The request's query; `RequestValidationError` as from FastAPI."""
        text: bytes = request.scope["query_string"]
        return self._remembered(text) if len(text) <= LONGEST_REMEMBERED else self._read(text)

    def parameters(self) -> list[dict[str, Any]]:
        """Of an operation in OpenAPI, as FastAPI describes them."""
        schema = self._model.model_json_schema()
        return [self._parameter(name, field) for name, field in schema["properties"].items()]

    def _parameter(self, name: str, schema: dict[str, Any]) -> dict[str, Any]:
        description = self._model.model_fields[name].description
        default = schema.pop("default", None)
        schema |= {"description": description} | ({} if default is None else {"default": default})
        required = self._model.model_fields[name].is_required()
        return {"name": name, "in": "query", "required": required, "schema": schema, "description": description}

    def _read(self, text: bytes) -> M:
        given = QueryParams(text)
        values = {name: given.getlist(name) if name in self._repeatable else given[name] for name in given}
        try:
            return self._model.model_validate(values)
        except ValidationError as error:
            problems = error.errors(include_url=False)
            raise RequestValidationError([{**one, "loc": ("query", *one["loc"])} for one in problems]) from error
