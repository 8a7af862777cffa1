"""What every request gets: an id, the model's version, a line in the log, and metrics."""

import logging
import re
import secrets
import time
from collections.abc import Callable, Iterable
from http import HTTPStatus

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.edge.answers import REQUEST_ID, answer
from app.edge.draining import Drain
from app.edge.paths import PROBES, route_path, with_version
from app.edge.request_headers import header
from app.observability import logs, metrics
from seqrec.errors import InternalError

logger = logging.getLogger("app.requests")
faults = logging.getLogger("app.faults")

ACCEPTED_IDS = re.compile(r"[\w.:/+=@-]{1,128}")
"""Ids that are accepted from a caller: nothing that could break a line of the log."""

REFUSED = "seqrec.refused"
"""In the scope of a request that was refused because there are too many; it is logged at level DEBUG."""

CLIENT_GONE = 499
"""Status recorded if the caller left before an answer began."""

MODEL_VERSION = "X-Model-Version"

_MODEL_VERSION = MODEL_VERSION.lower().encode()

HEADERS = {
    "X-Request-ID": {
        "description": "That of the request, if it has one that can be logged.",
        "required": True,
        "schema": {"type": "string"},
    },
    MODEL_VERSION: {
        "description": "Version of the model that is served; of two that are compared, the one that answers the user.",
        "required": True,
        "schema": {"type": "string"},
    },
}
"""Of every answer, as OpenAPI describes them."""

RawHeaders = Iterable[tuple[bytes, bytes]]

DEFAULTS = [
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"private, no-cache"),  # a cache of the caller's own may keep it, and asks each time
]
"""Headers of answers that do not say otherwise."""

DOCUMENTATION = [
    # The page of the API's documentation has its one script and its style in it.
    (
        b"content-security-policy",
        b"default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
        b"img-src 'self' data:; base-uri 'none'; frame-ancestors 'none'",
    ),
    (b"referrer-policy", b"no-referrer"),
]
"""Headers of that page."""


class Requests:
    """Wraps the whole app, so that faults too are answered in the one shape and logged."""

    def __init__(self, app: ASGIApp, version: Callable[[], str], draining: Drain) -> None:
        """``version`` returns the served model's version."""
        self.app = app
        self.version = version
        self.draining = draining

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        scope = with_version(scope)
        given = header(scope, b"x-request-id") or ""
        request_id = given if ACCEPTED_IDS.fullmatch(given) else secrets.token_hex(16)
        status = 0
        head = scope["method"] == "HEAD"
        scope[REQUEST_ID] = request_id
        as_get = {**scope, "method": "GET"} if head else scope

        async def send_marked(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message = {**message, "headers": [*message["headers"], *self._marks(scope, status, message["headers"])]}
            elif head:
                message = {**message, "body": b""}
            await send(message)

        started = time.perf_counter()
        bound = logs.request_id.set(request_id)
        try:
            await self.app(as_get, receive, send_marked)
        except ClientDisconnect:
            pass  # there is no one left to answer
        except Exception:  # nothing is further out: whatever failed, the caller gets an answer
            faults.exception("%s %s failed", scope["method"], scope["path"])
            if status:
                raise  # an answer that has begun can only be cut off
            await answer(InternalError(), scope)(scope, receive, send_marked)
        finally:
            self._record(as_get, status, time.perf_counter() - started)
            logs.request_id.reset(bound)

    def _marks(self, scope: Scope, status: int, given: RawHeaders) -> RawHeaders:
        """Headers to add to the given ones of an answer."""
        yield b"x-request-id", scope[REQUEST_ID].encode("latin-1")
        if self.draining.began:
            yield b"connection", b"close"  # the caller's next request goes to a server that stays
        names = {name for name, _ in given}
        if _MODEL_VERSION not in names:
            yield _MODEL_VERSION, self.version().encode("latin-1")
        yield from (header for header in DEFAULTS if header[0] not in names)
        if status == HTTPStatus.NOT_MODIFIED:  # as the answer that the caller has
            yield b"vary", b"Accept-Encoding"
        if route_path(scope).startswith("/docs"):
            yield from DOCUMENTATION

    @staticmethod
    def _record(scope: Scope, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "none")
        status = status or CLIENT_GONE
        metrics.record_request(scope["method"], route, status, seconds)
        level = logging.DEBUG if route_path(scope) in PROBES or REFUSED in scope else logging.INFO
        if not logger.isEnabledFor(level):
            return
        logger.log(
            level,
            "request",
            extra={
                "method": scope["method"],
                "path": scope["path"],
                "route": route,
                "status": status,
                "milliseconds": round(1000 * seconds, 1),
            },
        )
