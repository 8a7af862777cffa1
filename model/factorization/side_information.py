"""Side information on users and movies; the means of the factorization's priors are linear in it.

Which movies a user chose to rate, and which users rated a movie, says much about both, whatever the stars. A
correspondence analysis (Benzecri 1973) of the table of users and movies condenses it: every movie gets coordinates,
and a user gets the mean coordinates of the rated movies, so that users who were not in training have coordinates too.
Unlike in correspondence analysis, popularities are shrunk; therefore the first coordinate is not a constant, but nearly
the popularity.
"""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array, diags_array
from scipy.sparse.linalg import svds
from sklearn.utils.extmath import svd_flip

from model.data.sequences import Sequences
from model.features.catalogue import UNKNOWN
from model.types import FloatArray

POPULARITY_SHRINKAGE = 10.0
"""Ratings added to those of every movie. Otherwise rarely rated movies, divided by the root of a small number, would
have the largest entries and determine the coordinates."""

RELATIVE_STRENGTH = 1e-3
"""Smallest singular value, as a share of the largest, that counts: smaller ones are rounding errors."""


@dataclass(frozen=True)
class SideInformation:
    """Standardised columns of the training users and of the movies, shapes (users, columns) and (movies, columns)."""

    users: FloatArray
    movies: FloatArray


def movie_coordinates(sequences: Sequences, vocabulary_size: int, width: int) -> FloatArray:
    """Coordinates of each movie by who rated it, standardised, shape (movies, width).

    Zeros for movies without ratings. Columns beyond the number of movies or users are zeros.
    """
    counts = np.bincount(sequences.movies, minlength=vocabulary_size)
    by_movie = 1 / np.sqrt(counts + POPULARITY_SHRINKAGE)
    by_user = 1 / np.sqrt(np.maximum(sequences.counts, 1))
    # Normalized table: 1 / sqrt(ratings of the user * ratings of the movie) for every rating.
    ones = np.ones(len(sequences.movies))
    table = csr_array((ones, (sequences.user_index, sequences.movies)), shape=(len(sequences), vocabulary_size))
    rank = min(width, min(table.shape) - 1)  # `svds` finds at most so many
    coordinates = np.zeros((vocabulary_size, width))
    if rank > 0:
        # A fixed start: the solver's own is random, and would change the last digits from run to run. Signs are fixed
        # too: they differ between processors, and with them, like a seed, all that is drawn later.
        start = np.random.default_rng(0).normal(size=min(table.shape))
        _, strengths, vectors = svds(diags_array(by_user) @ table @ diags_array(by_movie), k=rank, v0=start)
        _, vectors = svd_flip(None, vectors, u_based_decision=False)
        vectors[strengths < RELATIVE_STRENGTH * strengths.max()] = 0.0
        coordinates[:, :rank] = by_movie[:, None] * vectors.T
    rated = counts > 0
    return _standardised(coordinates, rated) * rated[:, None].astype(np.float32)


def centred(coordinates: FloatArray, sequences: Sequences) -> FloatArray:
    """Coordinates shifted so that the average user's are 0, which are also those of a user without history.

    Movies without ratings keep their zeros.
    """
    ratings = csr_array(
        (np.ones(len(sequences.movies)), sequences.movies, sequences.offsets), shape=(len(sequences), len(coordinates))
    )
    sums = ratings @ coordinates.astype(np.float64)
    mean = (sums / np.maximum(sequences.counts, 1)[:, None]).mean(0)
    shifted: FloatArray = np.where(coordinates.any(1, keepdims=True), coordinates - mean, 0.0).astype(np.float32)
    return shifted


def movie_columns(content: FloatArray, sequences: Sequences, coordinates: FloatArray) -> FloatArray:
    """Side information on movies: content, popularity and coordinates, standardised, shape (movies, columns).

    ``content`` (movies, columns) are movie features that need no ratings. A movie without ratings has average
    popularity, since it may just be new. The unknown movie is average in all columns.
    """
    counts = np.bincount(sequences.movies, minlength=len(content))
    rated = counts > 0
    popularity = np.log1p(counts)[:, None]
    # The square lets the effect of popularity bend.
    popularity = _standardised(np.hstack([popularity, popularity**2]), rated) * rated[:, None]
    columns = np.hstack([_standardised(content, rated), popularity, coordinates]).astype(np.float32)
    columns[UNKNOWN] = 0.0
    return columns


def _standardised(columns: np.ndarray, by: np.ndarray) -> FloatArray:
    """Columns with mean 0 and standard deviation 1 over the indices ``by``; constant columns become zeros."""
    columns = columns.astype(np.float64)
    mean, deviation = columns[by].mean(0), columns[by].std(0)
    # Relative to the size of the values, since rounding errors of a constant column are relative to it too.
    varies = deviation > 1e-6 * np.abs(columns[by]).max(0, initial=0.0)
    standardised: FloatArray = ((columns - mean) / np.where(varies, deviation, np.inf)).astype(np.float32)
    return standardised
