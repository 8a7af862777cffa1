"""Users who are similar to one, by user embeddings that a thread keeps up to date."""

import atexit
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple

from sqlalchemy.exc import SQLAlchemyError

from app.observability import metrics
from app.services.model_host import LONGEST_END_SECONDS, ModelState
from app.services.models.user_states import MOST_EMBEDDINGS
from app.services.recommendations import Recommender
from app.storage import ratings, revisions, users
from model.types import FloatArray
from seqrec.errors import ServiceError, UserNotFound

LATEST_SHARED = 50
"""Similar users are searched among those who rated the same movies as this many latest of a user's ratings."""

MOST_SHARING = 100
"""How many of these users, those who share the most movies, the model compares."""

REFRESH_EVERY_SECONDS = 60.0
"""Between two looks for users who have changed. Who asks meanwhile waits until theirs are computed."""

USERS_PER_BATCH = 32
"""Computed at once by the thread: more would share the processor with a request that comes meanwhile for longer."""

LOOK_EVERY_SECONDS = 0.05
"""Whether there are requests."""

BUSY = 0.1
"""Share of one core, taken by what is not the thread's own, above which there are requests to be answered first."""

LONGEST_PAUSE_SECONDS = 10.0
"""After which the thread computes a batch however many requests there are."""


class NearestUsers(NamedTuple):
    """Ids and cosines of the most similar users, the most similar first, and the state of the model.

    ``external_ids`` are those of these users and of the one asked for.
    """

    state: ModelState
    nearest: list[tuple[int, float]]
    external_ids: Mapping[int, str | None]


class SimilarUsers:
    """Finds similar users; everyone's newest ratings count."""

    def __init__(self, recommender: Recommender) -> None:
        self._recommender = recommender
        self._host, self._database = recommender.host, recommender.database
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._keep_up_to_date, name="user embeddings", daemon=True)

    def find(self, user_id: int, n: int) -> NearestUsers:
        """The most similar of the users who share the most of this user's latest movies; `UserNotFound`.

        Who has changed is read and encoded anew, the others are in memory.
        """
        known = self._recommender.read_user(user_id)
        latest = [entry.movie_id for entry in known.user.context.history[-LATEST_SHARED:]]
        with self._database.reads() as session:
            ids = ratings.users_who_share(session, user_id, latest, MOST_SHARING)
        with metrics.scoring("similar_users"):
            embeddings, external_ids = self._user_embeddings(known.state, [user_id, *ids])
            if user_id not in embeddings:  # deleted a moment ago
                raise UserNotFound([user_id])
            nearest = known.state.scorer.similar_users(embeddings.pop(user_id), embeddings, n)
        known.keep()
        return NearestUsers(known.state, nearest, external_ids)

    def precompute_user_embeddings(self) -> Iterator[None]:
        """Compute them as far as memory reaches, so that similar users are found at once; yields after each batch."""
        last = 0
        for _ in range(0, MOST_EMBEDDINGS, USERS_PER_BATCH):
            with self._database.reads() as session:
                ids = users.next_ids(session, last, USERS_PER_BATCH)
            self._user_embeddings(self._host.current_state(), ids)
            yield
            if len(ids) < USERS_PER_BATCH:
                return
            last = ids[-1]

    def start(self) -> None:
        """Keep the embeddings up to date from now on, in a thread that ends before the process does."""
        atexit.register(self.stop)
        self._thread.start()

    def stop(self) -> None:
        """End the thread: PyTorch aborts a process that ends within one of its operators."""
        self._is_over.set()
        self._thread.join(LONGEST_END_SECONDS)

    def _keep_up_to_date(self) -> None:
        """While there are no requests: their threads would wait for each other's turns in the interpreter."""
        while not self._is_over.is_set():
            with suppress(ServiceError, SQLAlchemyError):  # of a database that is away: until it is back
                for _ in self.precompute_user_embeddings():
                    self._wait_for_idle_time()
                    if self._is_over.is_set():
                        return
            self._is_over.wait(REFRESH_EVERY_SECONDS)

    def _wait_for_idle_time(self) -> None:
        """Until the process has little else to do, or it has had much to do for long."""
        began, before = time.monotonic(), _seconds_of_others()
        while not self._is_over.wait(LOOK_EVERY_SECONDS):
            spent = _seconds_of_others() - before
            if spent < BUSY * LOOK_EVERY_SECONDS or time.monotonic() - began > LONGEST_PAUSE_SECONDS:
                return
            before += spent

    def _user_embeddings(
        self, state: ModelState, user_ids: Sequence[int]
    ) -> tuple[dict[int, FloatArray], dict[int, str | None]]:
        """Embeddings and external ids of those of the users who exist; only those who have changed are read."""
        with self._database.reads() as session:
            _, found = revisions.read_with_users(session, user_ids)
            kept = {id_: state.user_embedding(id_, revision) for id_, (revision, _) in found.items()}
            embeddings = {id_: embedding for id_, embedding in kept.items() if embedding is not None}
            contexts = self._recommender.contexts.read(session, [id_ for id_ in kept if id_ not in embeddings])
        computed = state.scorer.user_embeddings(list(contexts.values()))
        for id_, embedding in zip(contexts, computed, strict=True):
            state.keep_user_embedding(id_, found[id_].revision, embedding)
            embeddings[id_] = embedding
        return embeddings, {id_: found[id_].external_id for id_ in embeddings}


def _seconds_of_others() -> float:
    """Processor time of all threads of the process but this one."""
    return time.process_time() - time.thread_time()
