"""Admits as many requests as a worker can answer, and ends every one of them in time."""

import asyncio

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.edge.answers import answer
from app.edge.hosts import Hosts
from app.edge.limits import Limits
from app.edge.routes import BulkRoute
from seqrec.errors import Overloaded, ServiceError, TimedOut

ALWAYS = {"/health/live", "/health/ready", "/metrics"}
"""Paths that are answered however much there is to do: they say how the service is."""


class Admission:
    """Refuses a request at once if the worker has too many, or if it comes from a page of another site."""

    def __init__(self, app: ASGIApp, limits: Limits, hosts: Hosts) -> None:
        self.app = app
        self.limits = limits
        self.hosts = hosts
        self._admitted = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        if refusal := self._refusal(scope):
            await answer(refusal)(scope, receive, send)
            return
        self._admitted += 1
        timed = TimedAnswer(scope, receive, send)
        timer = asyncio.get_running_loop().call_later(self.limits.seconds, timed.expire)
        try:
            await self.app(scope, receive, timed.send)
        finally:
            timer.cancel()
            self._admitted -= 1
            await timed.expired()

    def _refusal(self, scope: Scope) -> ServiceError | None:
        if self._admitted >= self.limits.requests and scope["path"] not in ALWAYS:
            return Overloaded()
        try:
            self.hosts.require(scope["method"], Headers(scope=scope))
        except ServiceError as error:
            return error
        return None


class TimedAnswer:
    """The answer to one request, which is `TimedOut` if the route has not begun one when the time is over.

    The route's own work cannot be stopped: it may be in a thread that waits for the database. What it sends afterwards
    is dropped.
    """

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._scope, self._receive, self._send = scope, receive, send
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
            self._expiry = asyncio.get_running_loop().create_task(
                answer(TimedOut())(self._scope, self._receive, self._send)
            )
