"""What a request still writes once it was given up: nothing."""

import threading
from contextvars import ContextVar
from typing import Self

from seqrec.errors import TimedOut

_current: ContextVar["Deadline"] = ContextVar("deadline")


class Deadline:
    """Decides between giving a request up and committing what it has written: what comes first counts.

    The request's work is in a thread that cannot be stopped, and may wait for the database for longer than its caller
    does. As a context, it is the deadline of what is done within, also in threads that are started there.
    """

    def __init__(self) -> None:
        self._deciding = threading.Lock()
        self._is_committing = self._is_given_up = False

    def __enter__(self) -> Self:
        self._outer = _current.set(self)
        return self

    def __exit__(self, *_: object) -> None:
        _current.reset(self._outer)

    def give_up(self) -> bool:
        """Have all that is not committed taken back; False if a commit is on its way, whose end nobody knows."""
        with self._deciding:
            self._is_given_up = True
            return not self._is_committing

    def begin_commit(self) -> None:
        """`TimedOut` if the request was given up."""
        with self._deciding:
            if self._is_given_up:
                raise TimedOut
            self._is_committing = True

    def end_commit(self) -> None:
        with self._deciding:
            self._is_committing = False


def current() -> Deadline:
    """That of the request that is answered here; elsewhere one that never comes."""
    return _current.get(None) or Deadline()
