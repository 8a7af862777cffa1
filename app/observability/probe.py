"""A question to something that may not answer."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

ANSWERED_WITHIN = 0.8
"""Seconds. Who asks for the service's health gives up after one."""


class Probe:
    """Asks in a thread of its own, one question at a time, and never waits for long.

    A question that hangs occupies that thread alone, and no connection beside its own; whoever asks meanwhile learns at
    once that there is no answer.
    """

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="probe")
        self._asked: asyncio.Future[None] | None = None

    async def get(self, question: Callable[[], None]) -> None:
        """Return once the question does, or raise what it raises; `TimeoutError` if it has no answer in time."""
        if self._asked is None or self._asked.done():
            self._asked = asyncio.get_running_loop().run_in_executor(self._thread, question)
        await asyncio.wait_for(asyncio.shield(self._asked), ANSWERED_WITHIN)
