import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing

import pytest
from alembic import command
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, select, text
from sqlalchemy.orm import Session

from app.jobs.bulk_load import load
from app.services.ratings import Ratings
from app.services.users import Users
from app.storage import movies, ratings, revisions, users
from app.storage.database import Database, alembic_config, upgrade
from app.storage.ratings import RatingRecord
from app.storage.revisions import RevisionReader, UserRevision
from app.storage.tables import User
from model.data.dataset import MovieLens
from model.features.users import Profile

POSTGRESQL = pytest.param("postgresql", marks=pytest.mark.postgres)
EVENT = "INSERT INTO events (user_id, movie_id, kind, event_id, occurred_at) VALUES"
USERS = range(1, 7)
MOVIES = range(1, 5)


@pytest.fixture
def database(engine: Engine) -> Database:
    """Users 1 to 6, movies 1 to 4. Users 1 and 2 have rated movie 1, user 3 movies 1 and 2."""
    with engine.begin() as connection:
        for user_id in USERS:
            connection.execute(text(f"INSERT INTO users (id) VALUES ({user_id})"))
        for movie_id in MOVIES:
            connection.execute(text(f"INSERT INTO movies (id, title) VALUES ({movie_id}, 'A')"))
        for user_id, movie_id in ((1, 1), (2, 1), (3, 1), (3, 2)):
            connection.execute(text(f"INSERT INTO ratings VALUES ({user_id}, {movie_id}, 3, 0)"))
    return Database(engine)


def seen(database: Database) -> dict[int, int]:
    """The revision of every user, by id."""
    with database.reads() as session:
        return dict(session.execute(select(User.id, User.revision)).all())


def counted(database: Database, before: dict[int, int]) -> set[int]:
    """The users whose revision has grown; none may shrink."""
    after = seen(database)
    assert all(after[user_id] >= revision for user_id, revision in before.items() if user_id in after)
    return {user_id for user_id, revision in after.items() if revision != before.get(user_id)}


@pytest.mark.parametrize(
    ("statement", "concerned"),
    [
        pytest.param("INSERT INTO ratings VALUES (4, 1, 5, 0)", {4}, id="new rating"),
        pytest.param("INSERT INTO ratings SELECT id, 3, 4, 0 FROM users", set(USERS), id="ratings of all users"),
        pytest.param("UPDATE ratings SET stars = 1 WHERE user_id = 1", {1}, id="other stars"),
        pytest.param("UPDATE ratings SET rated_at = 9 WHERE movie_id = 1", {1, 2, 3}, id="other time"),
        pytest.param("UPDATE ratings SET movie_id = 4 WHERE user_id = 2", {2}, id="other movie"),
        pytest.param("UPDATE ratings SET user_id = 5 WHERE user_id = 1", {1, 5}, id="moved to another user"),
        pytest.param("DELETE FROM ratings WHERE user_id = 3", {3}, id="deleted ratings"),
        pytest.param("DELETE FROM ratings WHERE user_id = 6", set(), id="nothing to delete"),
        pytest.param("DELETE FROM movies WHERE id = 2", {3}, id="deleted movie"),
        pytest.param("DELETE FROM movies", {1, 2, 3}, id="all movies deleted"),
        pytest.param("UPDATE movies SET title = 'B'", set(), id="other title"),
        pytest.param("UPDATE users SET gender = 'F' WHERE id = 4", {4}, id="gender"),
        pytest.param("UPDATE users SET age = 30 WHERE id IN (1, 4)", {1, 4}, id="age"),
        pytest.param("UPDATE users SET occupation = 3 WHERE id = 5", {5}, id="occupation"),
        pytest.param("UPDATE users SET id = 9 WHERE id = 6", {9}, id="other id"),
        pytest.param("DELETE FROM users WHERE id = 1", set(), id="deleted user"),
        pytest.param("INSERT INTO users (id) VALUES (7)", {7}, id="new user"),
        pytest.param(f"{EVENT} (4, 1, 'like', 'a', 0)", {4}, id="liked"),
        pytest.param(f"{EVENT} (4, 1, 'impression', 'a', 0), (5, 1, 'click', 'a', 0)", set(), id="seen and clicked"),
        pytest.param(f"{EVENT} (4, 1, 'click', 'a', 0), (5, 1, 'skip', 'a', 0)", {5}, id="clicked and skipped"),
        pytest.param(
            "INSERT INTO ratings VALUES (1, 1, 5, 0), (2, 4, 5, 0) "
            "ON CONFLICT (user_id, movie_id) DO UPDATE SET stars = excluded.stars",
            {1, 2},
            id="inserted or replaced",
        ),
    ],
)
def test_a_write_by_sql_counts_for_exactly_the_users_concerned(
    database: Database, statement: str, concerned: set[int]
) -> None:
    before = seen(database)
    with database.engine.begin() as connection:
        connection.execute(text(statement))

    assert counted(database, before) == concerned


