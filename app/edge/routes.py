"""Routes that look at the key, the rate and the size of requests before they read them.

FastAPI reads and parses a body before any dependency, so that a caller without a key could make the service read.
"""

import asyncio
import json
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from fastapi import Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.exceptions import RequestValidationError
from fastapi.params import Depends
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive, Scope, Send

from app.edge.keys import ADMIN_KEY, ANY_KEY, HEADER, Keys, with_admin_key, with_key
from app.edge.limits import Limits
from app.edge.paths import PROBES
from app.edge.rates import Rates
from app.edge.request_headers import header
from app.edge.requests import HEADERS
from seqrec.errors import BodyTooLarge, Overloaded, SlowBody, UnsupportedMedia

_KEY = HEADER.lower().encode()

HIGH_ESCAPES = ("\\ud", "\\uD")
"""How escapes of surrogates begin in JSON; some letters of Korea have such ones too."""

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class Route(APIRoute):
    """A route with a small body, which is read whole before the route's own code runs."""

    def __init__(
        self,
        path: str,
        endpoint: Callable[..., Any],
        *,
        status_code: int | None = None,
        responses: dict[int | str, dict[str, Any]] | None = None,
        dependencies: Sequence[Depends] | None = None,
        **options: Any,  # noqa: ANN401 - those of FastAPI
    ) -> None:
        given = list(dependencies or ())
        self.wants_key, self.wants_admin = with_key in given, with_admin_key in given
        if self.wants_key or self.wants_admin:
            scheme = ADMIN_KEY if self.wants_admin else ANY_KEY
            options["openapi_extra"] = (options.get("openapi_extra") or {}) | {"security": [{scheme.scheme_name: []}]}
        others = [one for one in given if one not in (with_key, with_admin_key)]
        documented: dict[int | str, dict[str, Any]] = {status_code or 200: {}, **(responses or {})}
        documented[status_code or 200] = {"headers": HEADERS} | documented[status_code or 200]
        super().__init__(path, endpoint, status_code=status_code, responses=documented, dependencies=others, **options)
        self.parameters = self._parameters()

    def get_route_handler(self) -> Handler:
        handle = super().get_route_handler()

        async def guarded(request: Request) -> Response:
            if self.wants_key or self.wants_admin:
                keys: Keys = request.app.state.keys
                key = header(request.scope, _KEY)
                keys.require(key, admin=self.wants_admin)
                rates: Rates | None = request.app.state.rates
                if rates is not None:
                    await rates.count(key if keys and key else _address(request))
            if request.scope["query_string"] and self.parameters is not None:
                _require_known(request, self.parameters)
            return await handle(await self.with_limited_body(request, request.app.state.limits))

        return guarded

    def _parameters(self) -> frozenset[str] | None:
        """Names of what the query may have; None for probes, and where a model reads it, which refuses all else."""
        fields = [field for dependant in _with_all_below(self.dependant) for field in dependant.query_params]
        of_model = any(_is_model(field.field_info.annotation) for field in fields)
        if self.path in PROBES or of_model or "parameters" in (self.openapi_extra or {}):
            return None
        return frozenset(field.alias for field in fields)

    @staticmethod
    def most_bytes(limits: Limits) -> int:
        """Of a body that is read whole."""
        return limits.body

    async def with_limited_body(self, request: Request, limits: Limits) -> Request:
        """The request, whose body is in memory; `BodyTooLarge`, `SlowBody` or `UnsupportedMedia`."""
        if self.body_field is None:
            return request
        receive = limited(request, self.most_bytes(limits), limits.pause)
        parts: list[bytes] = []
        while True:
            message = await receive()
            parts.append(message.get("body", b""))
            if not message.get("more_body", False):
                break
        body = b"".join(parts)
        if body and not _is_json(header(request.scope, b"content-type") or ""):
            raise UnsupportedMedia("application/json")
        return JsonRequest(request.scope, request.receive, body)


