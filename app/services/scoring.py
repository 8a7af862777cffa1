"""Where requests are scored: in a few threads, and those that come at the same time together."""

import asyncio
import math
import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import islice
from typing import Generic, ParamSpec, TypeVar

from anyio import CapacityLimiter, fail_after, to_thread

from app.services.recommendations import (
    KnownUser,
    PredictionQuery,
    Predictions,
    RecommendationList,
    RecommendationOptions,
    Recommender,
)
from seqrec.errors import Overloaded, UserNotFound

P = ParamSpec("P")
T = TypeVar("T")

THREADS = os.cpu_count() or 1
"""More threads than cores would only make every request that scores wait for all others."""

MOST_TOGETHER = 32
"""Larger batches take no less time for each user, and make the first one wait for all others."""

LONGEST_WAIT = 3.0
"""Seconds that a request waits for its turn. Where more come than are answered, the queue would only grow longer."""

BULK_WAIT = 60.0
"""The same for requests that score many lists."""

_threads = CapacityLimiter(THREADS)
_similar_users_thread = CapacityLimiter(1)  # so that lists are not held up while many users are read and encoded
_bulk_thread = CapacityLimiter(1)  # so that the other ones are not held up for seconds
_no_limit = CapacityLimiter(math.inf)


async def in_scoring_thread(function: Callable[P, T], *arguments: P.args, **options: P.kwargs) -> T:
    """What the function returns; it may score, or wait for the database, without holding up other requests.

    `Overloaded` after too long a wait for a thread.
    """
    return await _in_turn(_threads, LONGEST_WAIT, partial(function, *arguments, **options))


async def in_similar_users_thread(function: Callable[P, T], *arguments: P.args, **options: P.kwargs) -> T:
    """The same for similar users, one request at a time."""
    return await _in_turn(_similar_users_thread, LONGEST_WAIT, partial(function, *arguments, **options))


async def in_bulk_thread(function: Callable[P, T], *arguments: P.args, **options: P.kwargs) -> T:
    """The same for what takes seconds, one at a time."""
    return await _in_turn(_bulk_thread, BULK_WAIT, partial(function, *arguments, **options))


async def _in_turn(threads: CapacityLimiter, longest_wait: float, work: Callable[[], T]) -> T:
    turn = object()
    try:
        with fail_after(longest_wait):
            await threads.acquire_on_behalf_of(turn)
    except TimeoutError:
        raise Overloaded from None
    try:
        return await to_thread.run_sync(work, limiter=_no_limit)
    finally:
        threads.release_on_behalf_of(turn)


class AsyncRecommender:
    """A `Recommender` for the event loop: it answers at once from memory, and else in a thread."""

    def __init__(self, recommender: Recommender) -> None:
        self._recommender = recommender
        self._users = MicroBatcher(recommender.read_users)

    async def read_user(self, user_id: int, *, explain: bool = False) -> KnownUser:
        """The user from memory, or read together with those of other requests; `UserNotFound`.

        To ``explain`` a list, the history is read once for the list and its reasons, so nothing is computed yet.
        """
        user = self._recommender.find_user(user_id)
        if user is None and explain:
            return await in_scoring_thread(self._recommender.read_user, user_id)
        user = user or await self._users.get(user_id)
        if user is None:
            raise UserNotFound([user_id])
        return user

    async def recommend(self, user: KnownUser, options: RecommendationOptions) -> RecommendationList:
        """As `Recommender.recommend_known`."""
        answer = self._recommender.recommend_now(user, options)
        if answer is None:
            return await in_scoring_thread(self._recommender.recommend_known, user, options)
        return answer

    async def predict(self, queries: Sequence[PredictionQuery]) -> Predictions:
        """As `Recommender.predict`."""
        answer = self._recommender.predict_now(queries)
        if answer is None:
            return await in_scoring_thread(self._recommender.predict, queries)
        return answer


class MicroBatcher(Generic[T]):
    """Computes what several requests ask for at the same time together (dynamic batching).

    A request that nobody is before is computed at once and alone. Those that arrive while it is computed are the next
    batch: a batch takes a third of the time that its users take one after the other. Its database transaction begins
    when all of its requests are there, so that each of them sees what was written before it.

    There is one batch at a time. Two would wait for each other's turns in the interpreter and be half as large: each
    user took twice the processor time.
    """

    def __init__(self, compute: Callable[[Sequence[int]], Mapping[int, T]], most: int = MOST_TOGETHER) -> None:
        """``compute`` answers for several ids, in a thread, and leaves out those that there are not."""
        self._compute = compute
        self._most = most
        self._waiting: dict[int, asyncio.Future[T | None]] = {}
        self._draining: asyncio.Task[None] | None = None

    async def get(self, key: int) -> T | None:
        """What is computed for the id; None if there is no such id.

        Raises what the computation has raised, or `Overloaded` after too long a wait for its turn.
        """
        future = self._waiting.get(key)
        if future is None:
            loop = asyncio.get_running_loop()
            future = self._waiting[key] = loop.create_future()
            loop.call_later(LONGEST_WAIT, self._expire, key, future)
        if self._draining is None:
            self._draining = asyncio.create_task(self._drain())
        return await asyncio.shield(future)  # others may wait for the same id when this caller leaves

    def _expire(self, key: int, future: asyncio.Future[T | None]) -> None:
        """Give up what still waits for its turn."""
        if self._waiting.get(key) is future:
            del self._waiting[key]
            _fail([future], Overloaded())

    async def _drain(self) -> None:
        """Compute until nobody waits."""
        while keys := list(islice(self._waiting, self._most)):
            futures = [self._waiting.pop(key) for key in keys]
            try:
                # However long it takes to get a thread: those who wait have waited already.
                found = await _in_turn(_threads, math.inf, partial(self._compute, keys))
            except Exception as error:  # noqa: BLE001 - whatever it is, those who wait for it raise it
                _fail(futures, error)
            else:
                for key, future in zip(keys, futures, strict=True):
                    future.set_result(found.get(key))
        self._draining = None  # in one go with the check that nobody waits: who comes now starts another drain


def _fail(futures: Sequence[asyncio.Future[T | None]], error: Exception) -> None:
    for future in futures:
        future.set_exception(error)
        future.exception()  # who left does not ask for it
