"""Popular movies, by weighted rating."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from app.services.catalogue import Filter
from app.services.model_host import ModelHost
from app.storage import ratings
from app.storage.movies import MovieRecord
from app.storage.ratings import RatingStats

PRIOR_RATINGS = 50
"""How many ratings at the overall average each movie gets in addition to its own."""


class PopularMovie(NamedTuple):
    """A movie, its weighted rating in stars, and the statistics that it comes from."""

    movie: MovieRecord
    weighted_rating: float
    rating_stats: RatingStats


def find_popular(
    host: ModelHost, genres: list[str], since: int | None, until: int | None, n: int
) -> list[PopularMovie]:
    """The best ``n`` movies of any of the genres, by ratings from ``since`` on, before ``until`` (Unix seconds)."""
    with host.database.reads() as session:
        snapshot = host.snapshot(session)
        stats = ratings.rating_stats_by_movie(session, since, until)
    catalogue = host.state(snapshot).catalogue
    best = by_weighted_rating(stats, catalogue.select(Filter(genres)))[:n]
    return [PopularMovie(catalogue.movies[id_], weighted, stats[id_]) for id_, weighted in best]


def by_weighted_rating(stats: Mapping[int, RatingStats], movie_ids: Iterable[int]) -> list[tuple[int, float]]:
    """Ids and weighted ratings in stars of those movies that have ratings, the best first, ties by id.

    A weighted rating is the mean of a movie's own ratings and of `PRIOR_RATINGS` more at the average of all ratings in
    ``stats``.
    """
    total = sum(one.ratings for one in stats.values())
    average = sum(one.ratings * (one.mean_stars or 0) for one in stats.values()) / max(total, 1)
    weighted = [(id_, _weighted_rating(stats[id_], average)) for id_ in movie_ids if id_ in stats]
    return sorted(weighted, key=lambda one: (-one[1], one[0]))


def _weighted_rating(stats: RatingStats, average: float) -> float:
    stars = stats.ratings * (stats.mean_stars or 0) + PRIOR_RATINGS * average
    return stars / (stats.ratings + PRIOR_RATINGS)
