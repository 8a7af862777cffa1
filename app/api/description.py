"""What the API's description says beyond what FastAPI reads off the routes: media types of errors, and examples."""

from collections.abc import Iterator, Mapping
from typing import Any

from fastapi import FastAPI

from app.edge.answers import PROBLEM
from app.edge.keys import ADMIN_KEY, ANY_KEY
from seqrec.limits import LARGEST_ID

JSON = "application/json"


class Description:
    """The OpenAPI document of an application, which stands in for the application's own ``openapi``."""

    def __init__(self, app: FastAPI) -> None:
        self._generate = app.openapi

    def __call__(self) -> dict[str, Any]:
        description = self._generate()  # the same object each time: what follows changes it once
        schemas = description["components"]["schemas"]
        description["components"]["securitySchemes"] = {
            scheme.scheme_name: scheme.model.model_dump(mode="json", by_alias=True, exclude_none=True)
            for scheme in (ANY_KEY, ADMIN_KEY)
        }
        _make_exact(schemas)
        for status, answer in _answers(description):
            content = answer.get("content", {})
            if JSON not in content:
                continue
            if status >= "400":
                content[PROBLEM] = content.pop(JSON)
            else:
                content[JSON].setdefault("example", example(content[JSON]["schema"], schemas))
        return description


def _make_exact(schema: object) -> None:
    """FastAPI takes bounds as floats, which cannot hold the greatest id: bounds of integers become integers again."""
    for part in schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ():
        _make_exact(part)
    if isinstance(schema, dict) and schema.get("type") == "integer" and isinstance(schema.get("maximum"), float):
        schema["maximum"] = min(int(schema["maximum"]), LARGEST_ID)


def _answers(description: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each answer of each operation, with its status."""
    for operations in description["paths"].values():
        for operation in operations.values():
            yield from operation["responses"].items()


def example(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> Any:  # noqa: ANN401 - any value of JSON
    """A value of this schema, put together from the examples of its fields; KeyError names a field without one."""
    if "$ref" in schema:
        return example(schemas[schema["$ref"].rpartition("/")[2]], schemas)
    for name in ("examples", "enum"):
        if name in schema:
            return schema[name][0]
    if "const" in schema or "default" in schema:
        return schema.get("const", schema.get("default"))
    if "anyOf" in schema:
        return example(schema["anyOf"][0], schemas)
    if schema["type"] == "array":
        return [example(schema["items"], schemas)]
    if schema["type"] == "object" and "properties" in schema:
        return {name: example(field, schemas) for name, field in schema["properties"].items()}
    raise KeyError(schema)
