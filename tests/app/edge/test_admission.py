"""Every request ends in time, and the service says how it is, whatever the database and other requests do."""

import json
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack, contextmanager
from functools import partial
from http.client import HTTPResponse
from itertools import islice
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from server import running
from sqlalchemy import Engine, text
from waiting import comes_true

from app.deadline import Deadline
from app.edge import refusals
from app.edge.keys import Keys
from app.edge.limits import Limits
from app.edge.refusals import Refusals
from app.main import create_app
from app.services import movies
from app.services.feedback import online
from app.services.feedback.attribution import AttributedList, attribute_in_parts
from app.storage.database import Database, connect
from model.inference.scorer import Scorer
from seqrec.errors import TimedOut

DATABASE_TIMEOUT, REQUEST_TIMEOUT = 1.0, 1.5

SPARE = 8.0
"""Seconds that a busy machine may add."""

THREADS = 40
"""Of the server, for routes that wait."""


@pytest.fixture
def impatient(loaded: Engine) -> Iterator[Engine]:
    """An engine on the same database that waits for little."""
    engine = connect(loaded.url.render_as_string(hide_password=False), DATABASE_TIMEOUT)
    yield engine
    engine.dispose()


@pytest.fixture
def patient(loaded: Engine) -> Iterator[Engine]:
    """An engine on the same database that waits for long."""
    engine = connect(loaded.url.render_as_string(hide_password=False), 30.0)
    yield engine
    engine.dispose()


ask = partial(httpx.request, timeout=60, verify=False)
"""Without the certificates of all authorities, which take the processor for longer than many an answer."""


def timed(method: str, url: str, **options: object) -> tuple[httpx.Response, float]:
    started = time.perf_counter()
    answer = ask(method, url, **options)  # type: ignore[arg-type]
    return answer, time.perf_counter() - started


def assert_says_how_it_is(address: str, ready: bool) -> None:
    for path, status in {"/health/live": 200, "/health/ready": 200 if ready else 503, "/metrics": 200}.items():
        answer, seconds = timed("GET", f"{address}{path}")
        assert answer.status_code == status, path
        assert seconds < 1 + SPARE, path


@contextmanager
def frozen(engine: Engine) -> Iterator[None]:
    """The database's server and all its processes stopped, as if the machine were gone."""
    with engine.connect() as connection:
        postmaster = int(connection.scalar(text("SELECT pg_read_file('postmaster.pid')")).split()[0])
    children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()
    processes = [postmaster, *map(int, children)]
    for process in processes:
        os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        for process in processes:
            os.kill(process, signal.SIGCONT)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_frozen_database_holds_up_no_request_and_all_is_well_when_it_goes_on(
    impatient: Engine, scorer: Scorer
) -> None:
    app = create_app(impatient, scorer, limits=Limits(seconds=REQUEST_TIMEOUT))
    with running(app) as address:
        assert httpx.get(f"{address}/users/1/recommendations").status_code == 200
        with frozen(impatient), ThreadPoolExecutor(60) as threads:
            asked = [
                threads.submit(timed, method, f"{address}{path}", json=body)
                for method, path, body in [
                    ("GET", "/users/1/recommendations", None),
                    ("GET", "/users/1/ratings", None),
                    ("PUT", "/users/1/ratings/3", {"stars": 4}),
                    ("POST", "/predict", {"user_id": 2, "movie_ids": [1]}),
                ]
                * 12
            ]
            time.sleep(0.3)
            assert_says_how_it_is(address, ready=False)
            answers = [future.result() for future in asked]
        for answer, seconds in answers:
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
            assert seconds < REQUEST_TIMEOUT + SPARE
        deadline = time.monotonic() + 10
        while httpx.get(f"{address}/health/ready").status_code != 200:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert httpx.put(f"{address}/users/1/ratings/3", json={"stars": 4}).status_code == 200


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_locked_table_is_waited_for_as_long_as_the_setting_says(impatient: Engine, scorer: Scorer) -> None:
    with running(create_app(impatient, scorer)) as address:
        with Database(impatient).writes() as session:
            session.execute(text("LOCK TABLE ratings"))

            answer, seconds = timed("GET", f"{address}/users/1/ratings")

        assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable")
        assert DATABASE_TIMEOUT <= seconds < DATABASE_TIMEOUT + SPARE


