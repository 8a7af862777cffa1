"""Refusals of requests that are too many: they wait, and where very many do, the next ones are not read any more."""

import asyncio
import secrets
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

STATE = "seqrec_refusals"
"""Where the connections of a server find them, in the state that its lifespan gives."""


class Refusals:
    """Those of one worker. Who asks again at once should not take the time of those who are admitted."""

    def __init__(self) -> None:
        self._waiting = 0

    @property
    def are_many(self) -> bool:
        """Whether further requests are to be turned away unread."""
        return self._waiting >= MOST_READ

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
