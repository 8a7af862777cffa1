"""EASE (Steck 2019, "Embarrassingly shallow autoencoders for sparse data"), in closed form with numpy."""

import numpy as np
from scipy.sparse import csr_matrix

from benchmarks.tuning import Settings, choices_of_liked, combinations, rated_movies, select_ratings, spread
from model.baselines.lists import rated_matrix
from model.card import Epoch
from model.data.sequences import Sequences
from model.data.splits import Split
from model.types import FloatArray

REGULARIZATIONS = (100.0, 300.0, 1000.0, 3000.0, 10000.0, 30000.0, 100000.0)
DECAYS = (0.5, 0.6, 0.7, 0.8, 0.9)
"""To try. Wide enough that the best ones are not at an edge, where better ones might lie beyond."""


class Ease:
    """A linear model from the movies of a history to all movies; its weights have a diagonal of zeros.

    Args:
        regularization: added to the diagonal of the co-occurrence counts.
        decay: weight in a history of each movie relative to the next one; 1 ignores the order.
        liked: reads only ratings of relevant movies.
    """

    name = "ease"
    library = "numpy"
    package = "numpy"
    inductive = True
    takes_time = False
    most_epochs = 0

    def __init__(self, vocabulary_size: int, regularization: float, decay: float, liked: bool) -> None:
        self.vocabulary_size = vocabulary_size
        self.regularization = regularization
        self.decay = decay
        self.liked = liked
        self.epochs: list[Epoch] = []

    @staticmethod
    def grid(protocol: str) -> list[Settings]:
        return combinations(regularization=REGULARIZATIONS, decay=(1.0,), liked=choices_of_liked(protocol))

    def fit(self, split: Split) -> None:
        sequences = select_ratings(split.train.sequences, self.liked)
        self.known = rated_movies(sequences)
        rated = rated_matrix(sequences, self.vocabulary_size)[:, self.known]
        inverse = np.linalg.inv((rated.T @ rated).toarray() + self.regularization * np.eye(len(self.known)))
        weights = -inverse / inverse.diagonal()
        np.fill_diagonal(weights, 0.0)
        self.weights = weights.astype(np.float32)

    def scores(self, histories: Sequences) -> FloatArray:
        weighted = weigh_by_recency(select_ratings(histories, self.liked), self.vocabulary_size, self.decay)[
            :, self.known
        ]
        return spread(weighted @ self.weights, self.known, self.vocabulary_size)


class RecentEase(Ease):
    """EASE whose scores lean on the end of the history; the weights are the same."""

    name = "ease-recent"

    @staticmethod
    def grid(protocol: str) -> list[Settings]:
        return combinations(regularization=REGULARIZATIONS, decay=DECAYS, liked=choices_of_liked(protocol))


def weigh_by_recency(histories: Sequences, vocabulary_size: int, decay: float) -> csr_matrix:
    """Weights of 1 for the last movie and ``decay`` times as much each step back, shape (users, vocabulary_size)."""
    steps_back = np.repeat(histories.offsets[1:], histories.counts) - 1 - np.arange(len(histories.movies))
    weights = (decay**steps_back).astype(np.float32)
    return csr_matrix((weights, (histories.user_index, histories.movies)), shape=(len(histories), vocabulary_size))
