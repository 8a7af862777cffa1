"""The interface of a peer, the choice of its settings on validation, and the ratings that it learns from."""

import logging
import time
from collections.abc import Callable
from itertools import product
from typing import Any, Protocol, cast

import numpy as np
from pydantic import BaseModel

from model.card import Epoch, RankingEvaluation
from model.data.sequences import Sequences
from model.data.splits import Split
from model.evaluation.interfaces import Ranker
from model.evaluation.scoring import score_lists
from model.experiments.provenance import Provenance
from model.rating_scale import RELEVANT_STARS
from model.types import FloatArray, IntArray

log = logging.getLogger(__name__)

Settings = dict[str, Any]
"""Values by name, as a peer's constructor takes them."""

NEVER = -1e9
"""The score of movies without a rating in training: behind all others, whatever a library would answer."""


class Peer(Ranker, Protocol):
    """A ranker of some library, constructed with the vocabulary size and one choice of settings.

    Attributes:
        library: name of the implementation.
        package: distribution whose version is recorded.
        takes_time: whether training takes a time limit, the setting ``minutes``.
        most_epochs: of training; 0 for a model without epochs.
    """

    library: str
    package: str
    takes_time: bool
    most_epochs: int

    @staticmethod
    def grid(protocol: str) -> list[Settings]:
        """The settings to try on a protocol."""


class Trial(BaseModel):
    """One choice of settings and its result on validation.

    Attributes:
        epochs: all that were run, those after the best one included; 0 for a model without epochs.
        seconds: of training and of ranking for the validation examples.
    """

    settings: Settings
    validation_ndcg_at_10: float
    epochs: int
    seconds: float


class PeerEvaluation(RankingEvaluation):
    """How well a peer ranks on one protocol.

    Attributes:
        settings: those with the greatest NDCG@10 on validation.
        grid: all settings that were tried.
        interval: the 95 % interval of NDCG@10 over the test users, by bootstrap.
        made_by: what made it; None for a result from before results carried that.
        seconds: of the whole grid, and of ranking with the best settings.
    """

    library: str
    version: str
    settings: Settings
    grid: list[Trial]
    interval: tuple[float, float] | None = None
    made_by: Provenance | None = None


class Tuned:
    """A peer with the settings of its grid that have the greatest NDCG@10 on validation."""

    def __init__(self, peer: type[Peer], protocol: str, vocabulary_size: int, minutes: float) -> None:
        self.make: Callable[..., Peer] = peer
        limit = {"minutes": minutes} if peer.takes_time else {}
        self.grid = [settings | limit for settings in peer.grid(protocol)]
        self.vocabulary_size = vocabulary_size
        self.name = cast(str, peer.name)
        self.inductive = cast(bool, peer.inductive)
        self.epochs: list[Epoch] = []
        self.trials: list[Trial] = []

    def fit(self, split: Split) -> None:
        highest = -1.0
        for number, settings in enumerate(self.grid, start=1):
            log.info("%s on %s, %d of %d: %s", self.name, split.name, number, len(self.grid), settings)
            peer, trial = self._try(settings, split)
            self.trials.append(trial)
            log.info("  NDCG@10 %.4f on validation, %.0f s", trial.validation_ndcg_at_10, trial.seconds)
            if trial.validation_ndcg_at_10 > highest:
                highest, self.best, self.settings = trial.validation_ndcg_at_10, peer, settings
        self.epochs = self.best.epochs

    def scores(self, histories: Sequences) -> FloatArray:
        return self.best.scores(histories)

    def _try(self, settings: Settings, split: Split) -> tuple[Peer, Trial]:
        started = time.perf_counter()
        peer = self.make(self.vocabulary_size, **settings)
        peer.fit(split)
        ndcg = validation_ndcg(peer, split)
        seconds = time.perf_counter() - started
        return peer, Trial(settings=settings, validation_ndcg_at_10=ndcg, epochs=len(peer.epochs), seconds=seconds)


def combinations(**choices: tuple[Any, ...]) -> list[Settings]:
    """Every combination of the values of each setting."""
    return [dict(zip(choices, values, strict=True)) for values in product(*choices.values())]


def choices_of_liked(protocol: str) -> tuple[bool, ...]:
    """The values of the setting ``liked`` to try: both where the targets are relevant movies alone.

    ``liked`` is what the published results call it.
    """
    return (False, True) if protocol == "user-split" else (False,)


def select_ratings(sequences: Sequences, liked: bool) -> Sequences:
    """The ratings that a peer reads: all, or only those of movies that the user finds relevant."""
    if not liked:
        return sequences
    return sequences.only(np.flatnonzero(sequences.stars >= RELEVANT_STARS))


def rated_movies(sequences: Sequences) -> IntArray:
    """Movie indices with a rating, ascending."""
    return np.unique(sequences.movies)


def validation_ndcg(peer: Ranker, split: Split) -> float:
    counts = np.bincount(split.train.sequences.movies, minlength=peer.vocabulary_size)
    return score_lists(peer.scores, split.validation, counts).ndcg_at_10


def spread(scores: FloatArray, movies: IntArray, vocabulary_size: int) -> FloatArray:
    """Scores of all movies, shape (users, vocabulary_size), from those of some ``movies``; `NEVER` for the others."""
    full = np.full((len(scores), vocabulary_size), NEVER, dtype=np.float32)
    full[:, movies] = scores
    return full
