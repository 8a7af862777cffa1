import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import Engine, inspect, text
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from app.errors import DatabaseError
from app.storage.database import (
    MOST_CONNECTIONS,
    Database,
    alembic_config,
    connect,
    current_revision,
    newest_revision,
    public_url,
    require_current,
    upgrade,
)


def test_an_upgraded_database_has_exactly_the_tables_of_the_code(engine: Engine) -> None:
    config = alembic_config()
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.check(config)  # raises if a migration is missing

    assert set(inspect(engine).get_table_names()) == {
        "alembic_version", "users", "movies", "genres", "movie_genres", "ratings", "datasets", "revisions",
        "events", "served_lists", "signing_keys", "movie_changes",
        "served_models", "retrainings", "comparisons",
    }  # fmt: skip


def test_every_migration_can_be_taken_back(engine: Engine) -> None:
    config = alembic_config()
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "base")

    assert inspect(engine).get_table_names() == ["alembic_version"]
    assert upgrade(engine)


def test_a_database_that_is_behind_is_refused_with_the_command_that_mends_it(database_url: str) -> None:
    engine = connect(database_url)
    with pytest.raises(DatabaseError, match=r"(is empty|There is no database).* Run: seqrec db upgrade"):
        require_current(engine)

    assert upgrade(engine)
    require_current(engine)
    assert not upgrade(engine)
    assert current_revision(engine) == newest_revision()
    engine.dispose()


@pytest.mark.parametrize(
    "statement",
    [
        pytest.param("INSERT INTO users (id, gender, age, occupation) VALUES (1, 'X', 25, 1)", id="gender"),
        pytest.param("INSERT INTO users (id, gender, age, occupation) VALUES (1, 'F', 0, 1)", id="age"),
        pytest.param("INSERT INTO users (id, gender, age, occupation) VALUES (1, 'F', 25, 21)", id="occupation"),
        pytest.param("INSERT INTO movies (id, title, year) VALUES (1, '', 1999)", id="title"),
        pytest.param("INSERT INTO ratings VALUES (7, 1, 5, 0)", id="rating of an unknown user"),
        pytest.param("INSERT INTO ratings VALUES (2, 7, 5, 0)", id="rating of an unknown movie"),
        pytest.param("INSERT INTO ratings VALUES (2, 2, 6, 0)", id="six stars"),
        pytest.param("INSERT INTO ratings VALUES (2, 2, 5, -1)", id="before 1970"),
        pytest.param("INSERT INTO movie_genres VALUES (2, 9)", id="unknown genre"),
    ],
)
def test_the_database_itself_refuses_what_cannot_be(engine: Engine, statement: str) -> None:
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO users (id, gender, age, occupation) VALUES (2, NULL, NULL, NULL)"))
        connection.execute(text("INSERT INTO movies (id, title, year) VALUES (2, 'A', NULL)"))

    with pytest.raises(IntegrityError), engine.begin() as connection:
        connection.execute(text(statement))


def test_deleting_a_user_deletes_the_ratings(loaded: Engine) -> None:
    with loaded.begin() as connection:
        before = connection.scalar(text("SELECT count(*) FROM ratings WHERE user_id = 1"))
        connection.execute(text("DELETE FROM users WHERE id = 1"))
        after = connection.scalar(text("SELECT count(*) FROM ratings WHERE user_id = 1"))

    assert before
    assert not after


def test_sqlite_reads_while_another_connection_writes(tmp_path: Path) -> None:
    engine = connect(f"sqlite:///{tmp_path}/new folder/seqrec.db")
    upgrade(engine)
    with engine.begin() as writer:
        writer.execute(text("INSERT INTO movies (id, title, year) VALUES (1, 'A', NULL)"))
        with engine.connect() as user:
            assert user.scalar(text("SELECT count(*) FROM movies")) == 0

    with engine.connect() as user:
        assert user.scalar(text("PRAGMA journal_mode")) == "wal"
        assert user.scalar(text("SELECT count(*) FROM movies")) == 1


def test_a_connection_to_a_file_that_another_process_creates_waits_for_it(tmp_path: Path) -> None:
    file = tmp_path / "seqrec.db"
    with closing(sqlite3.connect(file, isolation_level=None)) as other, ThreadPoolExecutor() as threads:
        other.execute("BEGIN IMMEDIATE")  # before the file has a write-ahead log, as at its creation
        with pytest.raises(DatabaseError, match="database is locked"):
            current_revision(connect(f"sqlite:///{file}", timeout=0.05))
        waiting = threads.submit(current_revision, connect(f"sqlite:///{file}"))
        time.sleep(0.2)
        assert not waiting.done()
        other.execute("COMMIT")

        assert waiting.result(timeout=10) is None


