"""How good the served lists were, from what users did afterwards.

A sign that a shown movie was wanted is an event of a kind that says so, or a rating of 4 stars or more; see
`app.services.feedback.attribution`.
"""

import logging
import threading
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from typing import NamedTuple

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from app.observability import metrics
from app.services.feedback.attribution import AttributedList, attribute_in_parts
from app.services.feedback.comparing import Outcome, compare, lists_of
from app.services.feedback.kinds import DAY, Meanings
from app.services.feedback.scores import Grouping, OnlineScore, score_of
from app.services.model_host import ModelHost
from app.services.popularity import Popularity
from app.storage import events, models
from model.rating_scale import RELEVANT_STARS
from seqrec.errors import ServiceError

logger = logging.getLogger(__name__)

DAYS = 30
LONGEST_AGE = 60.0
"""Seconds for which what was measured is answered again."""

FOLLOWED_EVERY = 600.0
"""Seconds from one measure for the metrics to the next: it reads all impressions of days, and minutes change little."""


class Online(NamedTuple):
    """What was measured: in whole, by model version, by order, by both, and by day and model version.

    ``comparison`` is the latest one, which runs or has ended; None if there was none.
    """

    days: int
    measured_at: datetime
    overall: OnlineScore
    by_model: Mapping[str, OnlineScore]
    by_rank_by: Mapping[str, OnlineScore]
    by_both: Mapping[tuple[str, str], OnlineScore]
    by_day: Mapping[tuple[date, str], OnlineScore]
    comparison: Outcome | None


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
        """Lists that were served in the last ``days`` days; from memory for `LONGEST_AGE` seconds."""
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
        movies = self.host.current_state().catalogue.recommendable
        ratings = {id_: one.ratings for id_, one in self.popularity.rated_movies().stats.items()}
        everything = Grouping(lambda _: "all")
        by_model = Grouping(lambda one: one.served.model)
        by_rank_by = Grouping(lambda one: one.served.rank_by)
        by_both = Grouping(lambda one: (one.served.model, one.served.rank_by))
        by_day = Grouping(lambda one: (_day(one.served.served_at), one.served.model))
        with self.host.database.reads(long=True) as session:
            latest = next(iter(models.comparisons(session, 1)), None)
            compared = lists_of(latest)
            for part in self._attributed(session, since):
                for grouping in (everything, by_model, by_rank_by, by_both, by_day, compared):
                    grouping.add(part, ratings)
        return Online(
            days,
            datetime.now(UTC),
            score_of(everything.groups["all"], movies),
            by_model.scores(movies),
            by_rank_by.scores(movies),
            by_both.scores(movies),
            by_day.scores(movies, resamples=0),
            None if latest is None else compare(latest, compared, movies),
        )

    def _attributed(self, session: Session, since: int) -> Iterator[list[AttributedList]]:
        """Lists in parts: all that users have seen in days would take gigabytes."""
        shown, lists = events.shown_since(session, since), events.lists_since(session, since)
        return attribute_in_parts(lists, shown, events.hits_since(session, since, self._least_shares, RELEVANT_STARS))


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
