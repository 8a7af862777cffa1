"""What is wrong with a request, in plain sentences: the service answers them, and the client raises them."""

from collections.abc import Iterable, Mapping
from typing import Any

from seqrec.errors import InvalidField
from seqrec.ids import EXTERNAL_ID, EXTERNAL_ID_RULE
from seqrec.schemas.movies import PRINTABLE

JSON_NEEDED = "send a body in JSON, as Content-Type: application/json"

SENTENCES = {
    "missing": "is required",
    "extra_forbidden": "there is no such field",
    "model_attributes_type": "must be an object",
    "model_type": "must be an object",
    "dict_type": "must be an object",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "string_type": "must be text",
    "list_type": "must be a list",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "multiple_of": "must be a multiple of {multiple_of}",
    "literal_error": "must be {expected}",
    "string_too_short": "is too short (minimum length {min_length})",
    "string_too_long": "is too long (maximum length {max_length})",
    "too_short": "has too few entries (minimum {min_length})",
    "too_long": "has too many entries (maximum {max_length})",
}
"""By pydantic's type of a problem. Types that are not here keep pydantic's words."""

PATTERNS = {
    "^[FM]$": "must be F or M",
    PRINTABLE: "must have no control characters",
    EXTERNAL_ID: EXTERNAL_ID_RULE,
    r"^tt[0-9]{7,9}$": "must be an id of IMDb, as tt0111161",
}
"""By regular expression, what it asks for."""


def invalid_fields(problems: Iterable[Mapping[str, Any]], whole: str = "body") -> list[InvalidField]:
    """The fields of what pydantic or FastAPI found; ``whole`` names what a problem of no single field is about."""
    return [
        InvalidField(field=".".join(map(str, _location(problem))) or whole, message=_sentence(problem))
        for problem in problems
    ]


def _location(problem: Mapping[str, Any]) -> tuple[int | str, ...]:
    location: tuple[int | str, ...] = problem["loc"]
    return location[:1] if problem["type"] == "json_invalid" else location  # the rest is a position in the text


def _sentence(problem: Mapping[str, Any]) -> str:
    kind, context = problem["type"], problem.get("ctx", {})
    if kind == "json_invalid":
        location = problem["loc"]
        return f"the body is not valid JSON (character {location[-1] + 1})" if location else "is not valid JSON"
    if problem["loc"] == ("body",) and (kind == "missing" or isinstance(problem["input"], bytes)):
        return JSON_NEEDED
    if kind == "string_pattern_mismatch" and context["pattern"] in PATTERNS:
        return PATTERNS[context["pattern"]]
    if kind in SENTENCES:
        return SENTENCES[kind].format_map({name: _plain(value) for name, value in context.items()})
    message: str = problem["msg"]
    return message.removeprefix("Value error, ").replace("Input should be", "must be", 1)


def _plain(value: object) -> object:
    """A whole number without its decimals."""
    return int(value) if isinstance(value, float) and value.is_integer() else value
