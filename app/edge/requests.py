"""What every request gets: an id, the model's version, a line in the log, and metrics."""

import logging
import re
import secrets
import time
from collections.abc import Callable

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.edge.answers import answer
from app.observability import logs, metrics
from seqrec.errors import InternalError

logger = logging.getLogger("app.requests")
faults = logging.getLogger("app.faults")

REQUEST_ID = re.compile(r"[\w.:/+=@-]{1,128}")
"""Ids that are accepted from a caller: nothing that could break a line of the log."""

REFUSED = "seqrec.refused"
"""In the scope of a request that was refused because there are too many; it is logged at level DEBUG."""

CLIENT_GONE = 499
"""Status recorded if the caller left before an answer began."""

HEADERS = {
    "X-Request-ID": {
        "description": "That of the request, if it has one that can be logged.",
        "required": True,
        "schema": {"type": "string"},
    },
    "X-Model-Version": {
        "description": "Version of the model that is served.",
        "required": True,
        "schema": {"type": "string"},
    },
}
"""Of every answer, as OpenAPI describes them."""

DOCUMENTATION = {
    # The page of the API's documentation has its one script and its style in it.
    "Content-Security-Policy": "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' "
    "'unsafe-inline'; img-src 'self' data:; base-uri 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
}

QUIET = {"/health/live", "/health/ready", "/metrics"}
"""Machines request these every few seconds; they are logged at level DEBUG."""


class Requests:
    """Wraps the whole app, so that faults too are answered in the one shape and logged."""

    def __init__(self, app: ASGIApp, version: Callable[[], str]) -> None:
        """``version`` returns the served model's version."""
        self.app = app
        self.version = version

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        given = Headers(scope=scope).get("x-request-id", "")
        request_id = given if REQUEST_ID.fullmatch(given) else secrets.token_hex(16)
        status = 0
        head = scope["method"] == "HEAD"
        as_get = {**scope, "method": "GET"} if head else scope

        async def send_marked(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                marked = MutableHeaders(scope=message)
                marked["X-Request-ID"] = request_id
                marked["X-Model-Version"] = self.version()
                marked.setdefault("X-Content-Type-Options", "nosniff")
                if scope["path"].startswith("/docs"):
                    marked.update(DOCUMENTATION)
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
            await answer(InternalError())(scope, receive, send_marked)
        finally:
            self._record(as_get, status, time.perf_counter() - started)
            logs.request_id.reset(bound)

    @staticmethod
    def _record(scope: Scope, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "none")
        status = status or CLIENT_GONE
        metrics.record_request(scope["method"], route, status, seconds)
        level = logging.DEBUG if scope["path"] in QUIET or REFUSED in scope else logging.INFO
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
