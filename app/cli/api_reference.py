"""The API's description as a page of Markdown."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Schema = Mapping[str, Any]

ATTRIBUTE = re.compile(r" {4}(\w+(?:, \w+)*): (.*)")
"""A line of a docstring that begins to describe one or more attributes."""

METHODS = ("get", "post", "put", "patch", "delete")

BEGINNING = """\
# The API

Written by `seqrec openapi --markdown` from the service's own description; a test holds both together. A running
service has the same at `/docs`, and as JSON at `/openapi.json`.
"""


def page(description: Schema) -> str:
    """Every route with its parameters, bodies and answers, and every body with its fields."""
    schemas = description["components"]["schemas"]
    parts = [BEGINNING.strip(), description["info"]["description"].strip()]
    for tag, operations in _by_tag(description["paths"]).items():
        parts += [f"## {tag.capitalize()}", *(_operation(*operation) for operation in operations)]
    parts += ["## Bodies", *(_body(name, schemas[name]) for name in sorted(schemas))]
    return "\n\n".join(parts) + "\n"


def _by_tag(paths: Schema) -> dict[str, list[tuple[str, str, Schema]]]:
    found: dict[str, list[tuple[str, str, Schema]]] = {}
    for path, methods in paths.items():
        for method in METHODS:
            if method in methods:
                found.setdefault(methods[method]["tags"][0], []).append((method.upper(), path, methods[method]))
    return found


def _operation(method: str, path: str, operation: Schema) -> str:
    parts = [f"### `{method} {path}`", f"{operation['summary']}."]
    if "description" in operation:
        parts.append(operation["description"])
    if operation.get("parameters"):
        parts.append(_table(["parameter", "in", "type", "default", "what"], map(_parameter, operation["parameters"])))
    if "requestBody" in operation:
        parts.append(f"Body: {_content(operation['requestBody'])}.")
    parts.append("\n".join(f"- {line}" for line in _answers(operation["responses"])))
    return "\n\n".join(parts)


def _parameter(parameter: Schema) -> Sequence[str]:
    schema = parameter["schema"]
    default = "required" if parameter.get("required") else _default(schema)
    kind = _type(schema).removesuffix(" or null")  # left out, since nothing can be sent that means null
    return f"`{parameter['name']}`", parameter["in"], kind, default, parameter.get("description", "")


def _answers(responses: Schema) -> Iterator[str]:
    for status, answer in sorted(responses.items()):
        what = _content(answer) if answer.get("content") else "nothing"
        yield f"{status}: {what}" if status < "400" else f"{status}: {answer['description'].lower()}"


def _content(holder: Schema) -> str:
    kinds: dict[str, list[str]] = {}
    for kind, content in holder["content"].items():
        kinds.setdefault(_type(content.get("schema", {})), []).append(kind)
    return ", or ".join(
        body if names == ["application/json"] else f"{' or '.join(names)} of {body}" for body, names in kinds.items()
    )


def _body(name: str, schema: Schema) -> str:
    parts = [f"### {name}"]
    about, attributes = _docstring(schema.get("description", ""))
    if about:
        parts.append(about)
    # What an answer has is always there; of a body that is sent, it is worth with_cold_start.
    required = set(schema.get("required", ())) if schema.get("additionalProperties") is False else set()
    rows = [
        (
            f"`{field}`",
            _type(own),
            "required" if field in required else _default(own),
            " ".join(own.get("description", attributes.get(field, "")).split()),
        )
        for field, own in schema.get("properties", {}).items()
    ]
    if rows:
        parts.append(_table(["field", "type", "default", "what"], rows))
    return "\n\n".join(parts)


def _docstring(text: str) -> tuple[str, dict[str, str]]:
    """What a docstring says of the whole, and of each attribute that it lists."""
    about, _, listed = text.replace("``", "`").partition("Attributes:")
    attributes: dict[str, str] = {}
    names: list[str] = []
    for line in listed.splitlines():
        if found := ATTRIBUTE.match(line):
            names = found[1].split(", ")
            attributes |= dict.fromkeys(names, found[2])
        else:
            attributes |= {name: f"{attributes[name]} {line.strip()}".strip() for name in names}
    return " ".join(about.split()), attributes


def _type(schema: Schema) -> str:
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[1]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in schema:
        return " or ".join(_type(one) for one in schema["anyOf"])
    if "enum" in schema or "const" in schema:
        return " or ".join(f"`{value}`" for value in schema.get("enum", [schema.get("const")]))
    return _plain_type(schema)


def _plain_type(schema: Schema) -> str:
    kind = schema.get("type", "any")
    if schema.get("format") == "binary":
        return str(schema["description"])
    if "prefixItems" in schema:
        return f"list of {', '.join(_type(one) for one in schema['prefixItems'])}"
    if kind == "array":
        return f"list of {_type(schema.get('items', {}))}{_range(schema, 'minItems', 'maxItems')}"
    if kind == "string":
        return f"string{_range(schema, 'minLength', 'maxLength', ' characters')}"
    if isinstance(schema.get("additionalProperties"), Mapping):
        return f"object of {_type(schema['additionalProperties'])}"
    return f"{kind}{_range(schema, 'minimum', 'maximum')}"


def _range(schema: Schema, least: str, most: str, of: str = "") -> str:
    low, high = (str(schema[bound]).removesuffix(".0") if bound in schema else None for bound in (least, most))
    if low and high:
        return f" ({low} to {high}{of})"
    if low or high:
        return f" (at least {low}{of})" if low else f" (at most {high}{of})"
    return ""


def _default(schema: Schema) -> str:
    value = schema.get("default")
    return "" if value in (None, "", []) or isinstance(value, Mapping) else f"`{value}`".lower()


def _table(header: Sequence[str], rows: Iterator[Sequence[str]] | Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