def test_what_a_request_was_to_write_is_not_written_once_it_was_given_up(
    loaded: Engine, patient: Engine, scorer: Scorer
) -> None:
    def users() -> int:
        with loaded.connect() as connection:
            return int(connection.scalar(text("SELECT count(*) FROM users")) or 0)

    before = users()
    with running(create_app(patient, scorer, limits=Limits(seconds=0.5))) as address:
        with Database(loaded).writes() as session:
            has_many_writers = loaded.dialect.name == "postgresql"
            session.execute(text("LOCK TABLE users" if has_many_writers else "UPDATE users SET age = age"))
            answer = ask("POST", f"{address}/users", json={})
            assert (answer.status_code, answer.json()["code"]) == (503, "timed_out")
            assert "given up" in answer.json()["detail"]
        assert ask("POST", f"{address}/users", json={}).status_code == 201  # after what was waiting

    assert users() == before + 1


def test_slow_callers_of_bulk_routes_leave_room_for_others(loaded: Engine, scorer: Scorer) -> None:
    with running(create_app(loaded, scorer, limits=Limits(requests=8))) as address, ExitStack() as stack:
        host, port = address.removeprefix("http://").split(":")
        for _ in range(4):  # half of 8: they begin an upload, and do not go on
            connection = stack.enter_context(socket.create_connection((host, int(port))))
            connection.sendall(
                b"POST /import/ratings HTTP/1.1\r\nHost: localhost\r\n"
                b"Content-Type: application/x-ndjson\r\nContent-Length: 100\r\n\r\n"
            )

        assert comes_true(lambda: ask("GET", f"{address}/export/ratings").status_code == 503)
        assert ask("GET", f"{address}/users/1/recommendations").status_code == 200


def test_a_request_is_not_given_up_while_its_transaction_is_committed() -> None:
    of_request = Deadline()
    of_request.begin_commit()

    assert not of_request.give_up()
    of_request.end_commit()
    with pytest.raises(TimedOut):
        of_request.begin_commit()


def test_more_requests_than_a_worker_takes_on_are_refused_at_once(loaded: Engine, scorer: Scorer) -> None:
    with (
        running(create_app(loaded, scorer, limits=Limits(requests=5))) as address,
        ThreadPoolExecutor(12) as threads,
    ):
        with Database(loaded).writes() as session:
            session.execute(text("UPDATE users SET age = age"))
            asked = [
                threads.submit(timed, "PUT", f"{address}/users/1/ratings/{movie}", json={"stars": 4})
                for movie in range(1, 13)
            ]
            refused = list(islice(as_completed(asked, timeout=10), 7))  # while the other five still wait
            assert_says_how_it_is(address, ready=True)
        answers = [future.result()[0] for future in asked if future not in refused]

    for future in refused:
        answer, _ = future.result()
        assert (answer.status_code, answer.json()["code"]) == (503, "overloaded")
        assert answer.headers["retry-after"] == "1"
    assert all(answer.status_code == 200 for answer in answers)


def wait_for_many_refusals(app: FastAPI) -> None:
    of_app = next(one.kwargs["refusals"] for one in app.user_middleware if "refusals" in one.kwargs)
    assert isinstance(of_app, Refusals)
    deadline = time.monotonic() + 10
    while not of_app.are_many:
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_where_many_refusals_wait_the_next_requests_are_turned_away_unread_but_for_probes(
    loaded: Engine, scorer: Scorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refusals, "REFUSALS_A_SECOND", 0.1)  # the first one waits as long as any
    monkeypatch.setattr(refusals, "LONGEST_PAUSE", 4.0)
    monkeypatch.setattr(refusals, "MOST_READ", 2)
    app = create_app(loaded, scorer, limits=Limits(requests=0))
    with running(app) as address, ThreadPoolExecutor(2) as threads:
        waiting = [threads.submit(timed, "GET", f"{address}/movies/1") for _ in range(2)]
        wait_for_many_refusals(app)
        with socket.create_connection(
            ("127.0.0.1", int(address.rpartition(":")[2]))
        ) as caller:  # one that sends no more than half of a request
            caller.sendall(b"GET /movies/1 HTTP/1.1\r\nHost: localhost\r\n")
            head, _, body = caller.makefile("rb").read().partition(b"\r\n\r\n")
        assert_says_how_it_is(address, ready=True)
        read = [future.result()[0] for future in waiting]
        after = httpx.get(f"{address}/movies/1")

    assert head.startswith(b"HTTP/1.1 503 ")
    assert b"\r\nretry-after: 1" in head
    error, usual = json.loads(body), read[0].json()
    assert (error["code"], set(error)) == ("overloaded", set(usual))
    assert (after.status_code, after.json()["instance"]) == (503, "/movies/1")  # it was read again


BLOCKED = 0.02
"""Seconds of the event loop, for each request of a test."""


