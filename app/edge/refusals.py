"""Refusals of requests that are too many: they wait, and where very many do, the next ones are not read any more."""

import asyncio
import math
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from app.edge.answers import error_body
from app.observability import metrics
from seqrec.errors import Overloaded

REFUSALS_A_SECOND = 200
LONGEST_PAUSE = 1.0
"""Seconds, before a refusal of many. The first ones come at once."""

MOST_READ = 100
"""Refused requests that are read at a time. To read one takes more than twice the time of turning it away."""

LONGEST_UNREAD = 0.5
"""Seconds that a request may wait before it is read."""

PATIENCE = 0.25
"""Seconds for which every request has to come late before one is refused: a short halt is not an overload."""

FORGOTTEN = 1.0
"""Seconds after which the next late request is the first one again."""

STATE = "seqrec_refusals"
"""Where the connections of a server find them, in the state that its lifespan gives."""


class Lateness:
    """Tells whether requests come late for longer than a halt of the worker explains: more come than are answered.

    As CoDel (Nichols and Jacobson, 2012) drops packets: by how long they waited rather than by how many wait, and only
    if none came in time for a while. So those that are admitted find a short queue, of whatever kind they are.
    """

    def __init__(self) -> None:
        self._since = self._latest = -math.inf

    def is_late_after(self, waited: float) -> bool:
        """Note how long a request waited, its sojourn time; whether it should be refused."""
        if waited < LONGEST_UNREAD:
            self._latest = -math.inf
            return False
        now = time.monotonic()
        if now - self._latest > FORGOTTEN:
            self._since = now
        self._latest = now
        return now - self._since > PATIENCE


class Refusals:
    """Those of one worker. Who asks again at once should not take the time of those who are admitted.

    Attributes:
        of_new_connections, of_open_connections: apart, since the event loop takes up one new connection a turn, and
            reads all open ones: the former may wait for seconds while the latter are answered at once.
    """

    def __init__(self, most: int) -> None:
        """``most`` requests are in work at once."""
        self._most = most
        self._waiting = 0
        self.of_new_connections, self.of_open_connections = Lateness(), Lateness()

    @property
    def are_many(self) -> bool:
        """Whether further requests are to be turned away unread."""
        return self._waiting >= MOST_READ

    def is_full(self, requests: int) -> bool:
        """Whether one more is too many beside ``requests``: those in work, those not begun and refusals that wait."""
        return requests - self._waiting >= self._most

    @asynccontextmanager
    async def one_more(self) -> AsyncIterator[None]:
        """Waits, the longer the more refusals wait already, and counts until the refusal is sent."""
        self._waiting += 1
        try:
            await asyncio.sleep(min(self._waiting / REFUSALS_A_SECOND, LONGEST_PAUSE))
            yield
        finally:
            self._waiting -= 1


def turned_away() -> bytes:
    """The whole answer to a request that was not read: the same error, without its path and the model's version."""
    error, request_id = Overloaded(), secrets.token_hex(16)
    body = error_body(error.status, error.code, str(error), error.details, "", request_id).model_dump_json()
    metrics.errors.labels(error.code).inc()
    head = [
        f"HTTP/1.1 {error.status} Service Unavailable",
        "content-type: application/problem+json",
        f"content-length: {len(body)}",
        *(f"{name.lower()}: {value}" for name, value in error.headers.items()),
        "cache-control: no-store",
        "x-content-type-options: nosniff",
        f"x-request-id: {request_id}",
        "connection: close",
    ]
    return "\r\n".join([*head, "", body]).encode()
