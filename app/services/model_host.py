"""The loaded model, together with the catalogue as the database has it now."""

import logging
import threading
from contextlib import suppress
from typing import NamedTuple

import numpy as np
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from app.observability import metrics
from app.services.catalogue import Catalogue
from app.services.models.collection import KEEP_MODELS, Models
from app.services.models.loading import load_scorer, to_serve
from app.services.user_states import UserStates
from app.storage import models, movies, revisions, training_state
from app.storage.database import Database
from app.storage.movies import MovieRecord
from app.storage.revisions import Revisions
from app.storage.training_state import TrainingState
from model.errors import ArtifactError, SeqRecError
from model.features.users import UserContext
from model.inference import artifact
from model.inference.cold_start import ColdStartMovie
from model.inference.ranking import UserState
from model.inference.scorer import Scorer
from model.types import FloatArray
from seqrec.errors import DatabaseUnavailable, ReloadRefused, ServiceError

logger = logging.getLogger(__name__)

USER_CACHE = 128 << 20
"""Bytes that what the model knows of users may take."""


class Snapshot(NamedTuple):
    """The catalogue's rows as of one transaction.

    Attributes:
        revision: of the catalogue.
        movies: in the order of their ids.
        title_vectors: by movie id, of movies that were added one by one.
    """

    revision: int
    movies: list[MovieRecord]
    title_vectors: dict[int, bytes]


class ModelState(NamedTuple):
    """A model and the catalogue that it answers for.

    Attributes:
        scorer: knows every movie of the catalogue, also those added after training.
        users: what the scorer knows of users who asked lately.
        revision: of the catalogue.
    """

    scorer: Scorer
    catalogue: Catalogue
    users: UserStates
    revision: int

    def read(self, user: UserContext, key: int | bytes | None = None) -> UserState:
        """The state of a user who is not in memory, or there under this key, but with fewer ratings."""
        metrics.user_misses.inc()
        return self.scorer.read(user, None if key is None else self.users.earlier(key))


class _CachedState(NamedTuple):
    """A `ModelState` and what it was built from."""

    model: Scorer
    revision: int
    state: ModelState


