"""What the models know of the users who asked lately, kept so that asking again costs next to nothing."""

import threading
import time
from collections import OrderedDict
from collections.abc import Collection
from typing import NamedTuple

from app.observability import metrics
from model.inference.user_state import UserState
from model.processes import give_free_memory_back
from model.types import FloatArray


class _Entry(NamedTuple):
    revision: int
    state: UserState
    nbytes: int


MOST_EMBEDDINGS = 50_000
"""Users whose embeddings are kept beside their states, a kilobyte each: far more than whole states would fit."""


class UserStates:
    """States of users, each of one model and valid for one revision of the user; the least recently used go first.

    A cache belongs to the movies that its models know. Users are known by their ids, anonymous ones by a digest of all
    that is known of them.
    """

    def __init__(self, limit: int, versions: Collection[str]) -> None:
        """``limit`` is in bytes, for the states of all models; ``versions`` are those of the models."""
        self.limit = limit
        self._versions = frozenset(versions)
        self._entries: OrderedDict[tuple[str, int | bytes], _Entry] = OrderedDict()
        self._nbytes = self._evicted = 0
        self._embeddings: OrderedDict[tuple[str, int], tuple[int, FloatArray]] = OrderedDict()
        self._lock = threading.Lock()
        self._record()  # nothing is left of a cache before this one

    def keep_only(self, versions: Collection[str]) -> None:
        """Forget what models of other versions know, and take no more of it: it would keep them in memory."""
        with self._lock:
            self._versions = frozenset(versions)
            for entry in [entry for entry in self._entries if entry[0] not in self._versions]:
                self._forget(entry)
            for key in [key for key in self._embeddings if key[0] not in self._versions]:
                del self._embeddings[key]
            self._record()

    def earlier(self, version: str, key: int | bytes) -> UserState | None:
        """The user's state at the latest revision that was asked for, to compute another one from."""
        with self._lock:
            entry = self._entries.get((version, key))
            return None if entry is None else entry.state

    def get(self, version: str, key: int | bytes, revision: int) -> UserState | None:
        """The user's state, unless it is of another revision, gone, or past the time at which it changes by itself."""
        with self._lock:
            entry = self._entries.get((version, key))
            if entry is None or entry.revision != revision or entry.state.context.changes_at <= time.time():
                return None
            self._entries.move_to_end((version, key))
            metrics.user_hits.inc()
            return entry.state

    def put(self, version: str, key: int | bytes, revision: int, state: UserState) -> None:
        """Keep a state, or account anew for one that has grown."""
        entry = _Entry(revision, state, state.nbytes)
        with self._lock:
            if version not in self._versions:
                return
            before = self._entries.pop((version, key), None)
            self._nbytes += entry.nbytes - (before.nbytes if before else 0)
            self._entries[version, key] = entry
            while self._nbytes > self.limit:
                self._forget(next(iter(self._entries)))
            self._record()

    def embedding(self, version: str, user_id: int, revision: int) -> FloatArray | None:
        """The user's embedding, unless it is not known of this revision."""
        with self._lock:
            kept, embedding = self._embeddings.get((version, user_id), (None, None))
        return embedding if kept == revision else None

    def put_embedding(self, version: str, user_id: int, revision: int, embedding: FloatArray) -> None:
        with self._lock:
            if version not in self._versions:
                return
            self._embeddings[version, user_id] = revision, embedding
            self._embeddings.move_to_end((version, user_id))
            while len(self._embeddings) > MOST_EMBEDDINGS:
                self._embeddings.popitem(last=False)

    def _forget(self, entry: tuple[str, int | bytes]) -> None:
        """Once states have gone for an eighth of the limit, give the holes that they leave back to the system."""
        nbytes = self._entries.pop(entry).nbytes
        self._nbytes -= nbytes
        self._evicted += nbytes
        if self._evicted > self.limit / 8:
            self._evicted = 0
            # It takes some milliseconds, which no caller need wait for.
            threading.Thread(target=give_free_memory_back, name="free memory", daemon=True).start()

    def _record(self) -> None:
        metrics.user_cache_bytes.set(self._nbytes)
        metrics.user_cache_users.set(len(self._entries))
