"""The bias prior: what a rating is before taste comes in."""

from dataclasses import dataclass

import numpy as np

from model.features.catalogue import UNKNOWN
from model.types import FloatArray, IntArray

MOVIE_SHRINKAGE = 5.0
USER_SHRINKAGE = 8.0


@dataclass(frozen=True)
class Bias:
    """Global mean + movie bias + user bias: ``mean + movies[m] + user(history)``.

    Attributes:
        mean: mean of all training ratings, in stars.
        movies: deviation of each movie index from the mean, shape (movies,); 0 for movies without ratings.
        user_shrinkage: ratings at the movie's own level that a user is taken to have given beforehand.
    """

    mean: float
    movies: FloatArray
    user_shrinkage: float = USER_SHRINKAGE

    @classmethod
    def fitted(cls, movies: IntArray, stars: FloatArray, vocabulary_size: int) -> "Bias":
        """Fit to ratings of catalogue vocabulary_size ``movies``, of which there are ``vocabulary_size``.

        Movie biases are shrunk towards 0 as if each movie had `MOVIE_SHRINKAGE` further average ratings.
        """
        mean = float(stars.mean(dtype=np.float64))
        totals = np.bincount(movies, weights=stars - mean, minlength=vocabulary_size)
        counts = np.bincount(movies, minlength=vocabulary_size)
        biases = totals / (counts + MOVIE_SHRINKAGE)
        biases[UNKNOWN] = 0.0
        return cls(mean, biases.astype(np.float32))

    def user(self, movies: IntArray, stars: FloatArray) -> float:
        """Bias of the user with this history, shrunk towards 0; exactly 0 for an empty history."""
        residuals = stars - self.mean - self.movies[movies]
        return float(residuals.sum() / (len(movies) + self.user_shrinkage))
