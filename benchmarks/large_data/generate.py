"""Generates data sets with the shape of the published ones, up to 32 million ratings, always the same for a seed.

What decides time and memory is like in the published sets: the numbers of users, movies and ratings, the lengths of
histories, and how unevenly the ratings are spread over movies. Users favour a genre, which they watch more often and
like better, and movies have a quality, so that there is something to learn too; stars are half stars. What the
published sets have besides, as series or the taste of a year, is not there.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl

from model.data.formats import ML_CSV
from model.files import atomic_folder
from model.types import FloatArray, IntArray

GENRES = ("Action", "Animation", "Comedy", "Crime", "Drama", "Fantasy", "Horror", "Romance", "Sci-Fi", "Western")
FIRST_WORDS = ("Silent", "Broken", "Golden", "Hidden", "Last", "Distant", "Burning", "Paper", "Winter", "Second")
SECOND_WORDS = ("River", "Promise", "Harbour", "Garden", "Witness", "Summer", "Bridge", "Orchard", "Letter", "Storm")
YEARS = range(1930, 2024)

FEWEST_RATINGS = 20
"""Of a user, as in the published sets."""

LENGTH_SPREAD = 1.3
"""Standard deviation of the logarithm of a history's length beyond the fewest ratings. The mean is then 2.3 times the
median; in the set of 10 million ratings, 143 to 69, it is 2.5 times."""

LARGEST_SHARE = 0.004
"""Of all ratings, that of the most popular movie: a little more than in the published sets of 10 and 32 million."""

FAVOURITE_SHARE = 0.4
"""Of a user's movies, those that are drawn among the favourite genre's alone."""

USERS_AT_ONCE = 2_000

FIRST_TIME, LAST_TIME = 900_000_000, 1_700_000_000
"""Unix seconds between which histories begin."""


class Shape(NamedTuple):
    """The size of a data set, and how uneven it is.

    Attributes:
        spread: standard deviation of the logarithm of a movie's popularity. The published sets' means and medians of
            ratings of a movie, which are those of a log-normal distribution, give it.
    """

    users: int
    movies: int
    ratings: int
    spread: float


SHAPES = {
    "ml-100k": Shape(943, 1_682, 100_000, 1.1),
    "ml-latest-small": Shape(610, 9_742, 100_836, 1.6),
    "ml-1m": Shape(6_040, 3_883, 1_000_209, 1.2),
    "2m": Shape(12_500, 87_000, 1_875_000, 2.6),
    "ml-10m": Shape(69_878, 10_681, 10_000_054, 2.0),
    "30m": Shape(200_000, 87_000, 30_000_000, 2.6),
}
"""By the names of the published sets that have these numbers, or by the number of ratings. ``30m`` is a round version
of the set of 32 million, and ``2m`` has a sixteenth of its users and all of its movies."""


def write(folder: Path, shape: Shape, seed: int = 0) -> None:
    """Write a data set in the files of the newer MovieLens sets, ``movies.csv`` and ``ratings.csv``."""
    random = np.random.default_rng(seed)
    catalogue = _Catalogue(shape, random)
    with atomic_folder(folder) as temporary:
        catalogue.table().write_csv(temporary / ML_CSV.movies.name)
        with (temporary / ML_CSV.ratings.name).open("wb") as file:
            for number, block in enumerate(_ratings(shape, catalogue, random)):
                block.write_csv(file, include_header=number == 0)


class _Catalogue:
    """The movies, sorted by genre: so those of a genre are a range of the cumulated popularities.

    Attributes:
        genres: index in `GENRES` of each movie, shape (movies,).
        quality: what the mean of each movie's stars differs from the mean of all, shape (movies,).
        cumulated: popularities, summed up, shape (movies,).
        ranges: where the cumulated popularities of a genre begin and end, shape (genres, 2).
    """

    def __init__(self, shape: Shape, random: np.random.Generator) -> None:
        self.random = random
        self.genres = np.sort(random.integers(len(GENRES), size=shape.movies))
        self.quality = random.normal(0.0, 0.4, shape.movies)
        popularity = np.exp(shape.spread * random.normal(size=shape.movies) + 0.5 * self.quality)
        popularity = np.minimum(popularity, LARGEST_SHARE * popularity.sum())
        self.cumulated = np.cumsum(popularity)
        bounds = np.searchsorted(self.genres, np.arange(len(GENRES) + 1))
        ends = np.concatenate([[0.0], self.cumulated])[bounds]
        self.ranges = np.stack([ends[:-1], ends[1:]], axis=1)

    def table(self) -> pl.DataFrame:
        """The movies as ``movies.csv`` has them; ids are 1 and up."""
        numbers = np.arange(len(self.genres))
        second = self.random.integers(len(GENRES), size=len(self.genres))
        years = self.random.choice(YEARS, len(self.genres))
        lines = zip(numbers.tolist(), self.genres.tolist(), second.tolist(), years.tolist(), strict=True)
        rows = [
            (
                number + 1,
                f"{FIRST_WORDS[number % 10]} {SECOND_WORDS[number // 10 % 10]} {number // 100 + 1} ({year})",
                "|".join(sorted({GENRES[first], GENRES[other]})),
            )
            for number, first, other, year in lines
        ]
        return pl.DataFrame(rows, schema=["movieId", "title", "genres"], orient="row")

    def draw(self, favourites: IntArray) -> IntArray:
        """A movie's index for each draw, by popularity; some are of the user's favourite genre, shape (draws,)."""
        low, high = self.ranges[favourites].T
        anywhere = self.random.random(len(favourites)) >= FAVOURITE_SHARE
        low, high = np.where(anywhere, 0.0, low), np.where(anywhere, self.cumulated[-1], high)
        points = low + self.random.random(len(favourites)) * (high - low)
        drawn: IntArray = np.searchsorted(self.cumulated, points, side="right")
        return np.minimum(drawn, len(self.cumulated) - 1)


def history_lengths(shape: Shape, random: np.random.Generator) -> IntArray:
    """Numbers of ratings of the users, which sum up to those of the shape, shape (users,)."""
    beyond = shape.ratings - FEWEST_RATINGS * shape.users
    if beyond < 0:
        raise ValueError(f"{shape.users:,} users have at least {FEWEST_RATINGS * shape.users:,} ratings")
    # No more than a third of the movies, since nobody rates one twice; the others' histories grow for it.
    most = min(shape.movies // 3, 10_000) - FEWEST_RATINGS
    lengths = np.exp(LENGTH_SPREAD * random.normal(size=shape.users))
    for _ in range(20):
        lengths = np.minimum(lengths * (beyond / lengths.sum()), most)
    ends = np.rint(np.cumsum(lengths) * (beyond / lengths.sum())).astype(np.int64)
    counts: IntArray = FEWEST_RATINGS + np.diff(ends, prepend=0)
    return counts


def _ratings(shape: Shape, catalogue: _Catalogue, random: np.random.Generator) -> Iterator[pl.DataFrame]:
    """The rows of ``ratings.csv``, `USERS_AT_ONCE` at a time, by user and, as there, by movie."""
    lengths = history_lengths(shape, random)
    for first in range(0, shape.users, USERS_AT_ONCE):
        counts = lengths[first : first + USERS_AT_ONCE]
        favourites = random.integers(len(GENRES), size=len(counts))
        users, movies = _different_movies(counts, favourites, catalogue)
        starts = random.integers(FIRST_TIME, LAST_TIME, len(counts))
        # In the order of watching, movies of a genre often follow each other.
        watched = np.argsort(random.random(len(users)) + 0.3 * (catalogue.genres[movies] == favourites[users]))
        by_user = watched[np.argsort(users[watched], kind="stable")]
        times = np.empty(len(users), dtype=np.int64)
        times[by_user] = 60 * (np.arange(len(users)) - np.repeat(np.cumsum(counts) - counts, counts))
        yield pl.DataFrame(
            {
                "userId": users + first + 1,
                "movieId": movies + 1,
                "rating": _stars(users, movies, favourites, catalogue, random),
                "timestamp": starts[users] + times,
            }
        )


def _different_movies(counts: IntArray, favourites: IntArray, catalogue: _Catalogue) -> tuple[IntArray, IntArray]:
    """``counts[u]`` different movies of each user, as indices of users and of movies, sorted, shape (ratings,).

    Draws that a user has already are thrown away, so that popular movies do not repeat, and more are drawn until there
    are enough.
    """
    movies = len(catalogue.genres)
    pairs = np.empty(0, dtype=np.int64)
    missing, factor = counts, 1
    while missing.any():
        factor *= 2  # the more a user has, the more draws are repetitions
        users = np.repeat(np.arange(len(counts)), factor * missing + 8 * (missing > 0))
        new = np.setdiff1d(users * movies + catalogue.draw(favourites[users]), pairs)
        # At random, of those that a user lacks no more: in their order, they would be the movies of the first genres.
        new = catalogue.random.permutation(new)
        new = new[np.argsort(new // movies, kind="stable")]
        own = np.bincount(new // movies, minlength=len(counts))
        number = np.arange(len(new)) - np.repeat(np.cumsum(own) - own, own)
        pairs = np.concatenate([pairs, new[number < missing[new // movies]]])
        missing = counts - np.bincount(pairs // movies, minlength=len(counts))
    pairs.sort()
    return pairs // movies, pairs % movies


def _stars(
    users: IntArray, movies: IntArray, favourites: IntArray, catalogue: _Catalogue, random: np.random.Generator
) -> FloatArray:
    """Half stars by the user's mean, the movie's quality and the user's taste, with noise; shape (ratings,)."""
    means = 3.5 + random.normal(0.0, 0.4, len(favourites))
    liked = 0.4 * (catalogue.genres[movies] == favourites[users])
    liking = means[users] + catalogue.quality[movies] + liked + random.normal(0.0, 0.8, len(users))
    stars: FloatArray = np.clip(np.rint(2 * liking) / 2, 0.5, 5.0)
    return stars
