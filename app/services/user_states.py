"""What the model knows of the users who asked lately, kept so that asking again costs next to nothing."""

import threading
import time
from collections import OrderedDict
from typing import NamedTuple

from app.observability import metrics
from model.inference.ranking import UserState


class _Entry(NamedTuple):
    revision: int
    state: UserState
    nbytes: int


class UserStates:
    """States of users, each valid for one revision of the user; the least recently used go first.

    A cache belongs to one model and one revision of the catalogue. Users are known by their ids, anonymous ones by a
    digest of all that is known of them.
    """

    def __init__(self, limit: int) -> None:
        """``limit`` is in bytes."""
        self.limit = limit
        self._entries: OrderedDict[int | bytes, _Entry] = OrderedDict()
        self._nbytes = 0
        self._lock = threading.Lock()

    def earlier(self, key: int | bytes) -> UserState | None:
        """The user's state at the latest revision that was asked for, to compute another one from."""
        with self._lock:
            entry = self._entries.get(key)
            return None if entry is None else entry.state

    def get(self, key: int | bytes, revision: int) -> UserState | None:
        """The user's state, unless it is of another revision, gone, or past the time at which it changes by itself."""
        with self._lock:
            entry = self._entries.get(key)
            if entry is None or entry.revision != revision or entry.state.context.changes_at <= time.time():
                return None
            self._entries.move_to_end(key)
            metrics.user_hits.inc()
            return entry.state

    def put(self, key: int | bytes, revision: int, state: UserState) -> None:
        """Keep a state, or account anew for one that has grown."""
        entry = _Entry(revision, state, state.nbytes)
        with self._lock:
            before = self._entries.pop(key, None)
            self._nbytes += entry.nbytes - (before.nbytes if before else 0)
            self._entries[key] = entry
            while self._nbytes > self.limit:
                _, oldest = self._entries.popitem(last=False)
                self._nbytes -= oldest.nbytes
            metrics.user_cache_bytes.set(self._nbytes)
            metrics.user_cache_users.set(len(self._entries))
