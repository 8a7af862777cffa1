"""Draining: a service that is told to stop says so before it stops listening, so that a proxy sends it no more."""

import asyncio
import signal
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import FrameType

from fastapi import FastAPI


class Drain:
    """Puts off the server's own stop on SIGTERM.

    The server stops listening as soon as it is told to, and connections that wait to be accepted are then reset. A
    request that a proxy has just sent there is lost, unless the proxy may repeat it. Ctrl-C stops at once.

    Attributes:
        seconds: from SIGTERM until the service stops listening; everything is answered meanwhile.
        began: whether the service has been told to stop.
    """

    def __init__(self, seconds: float = 0) -> None:
        self.seconds = seconds
        self.began = False

    @asynccontextmanager
    async def lifespan(self, _app: FastAPI) -> AsyncIterator[None]:
        """From the start of the server, which has set its handler of SIGTERM by then, to its end."""
        stop = signal.getsignal(signal.SIGTERM)
        in_main_thread = threading.current_thread() is threading.main_thread()  # no other may set a handler
        if not (self.seconds and in_main_thread and callable(stop)):
            yield
            return
        loop = asyncio.get_running_loop()

        def begin(number: int, frame: FrameType | None) -> None:
            self.began = True
            loop.call_soon_threadsafe(loop.call_later, self.seconds, stop, number, frame)

        signal.signal(signal.SIGTERM, begin)
        try:
            yield
        finally:
            signal.signal(signal.SIGTERM, stop)
