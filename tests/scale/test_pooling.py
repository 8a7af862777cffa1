"""PostgreSQL through PgBouncer, which gives each transaction another session; and pools of other sizes."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from fastapi.testclient import TestClient
from poolers import pgbouncer
from sqlalchemy import Engine, text
from sqlalchemy.exc import OperationalError

from app.errors import DatabaseError
from app.main import create_app
from app.storage.database import Database, connect, most_connections, most_writers, require_current
from model.inference.scorer import Scorer
from seqrec.errors import DatabaseUnavailable


@pytest.fixture
def pooled(loaded: Engine, database_url: str) -> Iterator[Engine]:
    """A loaded database through PgBouncer, with the service's limits of time."""
    with pgbouncer(database_url) as address:
        engine = connect(address, timeout=1)
        yield engine
        engine.dispose()


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_statements_run_again_and_again_in_any_session(pooled: Engine) -> None:
    require_current(pooled)

    def ask(user_id: int) -> int | None:
        with pooled.connect() as connection:
            return connection.scalar(text("SELECT count(*) FROM ratings WHERE user_id = :id"), {"id": user_id})

    with ThreadPoolExecutor(8) as threads:  # far more often than psycopg waits until it prepares a statement
        counts = list(threads.map(ask, [1] * 200))
    assert len(set(counts)) == 1
    assert counts[0]


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_the_limits_of_time_are_those_of_each_transaction_and_no_others(pooled: Engine, database_url: str) -> None:
    with pooled.connect() as connection, pytest.raises(OperationalError, match="statement timeout"):
        connection.execute(text("SELECT pg_sleep(3)"))
    with Database(pooled).reads(long=True) as session:
        session.execute(text("SELECT pg_sleep(1.2)"))

    job = connect(pooled.url.update_query_dict({"pgbouncer": "true"}).render_as_string(hide_password=False))
    with job.connect() as connection:  # of the same sessions, which keep no limit
        assert connection.scalar(text("SHOW statement_timeout")) == "0"
    job.dispose()


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_the_service_reads_and_writes_through_a_pooler(pooled: Engine, scorer: Scorer) -> None:
    address = pooled.url.update_query_dict({"pgbouncer": "true"}).render_as_string(hide_password=False)
    patient = connect(address, timeout=30)
    with TestClient(create_app(patient, scorer)) as client:

        def write_and_read(user_id: int) -> None:
            for movie_id in range(1, 16):
                answer = client.put(f"/users/{user_id}/ratings/{movie_id}", json={"stars": 4})
                assert answer.status_code == 200, answer.text
                rated = {one["movie_id"] for one in client.get(f"/users/{user_id}/ratings").json()["ratings"]}
                assert movie_id in rated
                assert client.get(f"/users/{user_id}/recommendations").status_code == 200

        with ThreadPoolExecutor(6) as threads:
            list(threads.map(write_and_read, range(1, 7)))
        assert client.get("/health/ready").status_code == 200
    patient.dispose()


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_process_has_as_many_connections_as_its_address_says(loaded: Engine, database_url: str) -> None:
    separator = "&" if "?" in database_url else "?"
    engine = connect(f"{database_url}{separator}pool=3", timeout=0.3)
    assert most_connections(engine) == 3

    held = [engine.connect() for _ in range(3)]
    with pytest.raises(Exception, match="QueuePool limit"):
        engine.connect()
    for one in held:
        one.close()
    engine.dispose()


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_writers_leave_a_third_of_the_connections_to_readers(loaded: Engine, database_url: str) -> None:
    assert [most_writers(most) for most in (2, 3, 15, 30)] == [1, 2, 10, 20]
    separator = "&" if "?" in database_url else "?"
    database = Database(connect(f"{database_url}{separator}pool=3", timeout=0.3))
    held, over = threading.Barrier(3), threading.Event()

    def hold() -> None:
        with database.writes():
            held.wait(10)
            over.wait(10)

    with ThreadPoolExecutor(2) as threads:
        writers = [threads.submit(hold) for _ in range(2)]
        held.wait(10)
        with pytest.raises(DatabaseUnavailable), database.writes():
            pass
        with database.reads() as session:
            assert session.scalar(text("SELECT 1")) == 1
        over.set()
        for writer in writers:
            writer.result()
    database.engine.dispose()


@pytest.mark.parametrize(
    ("parameter", "complaint"),
    [
        pytest.param("pool=many", "whole number from 2 to 1000", id="no number"),
        pytest.param("pool=1", "whole number from 2 to 1000", id="too few"),
        pytest.param("pool=5000", "whole number from 2 to 1000", id="too many"),
        pytest.param("pgbouncer=yes", "true or false", id="neither true nor false"),
    ],
)
def test_a_wrong_parameter_is_named(parameter: str, complaint: str) -> None:
    with pytest.raises(DatabaseError, match=complaint):
        connect(f"postgresql://seqrec:secret@localhost/seqrec?{parameter}")