def app_that_blocks(loaded: Engine, scorer: Scorer, limits: Limits) -> FastAPI:
    """Whose route `/blocks` is answered on the event loop, as warm lists are, but takes longer."""
    app = create_app(loaded, scorer, limits=limits)

    @app.get("/blocks")
    async def blocks(seconds: float = BLOCKED) -> None:
        time.sleep(seconds)

    return app


@contextmanager
def connected(address: str) -> Iterator[Callable[[], socket.socket]]:
    """Opens a connection at each call; all are closed at the end."""
    place = ("127.0.0.1", int(address.rpartition(":")[2]))
    with ExitStack() as opened:
        yield lambda: opened.enter_context(socket.create_connection(place, timeout=30))


def ask_on(connections: list[socket.socket], path: str) -> None:
    for connection in connections:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())


def read_answer(connection: socket.socket) -> tuple[HTTPResponse, float]:
    """A whole answer, and when it was there."""
    answer = HTTPResponse(connection)
    answer.begin()
    answer.read()
    return answer, time.monotonic()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux says how long bytes have waited")
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_where_requests_are_answered_slower_than_they_come_those_that_waited_long_are_turned_away(
    loaded: Engine, scorer: Scorer
) -> None:
    with running(app_that_blocks(loaded, scorer, Limits())) as address, connected(address) as connect_anew:
        for number, blocked, are_refused in ((20, 0.001, False), (100, 0.1, True)):  # 0.02 and 10 seconds of work
            sent, connections = time.monotonic(), []
            for _ in range(number):  # they queue in the system, before the worker
                connections.append(connect_anew())
                ask_on(connections[-1:], f"/blocks?seconds={blocked}")
            with ThreadPoolExecutor(number) as threads:
                answers = list(threads.map(read_answer, connections))
            statuses = [answer.status for answer, _ in answers]
            assert set(statuses) == ({200, 503} if are_refused else {200})
            assert max(read for _, read in answers) - sent < 6
        assert_says_how_it_is(address, ready=True)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux says how long bytes have waited")
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_caller_who_is_answered_at_once_on_an_open_connection_lets_no_queue_grow_before_the_worker(
    loaded: Engine, scorer: Scorer
) -> None:
    with (
        running(app_that_blocks(loaded, scorer, Limits())) as address,
        connected(address) as connect_anew,
        ThreadPoolExecutor(101) as threads,
    ):
        is_open, is_over = threading.Event(), threading.Event()

        def ask_again_and_again() -> None:
            with httpx.Client(base_url=address) as client:
                while not is_over.is_set():
                    assert client.get("/health/live").status_code == 200
                    is_open.set()

        busy = threads.submit(ask_again_and_again)
        assert is_open.wait(30)
        connections = []
        for _ in range(100):
            connections.append(connect_anew())
            ask_on(connections[-1:], "/blocks")
        answers = list(threads.map(read_answer, connections))
        is_over.set()
        busy.result()

    assert {answer.status for answer, _ in answers} == {200, 503}


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_halt_of_the_worker_refuses_no_one(loaded: Engine, scorer: Scorer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refusals, "PATIENCE", 5.0)  # for a machine that takes its time with ten of them
    with running(app_that_blocks(loaded, scorer, Limits())) as address, connected(address) as connect_anew:
        connections = [connect_anew() for _ in range(10)]
        ask_on(connections[:1], "/blocks?seconds=1")
        time.sleep(0.1)
        ask_on(connections[1:], "/blocks?seconds=0.001")
        answers = [read_answer(connection)[0] for connection in connections]

    assert {answer.status for answer in answers} == {200}


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_requests_that_are_read_and_not_begun_count_among_those_a_worker_has(
    loaded: Engine, scorer: Scorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refusals, "LONGEST_UNREAD", 60.0)  # none is refused since it came late
    with running(app_that_blocks(loaded, scorer, Limits(requests=5))) as address, connected(address) as connect_anew:
        connections = [connect_anew() for _ in range(20)]
        ask_on(connections[:1], "/health/live")
        for connection in connections[1:]:
            ask_on([connection], "/health/live")
            read_answer(connection)
        read_answer(connections[0])
        ask_on(connections[:1], "/blocks?seconds=3")
        time.sleep(0.1)
        ask_on(connections[1:], "/blocks")
        answers = [read_answer(connection)[0] for connection in connections]

    statuses = [answer.status for answer in answers]
    assert statuses[0] == 200
    assert 4 <= statuses[1:].count(200) <= 6
    assert statuses.count(503) == 20 - statuses.count(200)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_where_many_refusals_wait_whoever_comes_when_there_is_room_is_served(
    loaded: Engine, scorer: Scorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refusals, "REFUSALS_A_SECOND", 0.1)
    monkeypatch.setattr(refusals, "LONGEST_PAUSE", 4.0)
    monkeypatch.setattr(refusals, "MOST_READ", 1)
    app = create_app(loaded, scorer, limits=Limits(requests=1))
    held, released = threading.Event(), threading.Event()

    @app.get("/holds")
    def holds() -> None:
        held.set()
        released.wait(30)

    with running(app) as address, ThreadPoolExecutor(2) as threads:
        holding = threads.submit(timed, "GET", f"{address}/holds")
        assert held.wait(30)
        refused = threads.submit(timed, "GET", f"{address}/movies/1")
        wait_for_many_refusals(app)
        released.set()
        assert holding.result()[0].status_code == 200
        answer, _ = timed("GET", f"{address}/movies/1")
        assert not refused.done()

    assert answer.status_code == 200
    assert refused.result()[0].status_code == 503