@pytest.mark.parametrize(
    ("write", "concerned"),
    [
        pytest.param(lambda database: Ratings(database).put(1, 1, 5, None), {1}, id="replaced rating"),
        pytest.param(lambda database: Ratings(database).put(4, 1, 5, None), {4}, id="new rating"),
        pytest.param(lambda database: Ratings(database).put(1, 1, 3, 0), set(), id="the rating that is there"),
        pytest.param(lambda database: Ratings(database).remove(3, 2), {3}, id="removed rating"),
        pytest.param(lambda database: Ratings(database).remove(4, 2), set(), id="no rating to remove"),
        pytest.param(lambda database: Users(database).change(2, {"age": 40}), {2}, id="profile"),
        pytest.param(lambda database: Users(database).add(8, Profile(None, None, None)), {8}, id="new user"),
        pytest.param(lambda database: Users(database).remove(2), set(), id="removed user"),
    ],
)
def test_a_write_by_the_service_counts_for_exactly_the_users_concerned(
    database: Database, write: Callable[[Database], object], concerned: set[int]
) -> None:
    before = seen(database)
    write(database)

    assert counted(database, before) == concerned


def test_of_two_ratings_for_the_same_movie_the_later_in_the_list_counts(database: Database) -> None:
    given = [RatingRecord(4, 2, 1, 10), RatingRecord(2, 2, 2, 10), RatingRecord(4, 2, 5, 3)]
    with database.writes() as session:
        ratings.put(session, given)
        kept = ratings.next_block(session, (0, 0), 100)

    assert [rating for rating in kept if rating.movie_id == 2] == [
        RatingRecord(2, 2, 2, 10), RatingRecord(3, 2, 3, 0), RatingRecord(4, 2, 5, 3),
    ]  # fmt: skip


def test_a_write_that_is_rolled_back_counts_for_nobody(database: Database) -> None:
    before = seen(database)
    with database.reads() as session:
        ratings.put(session, [RatingRecord(1, 2, 5, 0)])
        session.rollback()

    assert counted(database, before) == set()


def test_an_id_that_is_used_again_begins_above_all_revisions_it_has_had(database: Database) -> None:
    had = seen(database)[4]
    for _ in range(30):  # within one tick of the clock, too
        with database.engine.begin() as connection:
            connection.execute(text("DELETE FROM users WHERE id = 4"))
            connection.execute(text("INSERT INTO users (id) VALUES (4)"))
            assert connection.scalar(text("SELECT revision FROM users WHERE id = 4")) > had
            connection.execute(text("UPDATE users SET age = 20 WHERE id = 4"))
            had = connection.scalar(text("SELECT revision FROM users WHERE id = 4"))


def test_an_id_that_is_used_again_begins_above_its_revisions_though_the_clock_was_set_back(database: Database) -> None:
    ahead = seen(database)[4] + 10**12
    with database.engine.begin() as connection:
        connection.execute(text(f"UPDATE users SET revision = {ahead} WHERE id IN (4, 5)"))
        connection.execute(text("DELETE FROM users WHERE id = 4"))
        connection.execute(text("INSERT INTO users (id) VALUES (4)"))
        connection.execute(text("UPDATE users SET id = 10 WHERE id = 5"))
        connection.execute(text("INSERT INTO users (id) VALUES (5)"))

    revision = seen(database)
    assert revision[4] > ahead
    assert revision[5] > ahead
    assert revision[10] > ahead


def free_id(session: Session, table: str) -> int:
    return movies.free_id(session, known=()) if table == "movies" else users.free_id(session)


