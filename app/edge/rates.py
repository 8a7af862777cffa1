"""How many requests each caller may send in a time."""

import math
import time

from limits import parse
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import FixedWindowRateLimiter

from seqrec.errors import TooManyRequests


class Rates:
    """Counts the requests of each caller to this process; a window of time begins with the caller's first one."""

    def __init__(self, rate: str) -> None:
        """``rate`` is a number of requests in a unit of time: ``60/minute``."""
        self._rate = parse(rate)
        self._limiter = FixedWindowRateLimiter(MemoryStorage())

    async def count(self, caller: str) -> None:
        """Count one more request; `TooManyRequests` says when the caller may come back."""
        if not await self._limiter.hit(self._rate, caller):
            end, _ = await self._limiter.get_window_stats(self._rate, caller)
            raise TooManyRequests(str(self._rate), max(math.ceil(end - time.time()), 1))
