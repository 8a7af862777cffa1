"""The ratings that a transductive model is fitted to, as a sparse matrix of movies and users."""

from dataclasses import dataclass

import numpy as np

from model.data.sequences import Examples, Sequences
from model.types import FloatArray, IntArray


@dataclass(frozen=True)
class KnownRatings:
    """Ratings whose users and rated movies are numbered without gaps, each in the order of their ids.

    Attributes:
        user_ids: ascending, shape (users,).
        movie_indices: of the movies with at least one rating, ascending, shape (rated movies,).
        users: number of each rating's user, shape (ratings,).
        movies: number of each rating's movie; ratings are sorted by movie, then by user.
        stars: shape (ratings,).
    """

    user_ids: IntArray
    movie_indices: IntArray
    users: IntArray
    movies: IntArray
    stars: FloatArray

    @classmethod
    def of(cls, sequences: Sequences) -> "KnownRatings":
        user_ids = np.sort(sequences.user_ids)
        movie_indices, movies = np.unique(sequences.movies, return_inverse=True)
        users = np.searchsorted(user_ids, sequences.user_ids)[sequences.user_index]
        order = np.lexsort((users, movies))
        return cls(user_ids, movie_indices, users[order], movies[order], sequences.stars[order])

    @property
    def shape(self) -> tuple[int, int]:
        """Movies and users of the matrix; its last movie stands for all movies without a rating."""
        return len(self.movie_indices) + 1, len(self.user_ids)

    def targets(self, examples: Examples) -> tuple[IntArray, IntArray]:
        """Numbers of the movie and of the user of each target; the users have to be known ones."""
        indices = examples.sequences.movies[examples.targets]
        movies = np.searchsorted(self.movie_indices, indices)
        unrated = self.movie_indices[np.minimum(movies, len(self.movie_indices) - 1)] != indices
        users = np.searchsorted(self.user_ids, np.repeat(examples.sequences.user_ids, examples.target_counts))
        return np.where(unrated, len(self.movie_indices), movies), users
