"""Refusals of requests that are too many: they wait, and where very many do, the next ones are not read any more."""

import asyncio
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
"""Seconds for which every request has to come late before one is refused: a short halt of the worker is no overload."""

STATE = "seqrec_refusals"
"""Where the connections of a server find them, in the state that its lifespan gives."""


class Refusals:
    """Those of one worker. Who asks again at once should not take the time of those who are admitted."""

    def __init__(self, most: int) -> None:
        """``most`` requests are in work at once."""
        self._most = most
        self._waiting = 0
        self._late_since: float | None = None

    @property
    def are_many(self) -> bool:
        """Whether further requests are to be turned away unread."""
        return self._waiting >= MOST_READ

    def refuse_one_of(self, requests: int) -> bool:
        """Whether one more is too many beside so many, in work, or read and not begun, or refused and waiting."""
        return requests - self._waiting >= self._most

    def refuse_late(self, unread: float) -> bool:
        """Whether a request that came so many seconds ago is refused, since more come than are answered.

        As CoDel (Nichols and Jacobson, 2012) drops packets: by how long they waited rather than by how many wait, and
        only if none came in time for a while. So the requests that are admitted find a short queue, of whatever
        kind they are.
        """
        if unread < LONGEST_UNREAD:
            self._late_since = None
            return False
        now = time.monotonic()
        self._late_since = self._late_since or now
        return now - self._late_since > PATIENCE

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