@pytest.mark.parametrize(
    ("table", "statement", "next_id"),
    [
        pytest.param("movies", "DELETE FROM movies WHERE id = 4", 5, id="movie deleted"),
        pytest.param("movies", "DELETE FROM movies", 5, id="all movies deleted"),
        pytest.param("movies", "INSERT INTO movies (id, title) VALUES (9, 'A'), (7, 'A')", 10, id="new movies"),
        pytest.param("movies", "UPDATE movies SET id = 6 WHERE id = 4", 7, id="other id of a movie"),
        pytest.param("movies", "UPDATE movies SET title = 'B'", 5, id="other title"),
        pytest.param("users", "DELETE FROM users WHERE id = 6", 7, id="user deleted"),
        pytest.param("users", "DELETE FROM users", 7, id="all users deleted"),
        pytest.param("users", "INSERT INTO users (id) VALUES (9), (7)", 10, id="new users"),
        pytest.param("users", "UPDATE users SET age = 7", 7, id="other age"),
    ],
)
def test_a_free_id_is_above_all_that_there_have_ever_been(
    database: Database, table: str, statement: str, next_id: int
) -> None:
    with database.writes() as session:
        session.execute(text(statement))
        session.execute(text(f"DELETE FROM {table} WHERE id > 3"))

        assert free_id(session, table) == next_id


@pytest.mark.parametrize(
    ("table", "before", "greatest"),
    [pytest.param("movies", "0011", 4, id="movies"), pytest.param("users", "0012", 6, id="users")],
)
def test_the_migration_counts_those_that_are_there(database: Database, table: str, before: str, greatest: int) -> None:
    config = alembic_config()
    with database.engine.begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, before)
    upgrade(database.engine)

    with database.writes() as session:
        session.execute(text(f"DELETE FROM {table} WHERE id = {greatest}"))
        assert free_id(session, table) == greatest + 1


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_sqlite_counts_a_user_who_is_replaced_as_a_new_one(database: Database) -> None:
    had = seen(database)[4] + 10**12
    with database.engine.begin() as connection:
        connection.execute(text(f"UPDATE users SET revision = {had} WHERE id = 4"))
        connection.execute(text("REPLACE INTO users (id) VALUES (4)"))

    assert seen(database)[4] > had


@pytest.mark.parametrize("database_url", [POSTGRESQL], indirect=True)
def test_truncating_the_ratings_counts_for_all_users(database: Database) -> None:
    before = seen(database)
    with database.engine.begin() as connection:
        connection.execute(text("TRUNCATE ratings"))
    assert counted(database, before) == set(USERS)

    before = seen(database)
    with database.engine.begin() as connection:
        connection.execute(text(f"UPDATE users SET revision = {before[1] + 10**12} WHERE id = 1"))
        connection.execute(text("TRUNCATE users CASCADE"))
        connection.execute(text("INSERT INTO users (id) VALUES (1)"))
    assert seen(database)[1] > before[1] + 10**12


def test_every_reader_sees_the_same_revisions(database: Database) -> None:
    with database.reads() as session:
        known = revisions.read(session)
        users = {user_id: UserRevision(revision, None) for user_id, revision in seen(database).items()}
        assert revisions.read_with_user(session, 3) == (known, users[3])
        assert revisions.read_with_user(session, 99) == (known, None)
        assert revisions.read_with_users(session, [1, 5, 99]) == (known, {1: users[1], 5: users[5]})
        assert revisions.read_with_users(session, []) == (known, {})

    reader = RevisionReader(database.engine)
    immediate = database.engine.dialect.name == "sqlite"
    assert reader.read(3) == ((known, users[3]) if immediate else None)
    assert reader.read(99) == ((known, None) if immediate else None)


def revision_of(reader: RevisionReader, user_id: int) -> int:
    found = reader.read(user_id)
    assert found is not None
    assert found[1] is not None
    return found[1].revision


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_reader_sees_every_committed_write_at_once_and_holds_up_no_writer(database: Database) -> None:
    reader = RevisionReader(database.engine)
    for stars in (1, 2, 3):
        before = revision_of(reader, 1)
        with database.writes() as session:
            ratings.put(session, [RatingRecord(1, 1, stars, 0)])
            assert revision_of(reader, 1) == before
        assert revision_of(reader, 1) > before


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_reader_waits_neither_for_a_connection_nor_for_a_lock(database: Database) -> None:
    reader = RevisionReader(database.engine)
    with ExitStack() as all_connections:
        for _ in range(5 + 10):
            all_connections.enter_context(database.engine.connect())
        assert revision_of(reader, 1)
    database.engine.dispose()  # the reader's connection too: who wants the whole file must be alone
    with closing(sqlite3.connect(str(database.engine.url.database), isolation_level=None)) as alone:
        alone.execute("PRAGMA locking_mode = EXCLUSIVE")
        alone.execute("UPDATE users SET age = 1")
        started = time.perf_counter()
        assert reader.read(1) is None
        assert time.perf_counter() - started < 1

    assert revision_of(reader, 1)


