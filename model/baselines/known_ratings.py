"""The ratings that a transductive model is fitted to, as triplets (movie, user, stars)."""

from dataclasses import dataclass

import numpy as np

from model.data.sequences import Examples, Sequences
from model.types import FloatArray, IntArray


@dataclass(frozen=True)
class KnownRatings:
    """Users and movies are counted off without gaps, each in the order of their ids.

    Attributes:
        user_ids: ascending, shape (users,).
        movie_rows: movie indices with at least one rating, ascending, shape (rated,).
        users: the user of each rating, shape (ratings,).
        movies: the movie of each rating; ratings are sorted by movie, then by user.
        stars: shape (ratings,).
    """

    user_ids: IntArray
    movie_rows: IntArray
    users: IntArray
    movies: IntArray
    stars: FloatArray

    @classmethod
    def of(cls, sequences: Sequences) -> "KnownRatings":
        user_ids = np.sort(sequences.user_ids)
        movie_rows, movies = np.unique(sequences.movies, return_inverse=True)
        users = np.searchsorted(user_ids, sequences.user_ids)[sequences.user_index]
        order = np.lexsort((users, movies))
        return cls(user_ids, movie_rows, users[order], movies[order], sequences.stars[order])

    @property
    def shape(self) -> tuple[int, int]:
        """Movies and users of the matrix; its last movie stands for all that have no rating."""
        return len(self.movie_rows) + 1, len(self.user_ids)

    def targets(self, examples: Examples) -> tuple[IntArray, IntArray]:
        """Movie and user of each of a examples's targets; the examples's users have to be known ones."""
        indices = examples.sequences.movies[examples.targets]
        movies = np.searchsorted(self.movie_rows, indices)
        unrated = self.movie_rows[np.minimum(movies, len(self.movie_rows) - 1)] != indices
        users = np.searchsorted(self.user_ids, np.repeat(examples.sequences.user_ids, examples.target_counts))
        return np.where(unrated, len(self.movie_rows), movies), users