def test_a_request_that_takes_too_long_is_given_up_and_its_late_answer_dropped(loaded: Engine, scorer: Scorer) -> None:
    app = create_app(loaded, scorer, limits=Limits(seconds=0.3))
    answered, late = threading.Event(), threading.Event()

    @app.get("/slow")
    def slow() -> str:
        answered.wait(60)
        late.set()
        return "late"

    with running(app) as address, httpx.Client(timeout=30) as client:
        answer = client.get(f"{address}/slow")
        assert (answer.status_code, answer.json()["code"]) == (503, "timed_out")
        answered.set()
        assert late.wait(30)
        time.sleep(0.1)
        assert client.get(f"{address}/health/live").json() == {"status": "ok"}  # on the same connection


def test_a_title_may_take_as_long_as_the_title_model_takes_to_load(
    loaded: Engine, scorer: Scorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(movies, "_encode_title", lambda _: time.sleep(1))
    with TestClient(create_app(loaded, scorer, limits=Limits(seconds=0.2))) as client:
        added = client.post("/movies", json={"title": "New (2026)"})
        changed = client.patch(f"/movies/{added.json()['movie_id']}", json={"title": "Newer (2026)"})

    assert (added.status_code, changed.status_code) == (201, 200)


def test_an_error_is_answered_at_once_though_all_threads_wait(
    loaded: Engine, scorer: Scorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refusals, "LONGEST_UNREAD", 60.0)  # none is refused since it came late
    app = create_app(loaded, scorer, keys=Keys(api=("key",)))
    begun, answered = threading.Barrier(THREADS + 1), threading.Event()

    @app.get("/slow")
    def slow() -> None:
        begun.wait(60)
        answered.wait(60)

    with running(app) as address, ThreadPoolExecutor(THREADS) as threads:
        for _ in range(THREADS):
            threads.submit(ask, "GET", f"{address}/slow")
        begun.wait(60)
        answer, _ = timed("GET", f"{address}/users/1")
        answered.set()

    assert (answer.status_code, answer.json()["code"]) == (401, "key_required")


def test_those_who_wait_for_a_measurement_leave_threads_to_others(
    loaded: Engine, scorer: Scorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    answered = threading.Event()

    def slowly(*read: Any) -> Iterator[list[AttributedList]]:
        answered.wait(60)
        return attribute_in_parts(*read)

    monkeypatch.setattr(online, "attribute_in_parts", slowly)
    monkeypatch.setattr(refusals, "LONGEST_UNREAD", 60.0)  # none is refused since it came late
    with running(create_app(loaded, scorer)) as address, ThreadPoolExecutor(THREADS) as threads:
        measuring = [threads.submit(ask, "GET", f"{address}/model/online") for _ in range(THREADS)]
        time.sleep(0.3)
        answer, _ = timed("GET", f"{address}/users/1/ratings")
        answered.set()
        statuses = {future.result().status_code for future in measuring}

    assert (answer.status_code, statuses) == (200, {200})


def test_waiting_writers_leave_threads_to_readers(loaded: Engine, scorer: Scorer) -> None:
    database = Database(loaded)
    with running(create_app(loaded, scorer)) as address, ThreadPoolExecutor(60) as threads:
        with database.writes() as session:
            session.execute(text("UPDATE users SET age = age"))
            writing = [
                threads.submit(timed, "PUT", f"{address}/users/1/ratings/{movie}", json={"stars": 4})
                for movie in range(1, 61)
            ]
            time.sleep(0.3)
            answer, seconds = timed("GET", f"{address}/users/2/ratings")
            assert answer.status_code == 200
            assert seconds < 5  # they wait for ten and more
        answers = [future.result() for future in writing]

    assert {answer.status_code for answer, _ in answers} == {200, 503}
