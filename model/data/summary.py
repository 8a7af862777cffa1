"""Statistics of a data set: how unevenly ratings are distributed over users, movies and stars (Table 1, Figure 1)."""

import numpy as np
from pydantic import BaseModel

from model.data.dataset import MovieLens
from model.rating_scale import HALF_STARS, WHOLE_STARS, RatingScale
from model.types import IntArray

TOP_SHARE = 0.1
"""Of the users or movies, those with the most ratings."""


class Spread(BaseModel):
    """The distribution of the numbers of ratings of users, or of movies.

    Attributes:
        lower_quartile, median, upper_quartile: interpolated between two numbers if need be.
        top_share: share of all ratings that belong to the tenth with the most ratings.
    """

    minimum: int
    lower_quartile: float
    median: float
    upper_quartile: float
    mean: float
    maximum: int
    top_share: float


class Imbalance(BaseModel):
    """The statistics of a data set.

    Attributes:
        users: with at least one rating.
        listed_movies: in the catalogue, rated or not.
        movies: with at least one rating.
        density: share of all pairs of a user and a rated movie that have a rating.
        per_user: number of ratings of a user.
        per_movie: number of ratings of a rated movie.
        levels: half stars if there is any, else whole ones.
        stars: number of ratings of each level.
    """

    users: int
    listed_movies: int
    movies: int
    ratings: int
    density: float
    per_user: Spread
    per_movie: Spread
    levels: RatingScale = WHOLE_STARS
    stars: list[int]


def ratings_per_user(data: MovieLens) -> IntArray:
    """Number of ratings of each user who has any, in descending order."""
    return _count_ratings(data, "user_id")


def ratings_per_movie(data: MovieLens) -> IntArray:
    """Number of ratings of each movie that has any, in descending order."""
    return _count_ratings(data, "movie_id")


def _count_ratings(data: MovieLens, column: str) -> IntArray:
    return np.sort(data.ratings[column].value_counts()["count"].to_numpy().astype(np.int64))[::-1]


def measure_imbalance(data: MovieLens) -> Imbalance:
    users, movies = ratings_per_user(data), ratings_per_movie(data)
    levels = HALF_STARS if data.half_star_share else WHOLE_STARS
    stars = np.bincount(np.searchsorted(levels, data.ratings["stars"].to_numpy()), minlength=len(levels))
    return Imbalance(
        users=len(users),
        listed_movies=len(data.movies),
        movies=len(movies),
        ratings=len(data.ratings),
        density=len(data.ratings) / (len(users) * len(movies)),
        per_user=measure_spread(users),
        per_movie=measure_spread(movies),
        levels=levels,
        stars=stars.tolist(),
    )


def measure_spread(counts: IntArray) -> Spread:
    """The distribution of numbers of ratings, in any order; the tenth is rounded, and at least one user or movie."""
    descending = np.sort(counts)[::-1]
    lower, median, upper = np.quantile(counts, [0.25, 0.5, 0.75])
    top = max(round(len(counts) * TOP_SHARE), 1)
    return Spread(
        minimum=int(descending[-1]),
        lower_quartile=float(lower),
        median=float(median),
        upper_quartile=float(upper),
        mean=float(counts.mean()),
        maximum=int(descending[0]),
        top_share=float(descending[:top].sum() / descending.sum()),
    )
