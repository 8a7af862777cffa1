"""Movies that many like."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from app.services.catalogue import Filter
from app.services.model_host import Serving
from app.storage import ratings
from app.storage.movies import MovieRecord
from app.storage.ratings import Reception

PRIOR_RATINGS = 50
"""Ratings as the average one that every movie has beforehand."""


class PopularMovie(NamedTuple):
    """A movie, its weighted rating in stars, and the ratings that it comes from."""

    movie: MovieRecord
    weighted_rating: float
    reception: Reception


def popular(serving: Serving, genres: list[str], since: int | None, until: int | None, n: int) -> list[PopularMovie]:
    """The best ``n`` movies of any of the genres, from ratings since and before these Unix seconds."""
    with serving.database.reads() as session:
        snapshot = serving.snapshot(session)
        receptions = ratings.receptions(session, since, until)
    catalogue = serving.served(snapshot).catalogue
    ranked = by_weighted_rating(receptions, catalogue.among(Filter(genres)))[:n]
    return [PopularMovie(catalogue.movies[id_], weighted, receptions[id_]) for id_, weighted in ranked]


def by_weighted_rating(receptions: Mapping[int, Reception], among: Iterable[int]) -> list[tuple[int, float]]:
    """Those of ``among`` that have ratings: ids and weighted ratings in stars, the best first, ties by id.

    A weighted rating is the mean of a movie's own ratings and of `PRIOR_RATINGS` more, each as the average rating of
    all movies in ``receptions``.
    """
    total = sum(one.ratings for one in receptions.values())
    average = sum(one.ratings * (one.mean_stars or 0) for one in receptions.values()) / max(total, 1)
    weighted = [(id_, _weighted(receptions[id_], average)) for id_ in among if id_ in receptions]
    return sorted(weighted, key=lambda one: (-one[1], one[0]))


def _weighted(reception: Reception, average: float) -> float:
    stars = reception.ratings * (reception.mean_stars or 0) + PRIOR_RATINGS * average
    return stars / (reception.ratings + PRIOR_RATINGS)