def test_a_job_waits_for_the_write_lock_of_sqlite_as_long_as_another_process_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.storage.database.SQLITE_WAIT_SECONDS", 0.05)
    url = f"sqlite:///{tmp_path}/seqrec.db"
    importing, job, service = Database(connect(url)), Database(connect(url)), Database(connect(url, timeout=0.05))
    upgrade(importing.engine)

    def end_round(database: Database) -> None:
        with database.writes() as session:
            session.execute(text("UPDATE revisions SET catalogue = 7"))

    with ThreadPoolExecutor(2) as threads, importing.writes() as session:
        session.execute(text("UPDATE revisions SET catalogue = 1"))
        with pytest.raises(OperationalError, match="database is locked"):
            end_round(service)
        rounds = [threads.submit(end_round, job) for _ in range(2)]
        time.sleep(0.5)
        assert not any(one.done() for one in rounds)
        session.commit()
    for one in rounds:
        one.result()

    with job.reads() as session:
        assert session.scalar(text("SELECT catalogue FROM revisions")) == 7
    for database in (importing, job, service):
        database.engine.dispose()


def test_nobody_waits_longer_for_a_connection_than_is_set(tmp_path: Path) -> None:
    engine = connect(f"sqlite:///{tmp_path}/seqrec.db", timeout=0.1)
    with ExitStack() as all_connections:
        for _ in range(MOST_CONNECTIONS):
            all_connections.enter_context(engine.connect())
        started = time.monotonic()
        with pytest.raises(PoolTimeoutError):
            engine.connect()
        assert time.monotonic() - started < 10  # of the 30 that are usual
    engine.dispose()

    in_memory = connect("sqlite://", timeout=0.1)
    with in_memory.connect() as connection:
        assert connection.scalar(text("SELECT 1")) == 1
    in_memory.dispose()


def test_a_server_without_a_locale_still_keeps_text(postgres_url: str) -> None:
    server = connect(postgres_url).execution_options(isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        connection.execute(text("DROP DATABASE IF EXISTS plain WITH (FORCE)"))
        connection.execute(
            text("CREATE DATABASE plain ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0")
        )
    engine = connect(server.url.set(drivername="postgresql", database="plain").render_as_string(hide_password=False))
    upgrade(engine)
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO movies (id, title, year) VALUES (1, 'Café Müller', NULL)"))
        assert connection.scalar(text("SELECT title FROM movies")) == "Café Müller"
    engine.dispose()
    server.dispose()


def test_a_database_of_a_newer_version_is_refused(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))

    with pytest.raises(DatabaseError, match="If a newer SeqRec created it"):
        upgrade(engine)


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.db").write_text("these are notes, not a database, and long enough to tell" * 100)

    with pytest.raises(DatabaseError, match="file is not a database"):
        upgrade(connect(f"sqlite:///{tmp_path}/notes.db"))


@pytest.mark.parametrize("url", ["mysql://localhost/x", "nonsense"])
def test_an_address_of_another_kind_is_refused_with_examples(url: str) -> None:
    with pytest.raises(DatabaseError, match=r"neither SQLite .* nor PostgreSQL"):
        connect(url)


def test_a_server_that_does_not_answer_is_an_error_without_the_password() -> None:
    engine = connect("postgresql://someone:secret@127.0.0.1:9/seqrec")
    with pytest.raises(DatabaseError, match="does not answer") as caught:
        upgrade(engine)

    assert "secret" not in str(caught.value)
    assert "secret" not in public_url(engine)


def test_a_password_among_the_parameters_of_an_address_is_not_printed_either() -> None:
    engine = connect("postgresql://h/d?user=u&password=secret&sslpassword=secret&sslmode=require")

    assert public_url(engine) == "postgresql+psycopg://h/d?sslmode=require&user=u"


def test_two_upgrades_at_once_take_turns(database_url: str) -> None:
    engines = [connect(database_url) for _ in range(4)]
    start = threading.Barrier(4)

    def upgraded(engine: Engine) -> bool:
        start.wait()
        return upgrade(engine)

    with ThreadPoolExecutor(4) as threads:
        done = list(threads.map(upgraded, engines))

    assert sorted(done) == [False, False, False, True]
    require_current(engines[0])
    for engine in engines:
        engine.dispose()


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:pass@word@host/db",
        "postgresql://me:password@host:port/db",
        "postgresql://me:password@[::1/db",
        "sqlite://x.db",
    ],
)
def test_an_address_that_cannot_be_read_is_refused_without_a_word_of_its_password(url: str) -> None:
    with pytest.raises(DatabaseError, match="SEQREC_DATABASE_URL") as caught:
        connect(url)

    assert "word@" not in str(caught.value).replace("user:password@host", "")
    assert caught.value.__cause__ is None


def test_sqlite_writes_through_to_the_disk_unless_told_otherwise(tmp_path: Path) -> None:
    levels = []
    for engine in (connect(f"sqlite:///{tmp_path}/a.db"), connect(f"sqlite:///{tmp_path}/a.db", synchronous="NORMAL")):
        with engine.connect() as connection:
            levels.append(connection.exec_driver_sql("PRAGMA synchronous").scalar())
        engine.dispose()

    assert levels == [2, 1]  # FULL, NORMAL
