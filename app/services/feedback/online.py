"""How good the served lists were, from what users did afterwards.

A list counts once an impression names it. A shown movie is a hit if its user gives a sign afterwards, within
`ATTRIBUTION_DAYS`, that it was wanted: an event of a kind that says so, or a rating of 4 stars or more. A sign that
names a list counts for that one; any other counts for the list that showed the movie last.
"""

import logging
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import NamedTuple, TypeVar

import numpy as np
from sqlalchemy.exc import SQLAlchemyError

from app.observability import metrics
from app.services.feedback.bootstrap import RESAMPLES, Estimate, Numbers, Statistic, estimate, median, ratio
from app.services.feedback.kinds import Meanings
from app.services.model_host import ModelHost
from app.services.popularity import Popularity
from app.storage import events
from app.storage.events import Hit, ListRecord, Shown
from seqrec.errors import ServiceError

logger = logging.getLogger(__name__)

KeyT = TypeVar("KeyT")

ATTRIBUTION_DAYS = 7
LEAST_STARS = 4.0
DAY = 86_400
DAYS = 30
LONGEST_AGE = 60.0
"""Seconds for which what was measured is answered again."""

FOLLOWED_EVERY = 600.0
"""Seconds from one measure for the metrics to the next: it reads all impressions of days, and minutes change little."""


class JudgedList(NamedTuple):
    """A list that was shown, and what came of it.

    Attributes:
        movies: in the order of the list, from what was shown of it.
        hits: their positions, from 0.
        seconds_to_hit: from the first impression to the first hit; None without one.
    """

    served: ListRecord
    movies: Sequence[int]
    hits: Sequence[int]
    seconds_to_hit: int | None


class OnlineScore(NamedTuple):
    """The measures of some lists; see `seqrec.schemas.online.OnlineScore`."""

    users: int
    lists: int
    impressions: int
    hit_rate: Estimate | None
    list_hit_rate: Estimate | None
    ndcg: Estimate | None
    popularity: Estimate | None
    seconds_to_hit: Estimate | None
    coverage: float


class Online(NamedTuple):
    """What was measured: in whole, by model version, by order, by both, and by day and model version."""

    days: int
    measured_at: datetime
    overall: OnlineScore
    by_model: Mapping[str, OnlineScore]
    by_rank_by: Mapping[str, OnlineScore]
    by_both: Mapping[tuple[str, str], OnlineScore]
    by_day: Mapping[tuple[date, str], OnlineScore]


class OnlineMeasure:
    """Measures the lists of the last days."""

    def __init__(self, host: ModelHost, popularity: Popularity, meanings: Meanings) -> None:
        self.host = host
        self.popularity = popularity
        self._least_shares: dict[str, float] = {
            kind: meaning.least_share for kind, meaning in meanings.items() if meaning.hit
        }
        self._measured: dict[int, tuple[float, Online]] = {}
        self._measuring = threading.Lock()
        self._follow_from = time.monotonic() + LONGEST_AGE  # a process that starts has other things to do

    def measure(self, days: int = DAYS) -> Online:
        """Lists that were served in the last so many days; from memory for `LONGEST_AGE` seconds."""
        with self._measuring:
            at, online = self._measured.get(days, (0.0, None))
            if online is None or time.monotonic() - at > LONGEST_AGE:
                online = self._measure(days)
                if days == DAYS:
                    metrics.record_online({key: _values(score) for key, score in online.by_both.items()})
                self._measured = {days: (time.monotonic(), online)}  # of one number of days: a caller may ask for any
            return online

    def follow(self) -> None:
        """Measure in the background for the metrics, at most every `FOLLOWED_EVERY` seconds."""
        if time.monotonic() > self._follow_from:
            self._follow_from = time.monotonic() + FOLLOWED_EVERY
            threading.Thread(target=self._measure_quietly, name="online", daemon=True).start()

    def _measure_quietly(self) -> None:
        try:
            self.measure()
        except (SQLAlchemyError, ServiceError) as error:
            logger.warning("the lists were not measured: %s", error)

    def _measure(self, days: int) -> Online:
        since = int(time.time()) - days * DAY
        with self.host.database.reads(long=True) as session:
            lists = events.lists_since(session, since)
            shown = events.shown_since(session, since)
            hits = events.hits_since(session, since, self._least_shares, LEAST_STARS) if shown else []
        judged = judge(lists, shown, hits)
        catalogue = self.host.current_state().catalogue
        stats = self.popularity.rating_stats()
        scores = _Scores({id_: one.ratings for id_, one in stats.items()}, int(catalogue.mask().sum()))
        return Online(
            days,
            datetime.now(UTC),
            scores.of(judged),
            scores.by(judged, lambda one: one.served.model),
            scores.by(judged, lambda one: one.served.rank_by),
            scores.by(judged, lambda one: (one.served.model, one.served.rank_by)),
            scores.by(judged, lambda one: (_day(one.served.served_at), one.served.model), resamples=0),
        )


