"""How unevenly the ratings are spread over users, movies and stars (the paper's Table 1 and Figure 1)."""

import numpy as np
from pydantic import BaseModel

from model.data.dataset import MovieLens
from model.rating_scale import WHOLE_STARS, RatingScale
from model.types import IntArray

TOP_SHARE = 0.1


class Spread(BaseModel):
    """Ratings of each of some users, or of each of some movies.

    Attributes:
        lower_quartile: interpolated where it falls between two.
        top_share: share of all ratings that the tenth with the most ratings holds.
    """

    minimum: int
    lower_quartile: float
    median: float
    upper_quartile: float
    mean: float
    maximum: int
    top_share: float


class Imbalance(BaseModel):
    """The data in numbers.

    Attributes:
        listed_movies: in the catalogue, rated or not.
        movies: with at least one rating.
        density: share of the pairs of a user and a rated movie that have a rating.
        per_user: ratings of a user.
        per_movie: ratings of a rated movie.
        levels: what users can give, in stars.
        stars: ratings of each level.
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
    """Ratings of each user who has any, the most active first."""
    return _counts(data, "user_id")


def ratings_per_movie(data: MovieLens) -> IntArray:
    """Ratings of each movie that has any, the most popular first."""
    return _counts(data, "movie_id")


def _counts(data: MovieLens, column: str) -> IntArray:
    return np.sort(data.ratings[column].value_counts()["count"].to_numpy().astype(np.int64))[::-1]


def measure_imbalance(data: MovieLens) -> Imbalance:
    users, movies = ratings_per_user(data), ratings_per_movie(data)
    levels = data.rating_scale
    stars = np.bincount(np.searchsorted(levels, data.ratings["stars"].to_numpy()), minlength=len(levels))
    return Imbalance(
        users=len(users),
        listed_movies=len(data.movies),
        movies=len(movies),
        ratings=len(data.ratings),
        density=len(data.ratings) / (len(users) * len(movies)),
        per_user=spread(users),
        per_movie=spread(movies),
        levels=levels,
        stars=stars.tolist(),
    )


def spread(counts: IntArray) -> Spread:
    """The spread of some numbers of ratings, in any order; a tenth is rounded, but at least one."""
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
