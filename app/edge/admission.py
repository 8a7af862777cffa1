"""Admits as many requests as a worker can answer, and ends every one of them in time."""

import asyncio
import logging
import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.deadline import Deadline
from app.edge.answers import answer
from app.edge.hosts import Hosts
from app.edge.limits import Limits
from app.edge.paths import PROBES, route_path
from app.edge.refusals import Refusals
from app.edge.request_headers import header
from app.edge.requests import REFUSED
from app.edge.routes import BulkRoute
from seqrec.errors import Overloaded, ServiceError, TimedOut

logger = logging.getLogger(__name__)

WARNED_EVERY = 10.0
"""Seconds."""


class Admission:
    """Refuses a request if the worker has too many, or if it comes from a page of another site.

    Its connection has marked one that came too late, or too many together (`app.edge.connections`). Where many are
    refused because there are too many, they wait (`app.edge.refusals`).
    """

    def __init__(self, app: ASGIApp, limits: Limits, hosts: Hosts, refusals: Refusals) -> None:
        self.app = app
        self.limits = limits
        self.hosts = hosts
        self.refusals = refusals
        self._admitted = 0
        self._warned = -WARNED_EVERY

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        too_many = REFUSED in scope or self._admitted >= self.limits.requests
        if too_many and route_path(scope) not in PROBES:  # however much there is to do
            scope[REFUSED] = True
            self._warn()
            async with self.refusals.one_more():
                await answer(Overloaded(), scope)(scope, receive, send)
            return
        try:
            self.hosts.require(scope["method"], header(scope, b"host") or "", header(scope, b"origin"))
        except ServiceError as error:
            await answer(error, scope)(scope, receive, send)
            return
        self._admitted += 1
        with Deadline() as of_request:
            timed = TimedAnswer(scope, receive, send, of_request)
            timer = asyncio.get_running_loop().call_later(self.limits.seconds, timed.expire)
            try:
                await self.app(scope, receive, timed.send)
            finally:
                timer.cancel()
                self._admitted -= 1
                await timed.expired()

    def _warn(self) -> None:
        """Once in a while: a line for each refused request would cost more than the refusal."""
        now = time.monotonic()
        if now - self._warned > WARNED_EVERY:
            self._warned = now
            logger.warning(
                "too many requests: more than %d at once, and those that wait too long, are refused",
                self.limits.requests,
            )


class TimedAnswer:
    """The answer to one request, which is `TimedOut` if the route has not begun one when the time is over.

    The route's own work cannot be stopped: it may be in a thread that waits for the database. What it sends afterwards
    is dropped, and what it writes is taken back.
    """

    def __init__(self, scope: Scope, receive: Receive, send: Send, of_request: Deadline) -> None:
        self._scope, self._receive, self._send = scope, receive, send
        self._deadline = of_request
        self._begun = False
        self._expiry: asyncio.Task[None] | None = None

    async def send(self, message: Message) -> None:
        if self._expiry is None:
            self._begun = True
            await self._send(message)

    async def expired(self) -> None:
        """Wait until the answer that the time is over is sent, if there is to be one."""
        if self._expiry is not None:
            await self._expiry

    def expire(self) -> None:
        """Answer now, unless the route has begun to or may take longer."""
        if not self._begun and not isinstance(self._scope.get("route"), BulkRoute):
            error = TimedOut(is_undone=self._deadline.give_up())
            self._expiry = asyncio.get_running_loop().create_task(
                answer(error, self._scope)(self._scope, self._receive, self._send)
            )
