"""The model that is served, over the catalogue as the database has it now."""

import logging
import threading
from pathlib import Path
from typing import NamedTuple

import numpy as np
from sqlalchemy.orm import Session

from app.observability import metrics
from app.services.catalogue import Catalogue
from app.storage import movies, revisions
from app.storage.database import Database
from app.storage.movies import MovieRecord
from app.storage.revisions import Revisions
from model.errors import ArtifactError, SeqRecError
from model.features.users import Profile
from model.inference import artifact
from model.inference.cold_start import ColdStartMovie
from model.inference.scorer import Scorer
from model.types import FloatArray
from seqrec.errors import ReloadRefused

logger = logging.getLogger(__name__)


class Snapshot(NamedTuple):
    """The catalogue as it stands in the database.

    Attributes:
        revision: of the catalogue.
        movies: in the order of their ids.
        title_vectors: of movies that were added to the database one by one, by id.
    """

    revision: int
    movies: list[MovieRecord]
    title_vectors: dict[int, bytes]


class ModelState(NamedTuple):
    """The model, and the catalogue that it answers about.

    Attributes:
        scorer: knows every movie of the catalogue, also those that came after training.
    """

    scorer: Scorer
    catalogue: Catalogue


class _Current(NamedTuple):
    """A `ModelState` and what it was made of."""

    model: Scorer
    revision: int
    served: ModelState


class ModelHost:
    """Keeps model and catalogue in memory; replaces either when the database says that it has changed.

    A request keeps what it began with, so a replacement drops none.
    """

    def __init__(self, database: Database, model: Scorer, artifacts: Path | None = None) -> None:
        """``artifacts`` is the folder that newer models are looked for in."""
        self.database = database
        self.artifacts = artifacts
        self._model = model
        self._snapshot: Snapshot | None = None
        self._kept: _Current | None = None
        self._reloads: int | None = None
        self._building, self._replacing = threading.Lock(), threading.Lock()
        metrics.serving(model.version)

    @property
    def model(self) -> Scorer:
        """The model alone, as it was trained."""
        return self._model

    def snapshot(self, session: Session) -> Snapshot:
        """The catalogue as of this transaction, from memory if it has not changed."""
        seen = revisions.read(session)
        self._follow(seen)
        kept = self._snapshot
        if kept is not None and kept.revision == seen.catalogue:
            metrics.catalogue_cache.labels("hit").inc()
            return kept
        metrics.catalogue_cache.labels("miss").inc()
        fresh = Snapshot(seen.catalogue, movies.every(session), movies.title_vectors(session))
        self._snapshot = fresh  # another thread may put its own there meanwhile
        return fresh

    def served(self, snapshot: Snapshot) -> ModelState:
        """Model and catalogue; to be called when the transaction is over, since a new catalogue is encoded first."""
        kept = self._kept
        if kept is not None and kept.revision == snapshot.revision and kept.model is self._model:
            return kept.served
        with self._building:
            kept, model = self._kept, self._model
            if kept is None or kept.revision != snapshot.revision or kept.model is not model:
                kept = self._kept = _Current(model, snapshot.revision, _served(model, snapshot))
            return kept.served

    def now(self) -> ModelState:
        """Model and catalogue for a use case that reads nothing else."""
        with self.database.reads() as session:
            snapshot = self.snapshot(session)
        return self.served(snapshot)

    def warm_up(self) -> None:
        """Read the catalogue and score once, so that nobody waits for what is slow the first time."""
        served = self.now()
        served.scorer.recommend(Profile(), [], served.catalogue.among(), n=1)

    def reload(self) -> tuple[str, str]:
        """Serve the newest artifact, in this process and soon in all others; the versions before and after.

        `ReloadRefused` if it cannot be loaded; all goes on then as before.
        """
        before = self._replace()
        with self.database.writes() as session:
            self._reloads = revisions.count_reload(session)
        return before, self._model.version

    def _replace(self) -> str:
        """Load the newest artifact if it is another one; the version that was served before."""
        with self._replacing:
            before = self._model
            newest = artifact.newest(self.artifacts) if self.artifacts else None
            if newest is None:
                raise ReloadRefused(f"There is no trained model in {self.artifacts}. Run: seqrec train")
            if newest.name != before.version:
                try:
                    loaded = Scorer(artifact.load(newest), before.device)
                    loaded.recommend(Profile(), [], loaded.catalogue.movie_ids, n=1)
                except ArtifactError as error:
                    raise ReloadRefused(f"{error} {before.version} is served on.") from error
                self._model = loaded
                metrics.serving(loaded.version, before.version)
            return before.version

    def _follow(self, seen: Revisions) -> None:
        """Reload beside the requests if another process has."""
        if self._reloads is None or seen.reloads <= self._reloads:
            self._reloads = seen.reloads
            return
        self._reloads = seen.reloads
        threading.Thread(target=self._reload_quietly, name="reload", daemon=True).start()

    def _reload_quietly(self) -> None:
        try:
            before = self._replace()
        except (SeqRecError, ReloadRefused):
            logger.exception("another process has reloaded the model, this one cannot")
        else:
            if before != self._model.version:
                logger.warning("serving %s, as another process does, in place of %s", self._model.version, before)


def _served(model: Scorer, snapshot: Snapshot) -> ModelState:
    cold_start_movies = [
        ColdStartMovie(movie.id, movie.title, movie.genres, _vector(snapshot.title_vectors.get(movie.id)))
        for movie in snapshot.movies
        if not model.was_trained_with(movie.id)
    ]
    scorer = model.with_cold_start(cold_start_movies) if cold_start_movies else model
    return ModelState(scorer, Catalogue(snapshot.movies, lambda ids: scorer.times_rated(ids).tolist()))


def _vector(stored: bytes | None) -> FloatArray | None:
    return None if stored is None else np.frombuffer(stored, dtype="<f4").astype(np.float32)
