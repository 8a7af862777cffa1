"""What is the same for every request: an id, the model's version, a line in the log, and metrics."""

import logging
import re
import time
import uuid
from collections.abc import Callable
from urllib.parse import urlsplit

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.error_handlers import answer
from app.observability import metrics
from seqrec.errors import ForeignOrigin, InternalError

logger = logging.getLogger("app.requests")
faults = logging.getLogger("app.faults")

REQUEST_ID = re.compile(r"[\w.:/+=@-]{1,128}")
"""What is taken over from a caller: nothing that could break a line of the log."""

CLIENT_GONE = 499
"""Recorded where the caller left before an answer began."""

READING = {"GET", "HEAD", "OPTIONS"}

QUIET = {"/health/live", "/health/ready", "/metrics"}
"""Asked every few seconds by machines; logged where the log is to be detailed."""


def _is_foreign_write(method: str, headers: Headers) -> bool:
    """Whether a browser sends this for a page of another site.

    Where there are keys, such a page has none to send; without keys, nothing else stands in its way.
    """
    origin = headers.get("origin")
    return method not in READING and origin is not None and urlsplit(origin).netloc != headers.get("host")


class Requests:
    """Wraps the whole app, so that faults, too, are answered in the one shape and leave their line."""

    def __init__(self, app: ASGIApp, version: Callable[[], str], guarded: bool) -> None:
        """``version`` tells the version of the model that is served; ``guarded``: against pages of other sites."""
        self.app = app
        self.version = version
        self.guarded = guarded

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        given = headers.get("x-request-id", "")
        request_id = given if REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
        status = 0
        head = scope["method"] == "HEAD"
        asked = {**scope, "method": "GET"} if head else scope

        async def send_marked(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                marked = MutableHeaders(scope=message)
                marked["X-Request-ID"] = request_id
                marked["X-Model-Version"] = self.version()
            elif head:
                message = {**message, "body": b""}
            await send(message)

        started = time.perf_counter()
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                if self.guarded and _is_foreign_write(scope["method"], headers):
                    await answer(ForeignOrigin())(scope, receive, send_marked)
                else:
                    await self.app(asked, receive, send_marked)
            except ClientDisconnect:
                pass  # nobody is there to be answered
            except Exception:  # the outermost place there is: whatever it was, the caller gets an answer
                faults.exception("%s %s failed", scope["method"], scope["path"])
                if status:
                    raise  # an answer that has begun can only be broken off
                await answer(InternalError())(scope, receive, send_marked)
            finally:
                self._record(asked, status, time.perf_counter() - started)

    @staticmethod
    def _record(scope: Scope, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "none")
        status = status or CLIENT_GONE
        metrics.requests.labels(scope["method"], route, str(status)).inc()
        metrics.request_seconds.labels(scope["method"], route).observe(seconds)
        level = logging.DEBUG if scope["path"] in QUIET else logging.INFO
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