user_ids, movie_ids = st.integers(1, 4), st.integers(1, 3)
writes = st.one_of(
    st.tuples(st.just("put"), st.lists(st.tuples(user_ids, movie_ids), min_size=1, max_size=4)),
    st.tuples(st.just("unrate"), user_ids, movie_ids),
    st.tuples(st.just("move"), user_ids, user_ids),
    st.tuples(st.just("profile"), user_ids),
    st.tuples(st.just("user"), user_ids),
    st.tuples(st.just("leave"), user_ids),
    st.tuples(st.just("movie"), movie_ids),
    st.tuples(st.just("drop"), movie_ids),
)


class Model:
    """What writes must do: the users and movies there are, who rated what, and whom the last write concerned."""

    def __init__(self) -> None:
        self.users: set[int] = set()
        self.movies: set[int] = set()
        self.rated: set[tuple[int, int]] = set()

    def statements(self, write: tuple) -> Iterator[str]:
        """The SQL of a write, none if it cannot be; changes the model and sets ``concerned``."""
        self.concerned: set[int] = set()
        match write:
            case "put", pairs if known := sorted(
                {(user, movie) for user, movie in pairs if user in self.users and movie in self.movies}
            ):
                self.rated |= set(known)
                self.concerned = {user for user, _ in known}
                rows = ", ".join(f"({user}, {movie}, 3, 0)" for user, movie in known)
                yield f"INSERT INTO ratings VALUES {rows} ON CONFLICT (user_id, movie_id) DO UPDATE SET stars = 4"
            case "unrate", user, movie:
                self.concerned = {user} if (user, movie) in self.rated else set()
                self.rated.discard((user, movie))
                yield f"DELETE FROM ratings WHERE user_id = {user} AND movie_id = {movie}"
            case "move", giver, taker if taker in self.users and not any(user == taker for user, _ in self.rated):
                moved = {(user, movie) for user, movie in self.rated if user == giver}
                self.rated = self.rated - moved | {(taker, movie) for _, movie in moved}
                self.concerned = {giver, taker} if moved else set()
                yield f"UPDATE ratings SET user_id = {taker} WHERE user_id = {giver}"
            case "profile", user:
                self.concerned = {user} & self.users
                yield f"UPDATE users SET age = 33 WHERE id = {user}"
            case "user", user if user not in self.users:
                self.users.add(user)
                self.concerned = {user}
                yield f"INSERT INTO users (id) VALUES ({user})"
            case "leave", user:
                self.users.discard(user)
                self.rated = {pair for pair in self.rated if pair[0] != user}
                yield f"DELETE FROM users WHERE id = {user}"
            case "movie", movie if movie not in self.movies:
                self.movies.add(movie)
                yield f"INSERT INTO movies (id, title) VALUES ({movie}, 'A')"
            case "drop", movie:
                self.movies.discard(movie)
                self.concerned = {user for user, rated in self.rated if rated == movie}
                self.rated = {pair for pair in self.rated if pair[1] != movie}
                yield f"DELETE FROM movies WHERE id = {movie}"


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], database=None)
@given(st.lists(writes, max_size=25))
def test_random_writes_count_for_exactly_whom_they_concern_and_no_revision_comes_twice(
    engine: Engine, sequence: list[tuple]
) -> None:
    database, model = Database(engine), Model()
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM users"))
        connection.execute(text("DELETE FROM movies"))
    model_start = [("user", 1), ("user", 2), ("movie", 1), ("movie", 2), ("put", [(1, 1), (2, 1), (2, 2)])]
    highest: dict[int, int] = {}
    before = seen(database)
    for write in model_start + sequence:
        with engine.begin() as connection:
            for statement in model.statements(write):
                connection.execute(text(statement))
        after = seen(database)
        assert set(after) == model.users
        assert {user for user in after if after[user] != before.get(user)} == model.concerned & model.users
        for user in model.concerned & model.users:
            assert after[user] > highest.get(user, 0)
            highest[user] = after[user]
        before = after


