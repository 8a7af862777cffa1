"""EASE (Steck 2019, "Embarrassingly shallow autoencoders for sparse data"), in closed form with numpy."""

import numpy as np
from scipy.sparse import csr_matrix

from benchmarks.tuning import Settings, combinations, given, known_rows, liked_choices, spread
from model.baselines.lists import rated_matrix
from model.card import Epoch
from model.data.sequences import Sequences
from model.data.splits import Split
from model.types import FloatArray


class Ease:
    """A linear model from the movies of a history to all movies; its weights have a diagonal of zeros.

    Args:
        regularization: added to the diagonal of the co-occurrence counts.
        decay: weight in a history of each movie relative to the next one; 1 does not look at the order.
        liked: leaves out what was not liked.
    """

    name = "ease"
    library = "numpy"
    package = "numpy"
    inductive = True
    takes_time = False

    def __init__(self, vocabulary_size: int, regularization: float, decay: float, liked: bool) -> None:
        self.vocabulary_size = vocabulary_size
        self.regularization = regularization
        self.decay = decay
        self.liked = liked
        self.epochs: list[Epoch] = []

    @staticmethod
    def grid(protocol: str) -> list[Settings]:
        return combinations(regularization=(100.0, 300.0, 1000.0), decay=(1.0,), liked=liked_choices(protocol))

    def fit(self, split: Split) -> None:
        sequences = given(split.train.sequences, self.liked)
        self.known = known_rows(sequences)
        rated = rated_matrix(sequences, self.vocabulary_size)[:, self.known]
        inverse = np.linalg.inv((rated.T @ rated).toarray() + self.regularization * np.eye(len(self.known)))
        weights = -inverse / inverse.diagonal()
        np.fill_diagonal(weights, 0.0)
        self.weights = weights.astype(np.float32)

    def scores(self, histories: Sequences) -> FloatArray:
        weighted = faded(given(histories, self.liked), self.vocabulary_size, self.decay)[:, self.known]
        return spread(weighted @ self.weights, self.known, self.vocabulary_size)


class RecentEase(Ease):
    """EASE whose scores lean on the end of the history; the weights are the same."""

    name = "ease-recent"

    @staticmethod
    def grid(protocol: str) -> list[Settings]:
        return combinations(
            regularization=(100.0, 300.0, 1000.0), decay=(0.8, 0.9, 0.95), liked=liked_choices(protocol)
        )


def faded(histories: Sequences, vocabulary_size: int, decay: float) -> csr_matrix:
    """Histories with weight 1 for the last movie and ``decay`` times as much each step back, shape (users, movies)."""
    steps_back = np.repeat(histories.offsets[1:], histories.counts) - 1 - np.arange(len(histories.movies))
    weights = (decay**steps_back).astype(np.float32)
    return csr_matrix((weights, (histories.user_index, histories.movies)), shape=(len(histories), vocabulary_size))
