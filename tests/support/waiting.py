"""Waiting for what happens in another thread or process, however busy the machine is."""

import time
from collections.abc import Callable


def comes_true(condition: Callable[[], bool], seconds: float = 60) -> bool:
    """Whether it holds within so many seconds; returns as soon as it does."""
    ends = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > ends:
            return False
        time.sleep(0.02)
    return True
