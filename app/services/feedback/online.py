"""How good the served lists were, from what users did afterwards.

A sign that a shown movie was wanted is an event of a kind that says so, or a rating of 4 stars or more; see
`app.services.feedback.judging`.
"""

import logging
import threading
import time
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import NamedTuple

from sqlalchemy.exc import SQLAlchemyError

from app.observability import metrics
from app.services.feedback.comparing import Outcome, compare
from app.services.feedback.judging import judge
from app.services.feedback.kinds import DAY, Meanings
from app.services.feedback.scores import OnlineScore, Scores
from app.services.model_host import ModelHost
from app.services.popularity import Popularity
from app.storage import events, models
from seqrec.errors import ServiceError

logger = logging.getLogger(__name__)

LEAST_STARS = 4.0
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
            latest = models.comparisons(session, 1)
        judged = judge(lists, shown, hits)
        catalogue = self.host.current_state().catalogue
        stats = self.popularity.rating_stats()
        scores = Scores({id_: one.ratings for id_, one in stats.items()}, int(catalogue.mask().sum()))
        return Online(
            days,
            datetime.now(UTC),
            scores.of(judged),
            scores.by(judged, lambda one: one.served.model),
            scores.by(judged, lambda one: one.served.rank_by),
            scores.by(judged, lambda one: (one.served.model, one.served.rank_by)),
            scores.by(judged, lambda one: (_day(one.served.served_at), one.served.model), resamples=0),
            compare(latest[0], judged, scores) if latest else None,
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
