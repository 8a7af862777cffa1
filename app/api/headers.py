"""Headers of answers: which state they are of, where the next page is, and which names are old."""

import hashlib
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any
from urllib.parse import quote

from fastapi import Request, Response
from pydantic import BaseModel

from app.api.translation import as_response
from app.edge.requests import HEADERS, MODEL_VERSION
from app.services.model_host import ModelState
from app.services.recommendations import RecommendationList
from seqrec.schemas.common import ListSize

VERSION = version("seqrec")

SHARED = {"Cache-Control": "no-cache"}
"""The same for all callers. `no-cache`: a cache may keep it, and asks each time whether it still holds."""

DEPRECATED = {"Deprecation": "@1795824000"}
"""RFC 9745: since when the names that the request uses are old, in Unix seconds."""

DESCRIPTIONS = {
    "ETag": "Names the state that the answer is of; send it in `If-None-Match` to get 304 as long as nothing changes.",
    "Deprecation": "There if the request uses an old name, `n` for `limit`: since when it is old (RFC 9745).",
    "Link": 'The address of the next page, with `rel="next"`; left out on the last page. Of '
    "a list whose last page is full, it leads to an empty one.",
    "Location": "The path of what was added.",
    "X-Recommendation-ID": "The list's own id, as in the body: events name it.",
}

UNESCAPED = "%&=+,:;@/?!$'()*~-._"
"""What a query may have in it as it is (RFC 3986)."""


def described(status: int, *names: str) -> dict[int | str, dict[str, Any]]:
    """OpenAPI's responses of a route whose answer with this status may have these headers."""
    headers = {name: {"description": DESCRIPTIONS[name], "schema": {"type": "string"}} for name in names}
    answers: dict[int | str, dict[str, Any]] = {status: {"headers": HEADERS | headers}}
    if "ETag" in names:
        answers[304] = {"description": "What the caller has is still right", "headers": HEADERS}
    return answers


def conditional(request: Request, tag: str, body: BaseModel, headers: Mapping[str, str]) -> Response:
    """The body, or 304 if the caller has it already."""
    return not_modified(tag, headers) if is_known(request, tag) else as_response(body, {"ETag": tag, **headers})


def not_modified(tag: str, headers: Mapping[str, str] = {}) -> Response:
    return Response(status_code=304, headers={"ETag": tag, **headers})


def is_known(request: Request, tag: str) -> bool:
    """Whether the caller names this tag in ``If-None-Match``."""
    return tag.removeprefix("W/") in request.headers.get("If-None-Match", "")


def state_tag(state: ModelState, *parts: object) -> str:
    """The tag of an answer that depends on its address, on model and catalogue, and on these parts."""
    return entity_tag(state.scorer.version, state.revision, *parts)


def entity_tag(*parts: object) -> str:
    """The tag of an answer that depends on its address, on the service's version, and on these parts.

    It is weak, since a compressed answer has the same.
    """
    digest = hashlib.blake2b(repr((VERSION, *parts)).encode(), digest_size=12).hexdigest()
    return f'W/"{digest}"'


def location(request: Request, new_id: int) -> dict[str, str]:
    """Where an entry that was added to the collection of this request is."""
    return {"Location": f"{quote(request.scope['path'])}/{new_id}"}


def next_page(request: Request, cursor: str | None) -> dict[str, str]:
    """The link to a collection's next page, if there is one."""
    return {} if cursor is None else _link(request, "cursor", cursor)


def next_entries(request: Request, offset: int, limit: int, shown: int) -> dict[str, str]:
    """The link to the next page of a list, unless fewer than ``limit`` entries were left to be shown."""
    return {} if shown < limit else _link(request, "offset", offset + limit)


def _link(request: Request, name: str, value: object) -> dict[str, str]:
    """A link to the same path with one parameter changed to a value that needs no escaping: a number or a cursor."""
    query = quote(request.scope["query_string"], safe=UNESCAPED)
    others = [pair for pair in query.split("&") if pair and pair.partition("=")[0] != name]
    target = f"{quote(request.scope['path'])}?{'&'.join([*others, f'{name}={value}'])}"
    return {"Link": f'<{target}>; rel="next"'}


def answered_by(state: ModelState) -> dict[str, str]:
    """The header with the version of the model that answers this user."""
    return {MODEL_VERSION: state.scorer.version}


def recommendation_id(answer: RecommendationList) -> dict[str, str]:
    """The header with the id of a list; none for a list of an anonymous user."""
    return {} if answer.recommendation_id is None else {"X-Recommendation-ID": answer.recommendation_id}


def deprecation(asked: ListSize) -> dict[str, str]:
    """The header that tells a caller of old names so."""
    return DEPRECATED if "n" in asked.model_fields_set else {}
