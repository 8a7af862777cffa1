"""The loaded models, together with the catalogue as the database has it now."""

import atexit
import logging
import math
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from app.observability import metrics
from app.services.catalogue.catalogue import Catalogue
from app.services.catalogue.snapshot import Snapshot
from app.services.models.collection import KEEP_MODELS, Models
from app.services.models.loading import challenger_of, load_scorer, to_serve
from app.services.models.traffic import TrafficSplit
from app.services.models.user_states import UserStates
from app.storage import models, revisions, training_state
from app.storage.database import Database
from app.storage.models import Comparison
from app.storage.revisions import Revisions
from app.storage.training_state import TrainingState
from model.errors import ArtifactError
from model.features.users import UserContext
from model.inference import artifact
from model.inference.cold_start import ColdStartMovie
from model.inference.scorer import Scorer
from model.inference.user_state import UserState
from model.types import FloatArray
from seqrec.errors import DatabaseUnavailable, ReloadRefused, ServiceError

logger = logging.getLogger(__name__)

USER_CACHE = 64 << 20
"""Bytes that what the model knows of users may take."""

AGAIN_AFTER_SECONDS = 30.0
"""Seconds until the chosen model, which could not be loaded, is tried again."""

LONGEST_END_SECONDS = 2.0
"""How long a process that ends waits for a thread that computes: a frozen database may hold that up for longer."""


class _AddedMovie(NamedTuple):
    """What a model takes from the catalogue of a movie that it was not trained with; the vector in bytes."""

    id: int
    title: str
    genres: tuple[str, ...]
    title_vector: bytes | None


class ModelState(NamedTuple):
    """A model and the catalogue that it answers for.

    Attributes:
        scorer: knows every movie of the catalogue, also those added after training.
        users: what this model and the other one, if there are two, know of users who asked lately.
        revision: of the catalogue.
        has_stars: whether users give stars; without, each of their ratings is a like.
        added: movies that came after training.
    """

    scorer: Scorer
    catalogue: Catalogue
    users: UserStates
    revision: int
    has_stars: bool
    added: Sequence[_AddedMovie]

    def find(self, key: int | bytes, revision: int) -> UserState | None:
        """The state of a user from memory."""
        return self.users.get(self.scorer.version, key, revision)

    def keep(self, key: int | bytes, revision: int, user: UserState) -> None:
        self.users.put(self.scorer.version, key, revision, user)

    def user_embedding(self, user_id: int, revision: int) -> FloatArray | None:
        """From memory; see `Scorer.user_embeddings`."""
        return self.users.embedding(self.scorer.version, user_id, revision)

    def keep_user_embedding(self, user_id: int, revision: int, embedding: FloatArray) -> None:
        self.users.put_embedding(self.scorer.version, user_id, revision, embedding)

    def read(self, user: UserContext, key: int | bytes | None = None) -> UserState:
        """The state of a user who is not in memory, or there under this key, but with fewer ratings."""
        metrics.user_misses.inc()
        return self.scorer.read(user, None if key is None else self.users.earlier(self.scorer.version, key))


class _Cached(NamedTuple):
    """States of the models at a revision of the catalogue, and what they were built from."""

    models: TrafficSplit[Scorer]
    revision: int
    states: TrafficSplit[ModelState]


