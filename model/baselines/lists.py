"""Rankers without a network."""

from itertools import pairwise

import numpy as np
from scipy.sparse import csr_matrix, vstack

from model.card import Epoch
from model.data.sequences import Sequences
from model.data.splits import Split
from model.types import FloatArray

MOVIES_AT_ONCE = 256
"""Whose similarities to all movies are held at once."""


class Popularity:
    """The movies with the most ratings in training, for every user."""

    name = "popularity"
    inductive = True

    def __init__(self, vocabulary_size: int) -> None:
        self.vocabulary_size = vocabulary_size
        self.epochs: list[Epoch] = []

    def fit(self, split: Split) -> None:
        self.counts = np.bincount(split.train.sequences.movies, minlength=self.vocabulary_size).astype(np.float32)

    def scores(self, histories: Sequences) -> FloatArray:
        return np.tile(self.counts, (len(histories), 1))


class ItemKnn:
    """The movies most similar to the history (Deshpande and Karypis 2004, "Item-based top-N recommendation").

    The similarity of two movies is the cosine of their vectors of raters, shrunk towards 0 where few have rated both. A
    movie's score is the sum of its similarities to those of its ``neighbours`` nearest movies that are in the history.
    """

    name = "item-knn"
    inductive = True
    neighbours = 100
    shrinkage = 20.0

    def __init__(self, vocabulary_size: int) -> None:
        self.vocabulary_size = vocabulary_size
        self.epochs: list[Epoch] = []

    def fit(self, split: Split) -> None:
        rated = rated_matrix(split.train.sequences, self.vocabulary_size)
        counts = np.bincount(rated.indices, minlength=self.vocabulary_size)
        raters, norms = rated.T.tocsr(), np.sqrt(counts, dtype=np.float32)
        starts = range(0, self.vocabulary_size, MOVIES_AT_ONCE)
        self.similarity = vstack([self._nearest(rated, raters, norms, start) for start in starts])

    def _nearest(self, rated: csr_matrix, raters: csr_matrix, norms: FloatArray, start: int) -> csr_matrix:
        """Similarities of the movies from ``start`` on to the nearest ones, shape (`MOVIES_AT_ONCE`, movies).

        ``rated`` is (users, movies), ``raters`` (movies, users), ``norms`` (movies,).
        """
        similarity = raters[start : start + MOVIES_AT_ONCE] @ rated  # so far, how many users have rated both
        rows = start + np.repeat(np.arange(similarity.shape[0]), np.diff(similarity.indptr))
        similarity.data /= norms[rows] * norms[similarity.indices] + np.float32(self.shrinkage)
        similarity.data[rows == similarity.indices] = 0.0
        for first, last in pairwise(similarity.indptr):
            row = similarity.data[first:last]
            if len(row) > self.neighbours:
                row[row < np.partition(row, -self.neighbours)[-self.neighbours]] = 0.0
        similarity.eliminate_zeros()
        similarity.sort_indices()
        return similarity

    def scores(self, histories: Sequences) -> FloatArray:
        scores: FloatArray = (rated_matrix(histories, self.vocabulary_size) @ self.similarity.T).toarray()
        return scores


def rated_matrix(sequences: Sequences, vocabulary_size: int) -> csr_matrix:
    """Ones where a user has rated a movie, shape (users, vocabulary_size)."""
    ones = np.ones(len(sequences.movies), dtype=np.float32)
    return csr_matrix((ones, (sequences.user_index, sequences.movies)), shape=(len(sequences), vocabulary_size))
