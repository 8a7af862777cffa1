"""What is known of users and movies besides the stars; the factorization's priors are linear in it.

Which movies a user chose to rate, and by whom a movie was rated, says much about both before any star is read. It is
condensed as in correspondence analysis (Benzecri 1973) of the table of users and movies: every movie gets coordinates,
and a user has the mean coordinates of the movies in the history, so a user who was not in training has them too. Since
popularity is shrunk, the first coordinate is no constant, as it is there, but nearly the popularity.
"""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array, diags_array
from scipy.sparse.linalg import svds

from model.data.sequences import Sequences
from model.features.catalogue import UNKNOWN
from model.types import FloatArray

POPULARITY_SHRINKAGE = 10.0
"""Ratings that every movie has beforehand, so that rarely rated movies do not rule the coordinates."""

RELATIVE_STRENGTH = 1e-3
"""Coordinates with a smaller singular value, compared with the largest, are rounding errors."""


@dataclass(frozen=True)
class SideInformation:
    """Standardised columns of the training users and of the movies, shapes (users, columns) and (movies, columns)."""

    users: FloatArray
    movies: FloatArray


def movie_coordinates(sequences: Sequences, vocabulary_size: int, width: int) -> FloatArray:
    """Coordinates of each movie by who rated it, shape (vocabulary_size, width), of unit scale; zeros without ratings.

    With fewer movies or users than ``width`` asks for, the columns beyond are zeros.
    """
    counts = np.bincount(sequences.movies, minlength=vocabulary_size)
    by_movie = 1 / np.sqrt(counts + POPULARITY_SHRINKAGE)
    by_user = 1 / np.sqrt(np.maximum(sequences.counts, 1))
    ones = np.ones(len(sequences.movies))
    table = csr_array((ones, (sequences.user_index, sequences.movies)), shape=(len(sequences), vocabulary_size))
    found = min(width, min(table.shape) - 1)
    placed = np.zeros((vocabulary_size, width))
    if found > 0:
        start = np.random.default_rng(0).normal(size=min(table.shape))
        _, strengths, vectors = svds(diags_array(by_user) @ table @ diags_array(by_movie), k=found, v0=start)
        vectors[strengths < RELATIVE_STRENGTH * strengths.max()] = 0.0
        placed[:, :found] = by_movie[:, None] * vectors.T
    rated = counts > 0
    return _standardised(placed, rated) * rated[:, None].astype(np.float32)


def centred(coordinates: FloatArray, sequences: Sequences) -> FloatArray:
    """The coordinates shifted so that the users' means are 0 on average: there stands who has no history.

    Rows of zeros, which are those of movies without ratings, stay what they are.
    """
    sums = np.zeros((len(sequences), coordinates.shape[1]))
    np.add.at(sums, sequences.user_index, coordinates[sequences.movies])
    mean = (sums / np.maximum(sequences.counts, 1)[:, None]).mean(0)
    shifted: FloatArray = np.where(coordinates.any(1, keepdims=True), coordinates - mean, 0.0).astype(np.float32)
    return shifted


def movie_columns(content: FloatArray, sequences: Sequences, coordinates: FloatArray) -> FloatArray:
    """Content, popularity and coordinates of each movie, shape (movies, columns).

    ``content`` (movies, columns) is what is known of a movie without any rating. A movie without ratings is of average
    popularity: it may be new, not unwanted. The unknown movie is average in everything.
    """
    counts = np.bincount(sequences.movies, minlength=len(content))
    rated = counts > 0
    popularity = np.log1p(counts)[:, None]
    popularity = _standardised(np.hstack([popularity, popularity**2]), rated) * rated[:, None]
    columns = np.hstack([_standardised(content, rated), popularity, coordinates]).astype(np.float32)
    columns[UNKNOWN] = 0.0
    return columns


def _standardised(columns: np.ndarray, by: np.ndarray) -> FloatArray:
    """Mean 0 and standard deviation 1 over the indices ``by``; a column that is the same everywhere becomes zeros."""
    columns = columns.astype(np.float64)
    mean, deviation = columns[by].mean(0), columns[by].std(0)
    varies = deviation > 1e-6 * np.abs(columns[by]).max(0, initial=0.0)
    standardised: FloatArray = ((columns - mean) / np.where(varies, deviation, np.inf)).astype(np.float32)
    return standardised