class ModelHost:
    """Holds model and catalogue in memory, and replaces either when the database says that it has changed.

    A request works with the state that it began with, so a replacement interrupts none.
    """

    def __init__(
        self,
        database: Database,
        model: Scorer,
        artifacts: artifact.Root | None = None,
        user_cache: int = USER_CACHE,
        keep_models: int = KEEP_MODELS,
    ) -> None:
        """``artifacts`` is where to look for newer models; ``user_cache`` the bytes to keep users in.

        A reload keeps the newest ``keep_models`` artifacts and deletes older ones; see `Models.prune`.
        """
        self.database = database
        self.models = Models(database, artifacts, keep_models)
        self.user_cache = user_cache
        self.artifacts = artifacts
        self._model = model
        self._snapshot: Snapshot | None = None
        self._cached: _CachedState | None = None
        self._reloads: int | None = None
        self._building, self._replacing = threading.Lock(), threading.Lock()
        metrics.record_model(model.version, model.card.created_at)

    @property
    def model(self) -> Scorer:
        """The model alone, as it was trained."""
        return self._model

    def snapshot(self, session: Session, current: Revisions | None = None) -> Snapshot:
        """The catalogue as of this transaction, from memory unless it has changed.

        ``current`` are the revisions of the transaction, where they have been read already.
        """
        current = current or revisions.read(session)
        self._follow_reloads(current)
        cached = self._snapshot
        if cached is not None and cached.revision == current.catalogue:
            metrics.catalogue_hits.inc()
            return cached
        metrics.catalogue_misses.inc()
        fresh = Snapshot(current.catalogue, movies.all_records(session), movies.title_vectors(session))
        self._snapshot = fresh  # another thread may store its own at the same time; both are right
        return fresh

    def state_at(self, current: Revisions) -> ModelState | None:
        """Model and catalogue at these revisions, if they are in memory."""
        self._follow_reloads(current)
        cached = self._cached
        if cached is None or cached.revision != current.catalogue or cached.model is not self._model:
            return None
        return cached.state

    def state(self, snapshot: Snapshot) -> ModelState:
        """Model and catalogue. Call it after the transaction: a changed catalogue has to be encoded first."""
        cached = self._cached
        if cached is not None and cached.revision == snapshot.revision and cached.model is self._model:
            return cached.state
        with self._building:
            cached, model = self._cached, self._model
            if cached is None or cached.revision != snapshot.revision or cached.model is not model:
                cached = self._cached = _CachedState(
                    model, snapshot.revision, _build_state(model, snapshot, self.user_cache)
                )
            return cached.state

    def current_state(self) -> ModelState:
        """Model and catalogue for a use case that reads nothing else."""
        with self.database.reads() as session:
            snapshot = self.snapshot(session)
        return self.state(snapshot)

    def follow_reloads(self) -> None:
        """Load another model in the background if another process has loaded one; without a database, nothing."""
        with suppress(DatabaseUnavailable, SQLAlchemyError), self.database.reads() as session:
            self._follow_reloads(revisions.read(session))

    def training(self) -> TrainingState | None:
        """How far the training of the next model is; the last one, if none runs, and None if there was none."""
        return training_state.read(artifact.folder_of(self.artifacts)) if self.artifacts else None

    def start(self, reloads: int) -> None:
        """Begin to serve the model, which was chosen when there were so many reloads; later ones are followed.

        It is written into the history, where it is not there yet; a database that takes no writes is no error.
        """
        self._reloads = reloads
        self.warm_up()
        try:
            self.models.record(self._model.version, self._model.card, "served from a start on")
        except (ServiceError, SQLAlchemyError) as error:
            logger.warning("the history of models lacks that %s is served: %s", self._model.version, error)

    def warm_up(self) -> None:
        """Read the catalogue and score once, so that no user waits for what is slow the first time."""
        state = self.current_state()
        state.scorer.recommend(UserContext(), state.catalogue.select(), n=1)

    def reload(self) -> tuple[str, str]:
        """Load the artifact that is to be served, in this process and soon in all others.

        Returns the versions before and after. If it cannot be loaded, raises `ReloadRefused` and keeps serving the
        current one.
        """
        before = self._load_chosen()
        model = self._model
        with self.database.writes() as session:
            self.models.record_in(session, model.version, model.card, "served from a reload on")
            self._reloads = revisions.count_reload(session)
        self.models.prune()
        return before, model.version

    def _load_chosen(self) -> str:
        """Load the pinned artifact, or the newest, unless it is loaded already; returns the version before."""
        with self._replacing:
            before = self._model
            with self.database.reads() as session:
                pinned = models.pinned(session)
            try:
                chosen = to_serve(self.artifacts, pinned)
                if chosen.name != before.version:
                    self._model = loaded = load_scorer(chosen, before.device)
                    metrics.record_model(loaded.version, loaded.card.created_at, before.version)
            except ArtifactError as error:
                raise ReloadRefused(f"{error} {before.version} stays in use.") from error
            return before.version

    def _follow_reloads(self, current: Revisions) -> None:
        """Reload in the background if another process has reloaded."""
        if self.artifacts is None or self._reloads is None or current.reloads <= self._reloads:
            self._reloads = current.reloads
            return
        self._reloads = current.reloads
        threading.Thread(target=self._reload_quietly, name="reload", daemon=True).start()

    def _reload_quietly(self) -> None:
        try:
            before = self._load_chosen()
        except (SeqRecError, ServiceError, SQLAlchemyError):
            logger.exception("cannot load the model that another process has reloaded")
        else:
            if before != self._model.version:
                logger.warning("serving %s in place of %s, like the process that reloaded", self._model.version, before)


def _build_state(model: Scorer, snapshot: Snapshot, user_cache: int) -> ModelState:
    cold_start_movies = [
        ColdStartMovie(movie.id, movie.title, movie.genres, _decode(snapshot.title_vectors.get(movie.id)))
        for movie in snapshot.movies
        if movie.id not in model.trained_ids
    ]
    scorer = model.with_cold_start(cold_start_movies) if cold_start_movies else model
    return ModelState(scorer, Catalogue(snapshot.movies, scorer), UserStates(user_cache), snapshot.revision)


def _decode(stored: bytes | None) -> FloatArray | None:
    """A title vector from its bytes in the database."""
    return None if stored is None else np.frombuffer(stored, dtype="<f4").astype(np.float32)
