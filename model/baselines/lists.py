"""Rankers without a network."""

import numpy as np
from scipy.sparse import csr_matrix

from model.card import Epoch
from model.data.sequences import Sequences
from model.data.splits import Split
from model.types import FloatArray


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
        common = (rated.T @ rated).toarray()
        norms = np.sqrt(common.diagonal())
        similarity = common / (np.outer(norms, norms) + self.shrinkage)
        np.fill_diagonal(similarity, 0.0)
        if self.neighbours < self.vocabulary_size:
            smallest = np.partition(similarity, -self.neighbours, axis=1)[:, -self.neighbours, None]
            similarity[similarity < smallest] = 0.0
        self.similarity = csr_matrix(similarity, dtype=np.float32)

    def scores(self, histories: Sequences) -> FloatArray:
        scores: FloatArray = (rated_matrix(histories, self.vocabulary_size) @ self.similarity.T).toarray()
        return scores


def rated_matrix(sequences: Sequences, vocabulary_size: int) -> csr_matrix:
    """Ones where a user has rated a movie, shape (users, vocabulary_size)."""
    ones = np.ones(len(sequences.movies), dtype=np.float32)
    return csr_matrix((ones, (sequences.user_index, sequences.movies)), shape=(len(sequences), vocabulary_size))