def test_writers_at_once_never_deadlock_and_every_write_counts(engine: Engine) -> None:
    users, rounds, writers = range(1, 41), 15, 8
    with engine.begin() as connection:
        for user_id in users:
            connection.execute(text(f"INSERT INTO users (id) VALUES ({user_id})"))
        for movie_id in range(1, 60):
            connection.execute(text(f"INSERT INTO movies (id, title) VALUES ({movie_id}, 'A')"))
    database, errors = Database(engine), list[Exception]()
    before = seen(database)

    def write(number: int) -> None:
        # Half of the writers go through the users backwards, and insert and replace in the same statement.
        order = list(users) if number % 2 else list(reversed(users))
        try:
            for turn in range(rounds):
                with database.writes() as session:
                    ratings.put(
                        session, [RatingRecord(id_, 1 + (id_ + turn) % 3, 3, 100 * turn + number) for id_ in order]
                    )
                with database.writes() as session:
                    ratings.remove(session, order[turn], 1 + turn % 3)
                with database.writes() as session:  # a movie that many rate at this moment
                    ratings.put(
                        session, [RatingRecord(id_, 4 + turn % 2, 3, 100 * turn + number) for id_ in order[::3]]
                    )
                if number == 0:
                    with database.writes() as session:
                        movies.remove(session, 10 + turn)
        except Exception as error:  # noqa: BLE001 - the test tells them
            errors.append(error)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(writers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert errors == []
    grown = {user_id: revision - before[user_id] for user_id, revision in seen(database).items()}
    assert min(grown.values()) >= rounds * writers


def test_raters_of_a_movie_and_its_deletion_never_deadlock(database: Database) -> None:
    errors = list[Exception]()

    def rate(order: list[int]) -> None:
        try:
            for turn in range(40):
                with database.writes() as session:
                    # The movie may be away for a moment; then nothing is written.
                    if movies.records(session, [1]):
                        session.execute(
                            text("UPDATE ratings SET stars = :stars WHERE movie_id = 1"), {"stars": 1 + turn % 5}
                        )
                with database.writes() as session:
                    ratings.put(session, [RatingRecord(user_id, 2, 4, turn) for user_id in order])
        except Exception as error:  # noqa: BLE001 - the test tells them
            errors.append(error)

    def delete() -> None:
        try:
            for _ in range(40):
                with database.writes() as session:
                    movies.remove(session, 1)
                with database.writes() as session:
                    movies.add(session, 1, {"title": "A"}, [])
                    ratings.put(session, [RatingRecord(user_id, 1, 4, 0) for user_id in USERS])
        except Exception as error:  # noqa: BLE001 - the test tells them
            errors.append(error)

    threads = [threading.Thread(target=rate, args=(order,)) for order in (list(USERS), list(reversed(USERS)))]
    threads.append(threading.Thread(target=delete))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert errors == []


def test_the_load_of_a_data_set_leaves_revisions_that_count(engine: Engine, sample: MovieLens) -> None:
    load(engine, sample)
    database = Database(engine)
    before = seen(database)
    assert min(before.values()) > 10**15  # microseconds since 1970

    with database.writes() as session:
        ratings.put(session, [RatingRecord(2, sample.movies["movie_id"][0], 3, 0)])
    assert counted(database, before) == {2}


def test_taking_the_migration_back_and_doing_it_again_keeps_the_rows_and_counts_on(database: Database) -> None:
    before = seen(database)
    with database.engine.begin() as connection:
        config = alembic_config()
        config.attributes["connection"] = connection
        command.downgrade(config, "0002")
        connection.execute(text("UPDATE ratings SET stars = 1"))  # no trigger is left behind
    upgrade(database.engine)

    after = seen(database)
    assert all(after[user_id] > revision for user_id, revision in before.items())
    with database.engine.begin() as connection:
        connection.execute(text("UPDATE ratings SET stars = 2 WHERE user_id = 1"))
        assert connection.scalar(text("SELECT count(*) FROM ratings")) == 4
    assert counted(database, after) == {1}
