"""What a peer is, how its settings are chosen, and what all peers are given."""

import logging
import time
from collections.abc import Callable
from itertools import product
from typing import Any, Protocol

import numpy as np
from pydantic import BaseModel

from model.card import Epoch, RankingEvaluation
from model.data.sequences import Sequences
from model.data.splits import RELEVANT_STARS, Split
from model.evaluation.interfaces import Ranker
from model.evaluation.ranking import score
from model.types import FloatArray, IntArray

log = logging.getLogger(__name__)

Settings = dict[str, Any]
"""Values by name, as a peer's constructor takes them."""

NEVER = -1e9
"""The score of a movie that nobody rated in training: behind all others, whatever a library would make of it."""


class Peer(Ranker, Protocol):
    """A ranker of some library, constructed with the number of catalogue rows and one choice of settings.

    Attributes:
        library: where the implementation comes from.
        package: the distribution that has the version.
        takes_time: whether it is a network whose training can be ended after some minutes, its setting ``minutes``.
    """

    library: str
    package: str
    takes_time: bool

    @staticmethod
    def grid(protocol: str) -> list[Settings]:
        """The settings to try on a protocol."""


class Trial(BaseModel):
    """One choice of settings and what it came to on validation.

    Attributes:
        epochs: run in training, those after the best one too; 0 for a model without epochs.
        seconds: of training and ranking the validation examples.
    """

    settings: Settings
    validation_ndcg_at_10: float
    epochs: int
    seconds: float


class PeerEvaluation(RankingEvaluation):
    """A peer's lists on one protocol.

    Attributes:
        settings: those with the best lists on validation.
        grid: all that were tried.
        seconds: of the whole grid, and of ranking with the best.
    """

    library: str
    version: str
    settings: Settings
    grid: list[Trial]


class Tuned:
    """A peer with the settings of its grid that have the greatest NDCG@10 on validation."""

    def __init__(self, peer: type[Peer], protocol: str, vocabulary_size: int, minutes: float) -> None:
        self.make: Callable[..., Peer] = peer
        limit = {"minutes": minutes} if peer.takes_time else {}
        self.grid = [settings | limit for settings in peer.grid(protocol)]
        self.vocabulary_size = vocabulary_size
        self.name = peer.name
        self.inductive = peer.inductive
        self.epochs: list[Epoch] = []
        self.trials: list[Trial] = []

    def fit(self, split: Split) -> None:
        highest = -1.0
        for number, settings in enumerate(self.grid, start=1):
            log.info("%s on %s, %d of %d: %s", self.name, split.name, number, len(self.grid), settings)
            peer, trial = self._tried(settings, split)
            self.trials.append(trial)
            log.info("  NDCG@10 %.4f on validation, %.0f s", trial.validation_ndcg_at_10, trial.seconds)
            if trial.validation_ndcg_at_10 > highest:
                highest, self.best, self.settings = trial.validation_ndcg_at_10, peer, settings
        self.epochs = self.best.epochs

    def scores(self, histories: Sequences) -> FloatArray:
        return self.best.scores(histories)

    def _tried(self, settings: Settings, split: Split) -> tuple[Peer, Trial]:
        started = time.perf_counter()
        peer = self.make(self.vocabulary_size, **settings)
        peer.fit(split)
        ndcg = validation_ndcg(peer, split)
        seconds = time.perf_counter() - started
        return peer, Trial(settings=settings, validation_ndcg_at_10=ndcg, epochs=len(peer.epochs), seconds=seconds)


def combinations(**choices: tuple[Any, ...]) -> list[Settings]:
    """Every combination of the values of each setting."""
    return [dict(zip(choices, values, strict=True)) for values in product(*choices.values())]


def liked_choices(protocol: str) -> tuple[bool, ...]:
    """Whether to leave out what was not liked: worth trying where the targets are liked movies."""
    return (False, True) if protocol == "user-split" else (False,)


def given(sequences: Sequences, liked: bool) -> Sequences:
    """What a peer is told: all ratings, or only those of movies that were liked."""
    if not liked:
        return sequences
    return sequences.ratings(np.flatnonzero(sequences.stars >= RELEVANT_STARS))


def known_rows(sequences: Sequences) -> IntArray:
    """The catalogue rows with a rating, ascending."""
    return np.unique(sequences.movies)


def validation_ndcg(peer: Ranker, split: Split) -> float:
    counts = np.bincount(split.train.sequences.movies, minlength=peer.vocabulary_size)
    return score(peer.scores, split.validation, counts).ndcg_at_10


def spread(scores: FloatArray, rows: IntArray, width: int) -> FloatArray:
    """Scores of some catalogue rows, shape (users, len(rows)), as scores of all ``width``; `NEVER` elsewhere."""
    full = np.full((len(scores), width), NEVER, dtype=np.float32)
    full[:, rows] = scores
    return full