class JsonRequest(Request):
    """A request whose body is read, and is JSON in UTF-8, all of it text that can be stored and answered."""

    def __init__(self, scope: Scope, receive: Receive, body: bytes) -> None:
        super().__init__(scope, receive)
        self._body = body  # where Starlette keeps what it has read

    async def json(self) -> Any:  # noqa: ANN401 - whatever is in the body
        """What is in the body; `UnicodeError` where a lone surrogate is, which Python itself lets pass."""
        text = (await self.body()).decode("utf-8-sig")
        content = json.loads(text)
        if any(escape in text for escape in HIGH_ESCAPES):
            json.dumps(content, ensure_ascii=False).encode()
        return content


class BatchRoute(Route):
    """A route whose body may have thousands of entries."""

    @staticmethod
    def most_bytes(limits: Limits) -> int:
        return limits.batch_body


class BulkSlots:
    """Admits half of a worker's requests to bulk routes, so that slow callers of these leave room for all others."""

    def __init__(self, requests: int) -> None:
        """``requests`` are all that the worker takes on."""
        self._left = max(requests // 2, 1)

    @contextmanager
    def one(self) -> Iterator[None]:
        """`Overloaded` if all are taken."""
        if not self._left:
            raise Overloaded
        self._left -= 1
        try:
            yield
        finally:
            self._left += 1


class BulkRoute(Route):
    """A route that may take long, and whose code may read the body piece by piece."""

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        slots: BulkSlots = scope["app"].state.bulk_slots
        with slots.one():
            await super().handle(scope, receive, send)

    async def with_limited_body(self, request: Request, limits: Limits) -> Request:
        """The request, whose body ends in `BodyTooLarge` or `SlowBody` while it is read."""
        if self.body_field is not None:
            return await super().with_limited_body(request, limits)
        return Request(request.scope, limited(request, limits.bulk_body, limits.pause))


class FileRoute(BulkRoute):
    """A bulk route whose body is one file of a person, far smaller than what programs send."""

    async def with_limited_body(self, request: Request, limits: Limits) -> Request:
        """The request, whose body ends in `BodyTooLarge` or `SlowBody` while it is read."""
        return Request(request.scope, limited(request, min(limits.file, limits.bulk_body), limits.pause))


def limited(request: Request, most: int, pause: float) -> Receive:
    """The messages of a request's body.

    Raises `BodyTooLarge` beyond ``most`` bytes, `SlowBody` after ``pause`` seconds without one, and `ClientDisconnect`
    if the rest will not come.
    """
    announced = header(request.scope, b"content-length") or ""
    if announced.isdecimal() and int(announced) > most:
        raise BodyTooLarge(most)
    received = 0

    async def receive() -> Message:
        nonlocal received
        try:
            async with asyncio.timeout(pause):
                message = await request.receive()
        except TimeoutError:
            raise SlowBody from None
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        received += len(message.get("body", b""))
        if received > most:
            raise BodyTooLarge(most)
        return message

    return receive


def _require_known(request: Request, parameters: frozenset[str]) -> None:
    """Raise `RequestValidationError`, as of a field that a model does not know, for another parameter."""
    problems = [
        {"type": "extra_forbidden", "loc": ("query", name), "msg": "", "input": value}
        for name, value in request.query_params.items()
        if name not in parameters
    ]
    if problems:
        raise RequestValidationError(problems)


def _with_all_below(dependant: Dependant) -> Iterator[Dependant]:
    """What a route depends on, and what that depends on."""
    yield dependant
    for below in dependant.dependencies:
        yield from _with_all_below(below)


def _is_model(annotation: object) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _address(request: Request) -> str:
    """Of the caller, or of the last proxy that is not trusted."""
    return "" if request.client is None else request.client.host


def _is_json(content_type: str) -> bool:
    subtype = content_type.partition(";")[0].strip().lower().rpartition("/")[2]
    return subtype == "json" or subtype.endswith("+json")