def judge(lists: Mapping[int, ListRecord], shown: Iterable[Shown], hits: Iterable[Hit]) -> list[JudgedList]:
    """What came of each list of which something was shown; ``shown`` is in the order in which it came."""
    entries: dict[int, dict[int, Shown]] = defaultdict(dict)
    lists_with: dict[tuple[int, int], list[Shown]] = defaultdict(list)
    for one in shown:
        if one.movie_id not in entries[one.number]:  # a movie that comes into sight again is the same entry
            entries[one.number][one.movie_id] = one
            lists_with[one.user_id, one.movie_id].append(one)
    first_hits: dict[tuple[int, int], int] = {}
    for hit in hits:
        showing = _showing(hit, lists_with[hit.user_id, hit.movie_id])
        if showing is not None:
            key = showing.number, showing.movie_id
            first_hits[key] = min(hit.occurred_at, first_hits.get(key, hit.occurred_at))
    return [_judged(lists[number], number, own, first_hits) for number, own in entries.items()]


def _showing(hit: Hit, candidates: Sequence[Shown]) -> Shown | None:
    """Where the user saw the movie that is wanted now."""
    before = [one for one in candidates if one.shown_at <= hit.occurred_at <= one.shown_at + ATTRIBUTION_DAYS * DAY]
    if hit.number is not None:
        before = [one for one in before if one.number == hit.number]
    return max(before, key=lambda one: one.shown_at, default=None)


def _judged(
    served: ListRecord, number: int, entries: Mapping[int, Shown], first_hits: Mapping[tuple[int, int], int]
) -> JudgedList:
    in_order = sorted(enumerate(entries.values(), start=1), key=lambda one: (one[1].position or one[0], one[0]))
    movies = [one.movie_id for _, one in in_order]
    times = {movie_id: first_hits[number, movie_id] for movie_id in movies if (number, movie_id) in first_hits}
    begun = min(one.shown_at for one in entries.values())
    places = [(one.position or arrived) - 1 for arrived, one in in_order if one.movie_id in times]
    return JudgedList(served, movies, places, min(times.values()) - begun if times else None)


def ndcg(hits: Sequence[int]) -> float:
    """The discounted gain of hits at these positions, from 0, as a share of that at the head; 0 without any."""
    if not hits:
        return 0.0
    gains = 1 / np.log2(np.array(sorted(hits)) + 2)
    return float(gains.sum() / (1 / np.log2(np.arange(len(hits)) + 2)).sum())


class _Scores:
    """Computes measures.

    ``ratings`` has the number of ratings by movie id, ``movies`` is how many can be recommended.
    """

    def __init__(self, ratings: Mapping[int, int], movies: int) -> None:
        self._ratings = ratings
        self._movies = movies

    def by(
        self, judged: Sequence[JudgedList], key: Callable[[JudgedList], KeyT], resamples: int = RESAMPLES
    ) -> dict[KeyT, OnlineScore]:
        """The measures of the lists of each key."""
        groups: dict[KeyT, list[JudgedList]] = defaultdict(list)
        for one in judged:
            groups[key(one)].append(one)
        return {name: self.of(group, resamples) for name, group in groups.items()}

    def of(self, judged: Sequence[JudgedList], resamples: int = RESAMPLES) -> OnlineScore:
        """The measures of some lists; without intervals, if there are no resamples."""
        _, owner = np.unique(np.array([one.served.user_id for one in judged], dtype=np.int64), return_inverse=True)
        users = int(owner.max(initial=-1)) + 1

        def sums(values: Iterable[float]) -> Numbers:
            """Of one value for each list, by user, shape (users,)."""
            weights = np.fromiter(values, dtype=np.float64)
            return np.bincount(owner, weights=weights, minlength=users).astype(np.float64)

        def estimated(statistic: Statistic) -> Estimate | None:
            return estimate(users, statistic, resamples)

        lists, shown = sums(1 for _ in judged), sums(len(one.movies) for one in judged)
        popularity = sums(sum(self._ratings.get(id_, 0) for id_ in one.movies) for one in judged)
        hit = np.array([one.seconds_to_hit is not None for one in judged], dtype=bool)
        seconds = np.array([one.seconds_to_hit for one in judged if one.seconds_to_hit is not None], dtype=np.float64)
        return OnlineScore(
            users=users,
            lists=len(judged),
            impressions=int(shown.sum()),
            hit_rate=estimated(ratio(sums(len(one.hits) for one in judged), shown)),
            list_hit_rate=estimated(ratio(sums(hit), lists)),
            ndcg=estimated(ratio(sums(ndcg(one.hits) for one in judged), lists)),
            popularity=estimated(ratio(popularity, shown)),
            seconds_to_hit=estimated(median(seconds, owner[hit])),
            coverage=len({id_ for one in judged for id_ in one.movies}) / max(self._movies, 1),
        )


def _values(score: OnlineScore) -> dict[str, float]:
    """By the names of the metrics, without what has no value."""
    estimates = {
        "hit_ratio": score.hit_rate,
        "list_hit_ratio": score.list_hit_rate,
        "ndcg_ratio": score.ndcg,
        "popularity_ratings": score.popularity,
        "first_hit_seconds": score.seconds_to_hit,
    }
    values = {name: one.value for name, one in estimates.items() if one is not None}
    return {"lists": score.lists, "coverage_ratio": score.coverage, **values}


def _day(seconds: int) -> date:
    return datetime.fromtimestamp(seconds, UTC).date()
