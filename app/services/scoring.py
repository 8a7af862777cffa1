"""Where requests are scored: in a few threads, and those that come at the same time together."""

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import islice
from typing import Generic, ParamSpec, TypeVar

from anyio import CapacityLimiter, to_thread

P = ParamSpec("P")
T = TypeVar("T")

THREADS = os.cpu_count() or 1
"""More threads than cores would only make every request that scores wait for all others."""

MOST_TOGETHER = 32
"""Larger batches take no less time for each user, and make the first one wait for all others."""

_threads = CapacityLimiter(THREADS)


async def in_scoring_thread(function: Callable[P, T], *arguments: P.args, **options: P.kwargs) -> T:
    """What the function returns; it may score, or wait for the database, without holding up other requests."""
    return await to_thread.run_sync(partial(function, *arguments, **options), limiter=_threads)


class Gathering(Generic[T]):
    """Computes what several requests ask for at the same time together.

    A request that nobody is before is computed at once and alone. Those that arrive while all threads compute are the
    next batch: a batch takes a third of the time that its users take one after the other. Its database transaction
    begins when all of its requests are there, so that each of them sees what was written before it.
    """

    def __init__(self, compute: Callable[[Sequence[int]], Mapping[int, T]], most: int = MOST_TOGETHER) -> None:
        """``compute`` answers for several ids, in a thread, and leaves out those that there are not."""
        self._compute = compute
        self._most = most
        self._waiting: dict[int, asyncio.Future[T | None]] = {}
        self._draining = 0
        self._drains: set[asyncio.Task[None]] = set()  # the loop itself keeps no task alive

    async def get(self, key: int) -> T | None:
        """What is computed for the id; None if there is no such id. Raises what the computation has raised."""
        future = self._waiting.get(key)
        if future is None:
            future = self._waiting[key] = asyncio.get_running_loop().create_future()
        if self._draining < THREADS:
            self._draining += 1
            drain = asyncio.create_task(self._drain())
            self._drains.add(drain)
            drain.add_done_callback(self._drains.discard)
        return await asyncio.shield(future)  # others may wait for the same id when this caller leaves

    async def _drain(self) -> None:
        """Compute until nobody waits."""
        while keys := list(islice(self._waiting, self._most)):
            futures = [self._waiting.pop(key) for key in keys]
            try:
                found = await in_scoring_thread(self._compute, keys)
            except Exception as error:  # noqa: BLE001 - whatever it is, those who wait for it raise it
                for future in futures:
                    future.set_exception(error)
                    future.exception()  # who left does not ask for it
            else:
                for key, future in zip(keys, futures, strict=True):
                    future.set_result(found.get(key))
        self._draining -= 1  # in one go with the check that nobody waits: who comes now starts another drain
