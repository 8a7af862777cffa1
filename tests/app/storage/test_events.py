"""Old events go, but for what still says something."""

import random
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, insert, select

from app.services.feedback.events import Events
from app.services.feedback.recommendation_ids import RecommendationIds
from app.storage import events
from app.storage.database import Database, connect, upgrade
from app.storage.events import OPPOSITES, EventRecord
from app.storage.tables import Event, Movie, ServedList, User
from seqrec.schemas.events import PASSING_KINDS

KINDS = ("impression", "click", "watch", "like", "dislike", "skip", "watchlist")
USERS, MOVIES = range(1, 4), range(1, 4)
BEFORE = 10
"""Events are of the seconds 0 to 14."""

Row = dict[str, Any]


def write(
    engine: Engine, users: Sequence[int], movies: Sequence[int], rows: Sequence[Row], lists: Sequence[Row] = ()
) -> None:
    with engine.begin() as connection:
        connection.execute(insert(User), [{"id": id_} for id_ in users])
        connection.execute(insert(Movie), [{"id": id_, "title": "A"} for id_ in movies])
        if lists:
            connection.execute(insert(ServedList), lists)
        connection.execute(insert(Event), rows)


def random_rows(seed: int) -> list[Row]:
    draw = random.Random(seed)
    return [
        {
            "id": id_,
            "event_id": str(id_),
            "user_id": draw.choice(USERS),
            "movie_id": draw.choice(MOVIES),
            "kind": draw.choice(KINDS),
            "occurred_at": draw.randrange(15),
            "removed": draw.random() < 0.3,
        }
        for id_ in range(1, 201)
    ]


def says_nothing(row: Row, rows: Sequence[Row]) -> bool:
    """The rule, event by event."""

    def replaces(later: Row) -> bool:
        is_of_kind = later["kind"] == row["kind"]
        is_opposite = later["kind"] == OPPOSITES.get(row["kind"]) and not later["removed"]
        return (
            (later["user_id"], later["movie_id"]) == (row["user_id"], row["movie_id"])
            and (later["occurred_at"], later["id"]) > (row["occurred_at"], row["id"])
            and (is_of_kind or is_opposite)
        )

    return row["kind"] in PASSING_KINDS or any(map(replaces, rows))


@pytest.mark.parametrize("seed", range(3))
def test_what_is_old_and_says_nothing_goes_and_nothing_else(engine: Engine, seed: int) -> None:
    rows = random_rows(seed)
    expired = {row["id"] for row in rows if row["occurred_at"] < BEFORE and says_nothing(row, rows)}
    write(engine, USERS, MOVIES, rows)
    database = Database(engine)
    with database.reads() as session:
        assert events.users_with_expired(session, BEFORE) == list(USERS)
    with database.writes() as session:
        removed = events.remove_expired(session, BEFORE, USERS)
    with database.reads() as session:
        left = set(session.scalars(select(Event.id)))

    assert (removed, left) == (len(expired), {row["id"] for row in rows} - expired)
    with database.reads() as session:
        assert events.users_with_expired(session, BEFORE) == []


def test_two_who_write_the_same_events_in_another_order_do_not_wait_for_each_other(engine: Engine) -> None:
    write(engine, range(1, 11), range(1, 11), random_rows(0)[:1])
    database = Database(engine)
    numbers = range(4000)

    def put(round_: int, order: Sequence[int]) -> int:
        records = [EventRecord(f"{round_}-{one}", 1 + one % 10, 1 + one % 10, "impression", 0) for one in order]
        with database.writes() as session:
            return events.put(session, records, {})["impression"]

    with ThreadPoolExecutor(2) as writers:
        for round_ in range(3):
            orders = numbers, numbers[::-1]
            written = writers.map(put, [round_] * 2, orders)
            assert sum(written) == len(numbers)


def test_only_the_users_who_are_named_lose_events_and_lists(engine: Engine) -> None:
    rows = [row | {"kind": "impression", "list_id": row["user_id"]} for row in random_rows(0)]
    lists: list[Row] = [
        {"id": id_, "recommendation_id": str(id_), "user_id": id_, "model": "a", "rank_by": "next", "served_at": 0}
        for id_ in USERS
    ]
    write(engine, USERS, MOVIES, rows, lists)
    database = Database(engine)
    with database.writes() as session:
        events.remove_expired(session, 15, [1, 2])

    with database.reads() as session:
        assert set(session.scalars(select(Event.user_id))) == {3}
        assert list(session.scalars(select(ServedList.user_id))) == [3]
        assert events.users_with_expired(session, 15) == [3]


@pytest.fixture
def many_likes(tmp_path: Path) -> Iterator[Engine]:
    """A SQLite file, freshly migrated, where 2,000 users have liked 10 movies each, long ago, and one twice."""
    engine = connect(f"sqlite:///{tmp_path}/seqrec.db")
    upgrade(engine)
    likes = [(user, movie) for user in range(1, 2001) for movie in (*range(1, 11), 10)]
    rows: list[Row] = [
        {"event_id": str(id_), "user_id": user, "movie_id": movie, "kind": "like", "occurred_at": id_, "removed": False}
        for id_, (user, movie) in enumerate(likes)
    ]
    write(engine, range(1, 2001), range(1, 11), rows)
    yield engine
    engine.dispose()


def test_what_a_user_has_said_is_looked_for_among_what_the_same_user_has_said(many_likes: Engine) -> None:
    kept = Events(Database(many_likes), RecommendationIds(), retention=1)
    begun = time.process_time()

    assert kept.remove_expired() == 2000
    assert time.process_time() - begun < 5  # a walk over all users' likes for each took half a minute
