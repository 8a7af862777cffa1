"""The statistics of all ratings are counted for many at once."""

import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from app.services.model_host import ModelHost
from app.services.popularity import Popularity
from app.services.ratings import Ratings
from app.storage import ratings
from app.storage.database import Database
from app.storage.ratings import RatingStats
from model.inference.scorer import Scorer


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_those_who_ask_while_ratings_are_counted_wait_for_one_count_that_has_what_was_written(
    loaded: Engine, scorer: Scorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = ratings.rating_stats_by_movie
    begun, go_on = threading.Event(), threading.Event()
    counts: list[Mapping[int, RatingStats]] = []
    database = Database(loaded)

    def slowly(session: Session, *times: int | None) -> Mapping[int, RatingStats]:
        counts.append(stats := count(session, *times))
        begun.set()
        go_on.wait(60)
        database.writes_done += 1  # someone writes all the time
        return stats

    monkeypatch.setattr(ratings, "rating_stats_by_movie", slowly)
    popularity = Popularity(ModelHost(database, scorer))
    with ThreadPoolExecutor(8) as threads:
        first = threads.submit(popularity.rated_movies)
        begun.wait(60)
        Ratings(database).put(1, 1, 5, None)
        Ratings(database).remove(1, 1)
        others = [threads.submit(popularity.rated_movies) for _ in range(7)]
        time.sleep(0.3)
        go_on.set()
        found = [future.result() for future in others]

    assert first.result().stats is counts[0]
    assert len(counts) == 2
    assert all(rated.stats is counts[1] for rated in found)