class ModelHost:
    """Holds models and catalogue in memory, and replaces either when the database says that it has changed.

    There is one model, the champion; while another one is compared with it, the challenger answers its share of the
    users. A request works with the state that it began with, so a replacement interrupts none.
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
        self._models = TrafficSplit(model)
        self._snapshot: Snapshot | None = None
        self._cached: _Cached | None = None
        self._reloads: int | None = None
        self._again_at = math.inf
        self._building, self._replacing = threading.Lock(), threading.Lock()
        self._reloading: threading.Thread | None = None
        self._record_models()

    @property
    def model(self) -> Scorer:
        """The champion alone, as it was trained."""
        return self._models.champion

    @property
    def comparison(self) -> Comparison | None:
        """That of the models which this process serves side by side."""
        return self._models.comparison

    @property
    def known_ids(self) -> tuple[frozenset[int], ...]:
        """Ids of the movies that each model was trained with."""
        return tuple(model.trained_ids for model in self._models.all)

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
        fresh = self._snapshot = (  # another thread may store its own at the same time; both are right
            Snapshot.read(session, current.catalogue)
            if cached is None or cached.revision > current.catalogue  # as another thread's, of a later transaction
            else cached.brought_to(session, current.catalogue)
        )
        return fresh

    def states_at(self, current: Revisions) -> TrafficSplit[ModelState] | None:
        """Models and catalogue at these revisions, if they are in memory."""
        self._follow_reloads(current)
        cached = self._cached
        if cached is None or cached.revision != current.catalogue or cached.models is not self._models:
            return None
        return cached.states

    def states(self, snapshot: Snapshot) -> TrafficSplit[ModelState]:
        """Models and catalogue. Call it after the transaction: a changed catalogue has to be encoded first."""
        cached = self._cached
        if cached is not None and cached.revision == snapshot.revision and cached.models is self._models:
            return cached.states
        with self._building:
            cached, split = self._cached, self._models
            if cached is None or cached.revision != snapshot.revision or cached.models is not split:
                states = _build_states(split, snapshot, self.user_cache, cached)
                cached = self._cached = _Cached(split, snapshot.revision, states)
            return cached.states

    def current_states(self) -> TrafficSplit[ModelState]:
        """Models and catalogue for a use case that reads nothing else."""
        with self.database.reads() as session:
            snapshot = self.snapshot(session)
        return self.states(snapshot)

    def current_state(self) -> ModelState:
        """The champion and the catalogue, for what is asked about no user."""
        return self.current_states().champion

    def follow_reloads(self) -> None:
        """Load another model in the background if another process has loaded one; without a database, nothing."""
        with suppress(DatabaseUnavailable, SQLAlchemyError), self.database.reads() as session:
            self._follow_reloads(revisions.read(session))

    def training(self) -> TrainingState | None:
        """How far the training of the next model is; the last one, if none runs, and None if there was none."""
        return training_state.read(artifact.folder_of(self.artifacts)) if self.artifacts else None

    def start(self, reloads: int) -> None:
        """Begin to serve the model, which was chosen when there were ``reloads`` reloads; later ones are followed.

        It is written into the history, where it is not there yet; a database that takes no writes is not an error.
        """
        atexit.register(self.stop)
        self._reloads = reloads
        if not self._is_chosen():
            self._try_again_later()
        self.join_comparison()
        self.warm_up()
        self._record_in_history("served from a start on")

    def stop(self) -> None:
        """Wait for a reload in the background: PyTorch aborts a process that ends within one of its operators."""
        if self._reloading is not None:
            self._reloading.join(LONGEST_END_SECONDS)

    def join_comparison(self) -> None:
        """Serve the challenger too, if the model is compared with one; if that cannot be loaded, the champion alone."""
        with self.database.reads() as session:
            comparison = models.comparison(session)
        try:
            self._serve(self.model, comparison)
        except ArtifactError:
            logger.exception("the challenger cannot be loaded; %s answers all users", self.model.version)
            self._try_again_later()

    def warm_up(self) -> None:
        """Read the catalogue, score and search once, so that no user waits for what is slow the first time."""
        for state in self.current_states().all:
            state.scorer.recommend(UserContext(), state.catalogue.select(), n=1)
            state.catalogue.search("the", (), 1, None)

    def reload(self) -> tuple[str, str]:
        """Load the artifact that is to be served, in this process and soon in all others.

        Returns the versions before and after. If it cannot be loaded, raises `ReloadRefused` and keeps serving the
        current one.
        """
        before = self.model.version
        while not self._pass_on(self._load_chosen()):
            logger.info("another model was chosen while %s was loaded", self.model.version)
        self.models.prune()
        return before, self.model.version

    def _pass_on(self, chosen_at: int) -> bool:
        """Have all other processes load what this one has chosen when there were ``chosen_at`` reloads.

        False if there were more since then, so that another model may be the one to serve.
        """
        model = self.model
        with self.database.writes() as session:
            reloads = revisions.count_reload(session)
            is_latest = reloads == chosen_at + 1
            if is_latest:
                self.models.record_in(session, model.version, model.card, "served from a reload on")
        if is_latest:
            self._reloads = reloads
        return is_latest

    def _load_chosen(self) -> int:
        """Load the pinned artifact, or the newest, and its challenger, unless they are loaded already.

        Returns how many reloads there were when they were chosen. `ReloadRefused` if the champion cannot be loaded, and
        the models before stay; or if the challenger cannot, and the champion answers all users.
        """
        with self._replacing:
            before = self.model
            with self.database.reads() as session:
                reloads = revisions.read(session).reloads  # first: what is chosen later is counted later
                pinned, comparison = models.pinned(session), models.comparison(session)
            try:
                champion = self._loaded(to_serve(self.artifacts, pinned))
            except ArtifactError as error:
                raise ReloadRefused(f"{error} {before.version} stays in use.") from error
            try:
                self._serve(champion, comparison)
            except ArtifactError as error:
                raise ReloadRefused(f"{error} {champion.version} answers all users.") from error
            self._again_at = math.inf
            return reloads

    def _is_chosen(self) -> bool:
        """Whether the champion is the model that is to be served, not one in its place."""
        with self.database.reads() as session:
            pinned = models.pinned(session)
        try:
            return to_serve(self.artifacts, pinned).name == self.model.version
        except ArtifactError:
            return False

    def _serve(self, champion: Scorer, comparison: Comparison | None) -> None:
        """Put the models in place, in one assignment; the champion alone if its challenger raises `ArtifactError`."""
        split = TrafficSplit(champion)
        try:
            if comparison is not None and comparison.champion == champion.version:
                challenger = self._loaded(challenger_of(self.artifacts, comparison))
                split = TrafficSplit(champion, challenger, comparison)
        finally:
            if split != self._models:
                self._models = split
                self._record_models()

    def _loaded(self, folder: Path) -> Scorer:
        """A model, from memory if it is served already."""
        served = {model.version: model for model in self._models.all}
        return served.get(folder.name) or load_scorer(folder, self.model.device)

    def _record_models(self) -> None:
        champion, _, comparison = self._models
        shares = {champion.version: 1.0} if comparison is None else comparison.shares
        metrics.record_models(champion.version, champion.card.created_at, shares)

    def _follow_reloads(self, current: Revisions) -> None:
        """Reload in the background if another process has reloaded, or if the last try has failed a while ago."""
        known, self._reloads = self._reloads, current.reloads
        if self.artifacts is None or known is None:
            return
        if current.reloads > known or time.monotonic() >= self._again_at:
            self._again_at = math.inf
            is_stand_in = current.reloads == known
            thread = threading.Thread(target=self._reload_quietly, args=(is_stand_in,), name="reload", daemon=True)
            thread.start()
            self._reloading = thread

    def _record_in_history(self, reason: str) -> None:
        """That the champion is served from now on; a database that takes no writes is not an error."""
        try:
            self.models.record(self.model.version, self.model.card, reason)
        except (ServiceError, SQLAlchemyError) as error:
            logger.warning("the history of models lacks that %s is served: %s", self.model.version, error)

    def _try_again_later(self) -> None:
        self._again_at = time.monotonic() + AGAIN_AFTER_SECONDS

    def _reload_quietly(self, is_stand_in: bool) -> None:
        """Load what is to be served; ``is_stand_in`` says that another model was served since that could not be."""
        before = self.model.version
        try:
            self._load_chosen()
        except Exception:  # whatever it was, it may be over the next time
            logger.exception("cannot load the model that is to be served; it is tried again")
            self._try_again_later()
        else:
            if before != self.model.version:
                logger.warning("serving %s in place of %s, as it is to be", self.model.version, before)
                if is_stand_in:
                    self._record_in_history("served again, once it could be loaded")
            if self.comparison is not None:
                logger.warning("serving %s beside %s", self.comparison.challenger, self.model.version)


def _build_states(
    split: TrafficSplit[Scorer], snapshot: Snapshot, user_cache: int, cached: _Cached | None
) -> TrafficSplit[ModelState]:
    """States of the models. What they know of users stays, unless a movie that one was not trained with has changed.

    That another movie is hidden, or has another title or genres, changes nothing of what a model says.
    """
    added = {model.version: _added_movies(model, snapshot) for model in split.all}
    states = () if cached is None else cached.states.all
    before = {state.scorer.version: state for state in states if state.scorer.version in added}
    if cached is None or any(_is_outdated(state, added[version], snapshot) for version, state in before.items()):
        before, users = {}, UserStates(user_cache, list(added))
    else:
        users = cached.states.champion.users
        users.keep_only(list(added))

    known = states[0].catalogue if states else None

    def state_of(model: Scorer) -> ModelState:
        nonlocal known
        state = before.get(model.version)
        if state is not None and state.revision == snapshot.revision:
            return state
        scorer = _with_added(model, added[model.version]) if state is None else state.scorer
        known = Catalogue(snapshot.movies, scorer, known)
        return ModelState(scorer, known, users, snapshot.revision, snapshot.has_stars, added[model.version])

    return split.map(state_of)


def _is_outdated(state: ModelState, added: Sequence[_AddedMovie], snapshot: Snapshot) -> bool:
    """Whether what the model says of users may be another than at this snapshot, which has these added movies."""
    return (state.added, state.has_stars) != (added, snapshot.has_stars)


def _added_movies(model: Scorer, snapshot: Snapshot) -> list[_AddedMovie]:
    ids = sorted(snapshot.movies.keys() - model.trained_ids)
    movies = (snapshot.movies[id_] for id_ in ids)
    return [_AddedMovie(movie.id, movie.title, movie.genres, snapshot.title_vectors.get(movie.id)) for movie in movies]


def _with_added(model: Scorer, added: Sequence[_AddedMovie]) -> Scorer:
    movies = [ColdStartMovie(movie.id, movie.title, movie.genres, _decode(movie.title_vector)) for movie in added]
    return model.with_cold_start(movies) if movies else model


def _decode(stored: bytes | None) -> FloatArray | None:
    """A title vector from its bytes in the database."""
    return None if stored is None else np.frombuffer(stored, dtype="<f4").astype(np.float32)
