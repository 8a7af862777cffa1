"""The bias model: mean, movie bias and user bias, each shrunk towards zero."""

from dataclasses import dataclass

import numpy as np

from model.features.catalogue import UNKNOWN
from model.types import FloatArray, IntArray

MOVIE_SHRINKAGE = 5.0
"""Ratings of average stars added to those of every movie."""

USER_SHRINKAGE = 8.0
"""Ratings without residual added to those of every user."""


@dataclass(frozen=True)
class Bias:
    """Global mean + movie bias + user bias: ``mean + movies[m] + user(history)``.

    Attributes:
        mean: mean of all training ratings, in stars.
        movies: bias of each movie index, in stars, shape (movies,); 0 for movies without ratings.
        user_shrinkage: see `USER_SHRINKAGE`.
    """

    mean: float
    movies: FloatArray
    user_shrinkage: float = USER_SHRINKAGE

    @classmethod
    def fitted(cls, movies: IntArray, stars: FloatArray, vocabulary_size: int) -> "Bias":
        """Fit to ratings, given as movie indices and stars, both of shape (ratings,)."""
        mean = float(stars.mean(dtype=np.float64))
        totals = np.bincount(movies, weights=stars - mean, minlength=vocabulary_size)
        counts = np.bincount(movies, minlength=vocabulary_size)
        biases = totals / (counts + MOVIE_SHRINKAGE)
        biases[UNKNOWN] = 0.0  # an unknown movie is an average one
        return cls(mean, biases.astype(np.float32))

    def user(self, movies: IntArray, stars: FloatArray) -> float:
        """Bias of the user with this history, in stars; exactly 0 for an empty history."""
        residuals = stars - self.mean - self.movies[movies]
        return float(residuals.sum() / (len(movies) + self.user_shrinkage))
