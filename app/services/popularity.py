"""Movies that many like."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from app.services.catalogue import Filter
from app.services.model_host import ModelHost
from app.storage import ratings
from app.storage.movies import MovieRecord
from app.storage.ratings import RatingStats

PRIOR_RATINGS = 50
"""Ratings as the average one that every movie has beforehand."""


class PopularMovie(NamedTuple):
    """A movie, its weighted rating in stars, and the ratings that it comes from."""

    movie: MovieRecord
    weighted_rating: float
    rating_stats: RatingStats


def popular(host: ModelHost, genres: list[str], since: int | None, until: int | None, n: int) -> list[PopularMovie]:
    """The best ``n`` movies of any of the genres, from ratings since and before these Unix seconds."""
    with host.database.reads() as session:
        snapshot = host.snapshot(session)
        rating_stats_by_movie = ratings.rating_stats_by_movie(session, since, until)
    catalogue = host.served(snapshot).catalogue
    ranked = by_weighted_rating(rating_stats_by_movie, catalogue.among(Filter(genres)))[:n]
    return [PopularMovie(catalogue.movies[id_], weighted, rating_stats_by_movie[id_]) for id_, weighted in ranked]


def by_weighted_rating(
    rating_stats_by_movie: Mapping[int, RatingStats], among: Iterable[int]
) -> list[tuple[int, float]]:
    """Those of ``among`` that have ratings: ids and weighted ratings in stars, the best first, ties by id.

    A weighted rating is the mean of a movie's own ratings and of `PRIOR_RATINGS` more, each as the average rating of
    all movies in ``rating_stats_by_movie``.
    """
    total = sum(one.ratings for one in rating_stats_by_movie.values())
    average = sum(one.ratings * (one.mean_stars or 0) for one in rating_stats_by_movie.values()) / max(total, 1)
    weighted = [(id_, _weighted(rating_stats_by_movie[id_], average)) for id_ in among if id_ in rating_stats_by_movie]
    return sorted(weighted, key=lambda one: (-one[1], one[0]))


def _weighted(rating_stats: RatingStats, average: float) -> float:
    stars = rating_stats.ratings * (rating_stats.mean_stars or 0) + PRIOR_RATINGS * average
    return stars / (rating_stats.ratings + PRIOR_RATINGS)
