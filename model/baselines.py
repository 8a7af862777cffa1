"""Predictors without a network: what SeqRec has to beat."""

from dataclasses import dataclass

import numpy as np

from model.features import UNKNOWN, FloatArray, IntArray
from model.protocol import Fold, Sequences, Split

MOVIE_SHRINKAGE = 5.0
USER_SHRINKAGE = 8.0


@dataclass(frozen=True)
class Bias:
    """Global mean + movie bias + user bias: ``mean + movies[m] + user(history)``.

    Attributes:
        mean: mean of all training ratings, in stars.
        movies: deviation of each catalogue row from the mean, shape (rows,); 0 for movies without ratings.
        user_shrinkage: ratings at the movie's own level that a user is taken to have given beforehand.
    """

    mean: float
    movies: FloatArray
    user_shrinkage: float = USER_SHRINKAGE

    @classmethod
    def fitted(cls, sequences: Sequences, rows: int) -> "Bias":
        """Movie biases shrunk towards 0 as if each movie had `MOVIE_SHRINKAGE` further average ratings."""
        mean = float(sequences.stars.mean(dtype=np.float64))
        totals = np.bincount(sequences.movies, weights=sequences.stars - mean, minlength=rows)
        counts = np.bincount(sequences.movies, minlength=rows)
        movies = totals / (counts + MOVIE_SHRINKAGE)
        movies[UNKNOWN] = 0.0
        return cls(mean, movies.astype(np.float32))

    def user(self, movies: IntArray, stars: FloatArray) -> float:
        """Bias of the user with this history, shrunk towards 0; exactly 0 for an empty history."""
        residuals = stars - self.mean - self.movies[movies]
        return float(residuals.sum() / (len(movies) + self.user_shrinkage))


class GlobalMean:
    """The mean of the training ratings for everyone and everything."""

    def fit(self, split: Split) -> None:
        self.mean = float(split.train.sequences.stars.mean(dtype=np.float64))

    def predict(self, fold: Fold) -> FloatArray:
        return np.full(int(fold.target_counts.sum()), self.mean, dtype=np.float32)


class MovieMean:
    """The movie's mean rating, shrunk towards the global mean."""

    def __init__(self, rows: int) -> None:
        self.rows = rows

    def fit(self, split: Split) -> None:
        self.bias = Bias.fitted(split.train.sequences, self.rows)

    def predict(self, fold: Fold) -> FloatArray:
        return self.bias.mean + self.bias.movies[fold.sequences.movies[fold.targets]]


class BiasModel:
    """Movie bias and the user's own bias, which comes from the history: no user is known beforehand."""

    def __init__(self, rows: int) -> None:
        self.rows = rows

    def fit(self, split: Split) -> None:
        self.bias = Bias.fitted(split.train.sequences, self.rows)

    def predict(self, fold: Fold) -> FloatArray:
        sequences = fold.sequences
        users = np.array(
            [
                self.bias.user(sequences.movies[start : start + cut], sequences.stars[start : start + cut])
                for start, cut in zip(sequences.offsets, fold.cuts, strict=False)
            ],
            dtype=np.float32,
        )
        movies = self.bias.movies[sequences.movies[fold.targets]]
        return self.bias.mean + movies + np.repeat(users, fold.target_counts)
