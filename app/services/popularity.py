"""Popular movies, by weighted rating."""

import threading
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import islice
from typing import NamedTuple

from app.services.catalogue.catalogue import Filter
from app.services.model_host import ModelHost
from app.storage import ratings
from app.storage.movies import MovieRecord
from app.storage.ratings import RatingStats

PRIOR_RATINGS = 50
"""How many ratings at the overall average each movie gets in addition to its own."""


LONGEST_AGE = 30.0
"""Seconds."""


class RatedMovies(NamedTuple):
    """Rating statistics of each rated movie, by its id, and ids and weighted ratings in stars, the best first."""

    stats: Mapping[int, RatingStats]
    ranking: Sequence[tuple[int, float]]

    def best(self, among: Collection[int]) -> Iterator[tuple[int, float]]:
        """Those of the ranking whose ids are among these."""
        return (entry for entry in self.ranking if entry[0] in among)


class _Counted(NamedTuple):
    """Rated movies, when their ratings were counted, and after how many writes of this process."""

    writes: int
    at: float
    rated: RatedMovies

    def serves(self, writes: int) -> bool:
        """Whether it is young enough, and has what was written when this process had made ``writes`` writes."""
        return self.writes >= writes and time.monotonic() - self.at <= LONGEST_AGE


class PopularMovie(NamedTuple):
    """A movie, its weighted rating in stars, and the statistics that it comes from."""

    movie: MovieRecord
    weighted_rating: float
    rating_stats: RatingStats


class Popularity:
    """Which movies are popular, by the ratings of the database."""

    def __init__(self, host: ModelHost) -> None:
        self.host = host
        self._counted: _Counted | None = None
        self._counting = threading.Lock()

    def find(self, genres: Sequence[str], since: int | None, until: int | None, n: int) -> list[PopularMovie]:
        """The best ``n`` movies of any of the genres, by ratings from ``since`` on, before ``until`` (Unix seconds)."""
        with self.host.database.reads() as session:
            snapshot = self.host.snapshot(session)
        rated = self.rated_movies(since, until)
        catalogue = self.host.states(snapshot).champion.catalogue
        best = islice(rated.best(set(catalogue.select(Filter(tuple(genres))))), n)
        return [PopularMovie(catalogue.movies[id_], weighted, rated.stats[id_]) for id_, weighted in best]

    def rated_movies(self, since: int | None = None, until: int | None = None) -> RatedMovies:
        """All of them, by ratings from ``since`` on, before ``until`` (Unix seconds).

        Counting a million ratings takes a tenth of a second, so those of all times are counted at most every
        `LONGEST_AGE` seconds, and anew after each write of this process. What other processes write counts by then.
        """
        if since is not None or until is not None:
            return self._count(since, until)
        asked = self.host.database.writes_done
        if (counted := self._counted) is not None and counted.serves(asked):
            return counted.rated
        with self._counting:  # whoever waits here takes what the one before has counted, if it began late enough
            if (counted := self._counted) is None or not counted.serves(asked):
                # Before the transaction begins: what is written afterwards may be missing from it.
                writes, now = self.host.database.writes_done, time.monotonic()
                counted = self._counted = _Counted(writes, now, self._count())
            return counted.rated

    def _count(self, since: int | None = None, until: int | None = None) -> RatedMovies:
        with self.host.database.reads(long=True) as session:
            stats = ratings.rating_stats_by_movie(session, since, until)
        return RatedMovies(stats, by_weighted_rating(stats))


def by_weighted_rating(stats: Mapping[int, RatingStats]) -> list[tuple[int, float]]:
    """Ids of the movies and their weighted ratings in stars, the best first.

    A weighted rating is the mean of a movie's own ratings and of `PRIOR_RATINGS` more at the average of all ratings.
    Ties are ordered by the number of ratings, then by id: so are all movies where ratings have no stars.
    """
    total = sum(one.ratings for one in stats.values())
    average = sum(one.ratings * (one.mean_stars or 0) for one in stats.values()) / max(total, 1)
    weighted = [(id_, _weighted_rating(one, average)) for id_, one in stats.items()]
    return sorted(weighted, key=lambda one: (-one[1], -stats[one[0]].ratings, one[0]))


def _weighted_rating(stats: RatingStats, average: float) -> float:
    stars = stats.ratings * (stats.mean_stars or 0) + PRIOR_RATINGS * average
    return stars / (stats.ratings + PRIOR_RATINGS)
