"""Connections that are cut, slow or frozen: every request ends in time, and nothing that was answered is lost."""

import asyncio
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from random import Random
from typing import NamedTuple

import httpx
import pytest
from proxies import Proxy, listening
from reliability import Record
from server import running
from soak import part
from sqlalchemy import Engine

from app.edge.limits import Limits
from app.main import create_app
from app.storage.database import Database, connect
from app.storage.ratings import next_block
from model.inference.scorer import Scorer
from seqrec import Client
from seqrec.errors import SeqRecError, Unreachable

DATABASE_TIMEOUT, REQUEST_TIMEOUT = 1.5, 2.5
SLACK = 8.0
"""Seconds, for a busy machine."""

postgres = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


class Setting(NamedTuple):
    """A service whose connections to its database go through a proxy."""

    address: str
    proxy: Proxy
    engine: Engine

    def ask(self, method: str, path: str, **options: object) -> httpx.Response:
        """The answer, which has to come in time and may be no fault."""
        started = time.monotonic()
        answer = httpx.request(method, f"{self.address}{path}", timeout=30, **options)  # type: ignore[arg-type]
        assert time.monotonic() - started < REQUEST_TIMEOUT + SLACK
        assert answer.status_code in (200, 503), answer.text
        assert answer.status_code == 200 or answer.headers["retry-after"]
        return answer

    def rate(self, movie: int, stars: int) -> bool:
        return self.ask("PUT", f"/users/1/ratings/{movie}", json={"stars": stars}).status_code == 200

    def recovers(self) -> None:
        """Without a restart, within moments."""
        deadline = time.monotonic() + 20
        while self.ask("GET", "/health/ready").status_code != 200:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        with ThreadPoolExecutor(20) as threads:  # more than the pool has connections
            statuses = {0}
            while statuses != {200}:  # connections that broke unnoticed are replaced one after the other
                assert time.monotonic() < deadline, statuses
                answers = threads.map(lambda user: self.ask("GET", f"/users/{user}/ratings"), range(1, 21))
                statuses = {answer.status_code for answer in answers}
        assert self.rate(80, 5)


@pytest.fixture
def setting(loaded: Engine, scorer: Scorer) -> Iterator[Setting]:
    path = f"{loaded.url.query['host']}/.s.PGSQL.5432"
    proxy = Proxy(partial(asyncio.open_unix_connection, path))
    with listening(proxy.serve) as port:
        through = loaded.url.set(drivername="postgresql", host="127.0.0.1", port=port, query={})
        engine = connect(through.render_as_string(hide_password=False), DATABASE_TIMEOUT)
        with running(create_app(engine, scorer, limits=Limits(seconds=REQUEST_TIMEOUT))) as address:
            yield Setting(address, proxy, engine)
        proxy.broken, proxy.frozen = True, False
        engine.dispose()


def stored(engine: Engine) -> dict[int, float | None]:
    """The stars of user 1 by movie."""
    with Database(engine).reads() as session:
        return {rating.movie_id: rating.stars for rating in next_block(session, (0, 0), 100_000) if rating.user_id == 1}


@postgres
def test_a_database_that_vanishes_without_a_word_is_noticed_within_a_minute(setting: Setting) -> None:
    with setting.engine.connect() as connection:
        driver = connection.connection.driver_connection
        assert driver is not None
        with socket.fromfd(driver.fileno(), socket.AF_INET, socket.SOCK_STREAM) as held:
            idle, interval, count = (
                held.getsockopt(socket.IPPROTO_TCP, option)
                for option in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
            )

    assert idle + interval * count <= 60


@postgres
@pytest.mark.parametrize("size", [0, 1, 10, 100])
def test_a_database_connection_that_is_cut_in_an_answer_is_replaced(setting: Setting, size: int) -> None:
    for path in ("/users/1/ratings", "/users/1/recommendations", "/movies?q=a", "/users/1"):
        setting.ask("GET", path)
        setting.proxy.cut_answer_after(size)
        setting.ask("GET", path)
    setting.proxy.cut_answer_after(size)
    setting.rate(1, 3)

    assert setting.proxy.cuts >= 3
    setting.recovers()


@postgres
@pytest.mark.parametrize("passed_on", [False, True])
def test_a_commit_that_is_cut_is_never_answered_as_written_unless_it_is(
    setting: Setting, loaded: Engine, passed_on: bool
) -> None:
    written = {}
    for movie in range(1, 41):
        is_cut, stars = movie % 4 == 0, 1 + movie % 5
        if is_cut:
            setting.proxy.cut_at(b"COMMIT", passed_on=passed_on)
        if setting.rate(movie, stars) or (not is_cut and setting.rate(movie, stars)):  # a busy machine may be late once
            written[movie] = stars

    assert setting.proxy.cuts == 10
    assert len(written) == 30
    after = stored(loaded)
    assert {movie: after[movie] for movie in written} == written
    setting.recovers()


@pytest.mark.soak
@pytest.mark.timeout(600)
@postgres
def test_many_cuts_lose_no_write(setting: Setting, loaded: Engine, record: Record) -> None:
    chance = Random(7)
    written: dict[int, int] = {}
    refused, cuts = 0, part(100)
    for number in range(cuts):
        if number % 2:
            setting.proxy.cut_at(b"COMMIT", passed_on=chance.random() < 0.5)
        else:
            setting.proxy.cut_answer_after(chance.randrange(100))
        for movie in chance.sample(range(1, 81), 5):
            stars = chance.randint(1, 5)
            written.pop(movie, None)
            if setting.rate(movie, stars):
                written[movie] = stars
            else:
                refused += 1
        after = stored(loaded)
        assert {movie: after.get(movie) for movie in written} == written

    assert setting.proxy.cuts == cuts
    setting.recovers()
    record(
        "the connection to the database cut, in answers and in commits",
        database="postgresql",
        requests=5 * cuts,
        faults=cuts,
        writes_acknowledged=5 * cuts - refused,
        found=5 * cuts - refused,
    )


@postgres
def test_a_slow_database_is_waited_for_as_long_as_a_request_may_take(setting: Setting) -> None:
    setting.recovers()
    setting.proxy.delay = 0.05
    assert setting.ask("GET", "/users/1/ratings").status_code == 200
    setting.proxy.delay = 2.0
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda movie: setting.rate(movie, 4), range(1, 9)))
    assert not any(answers)

    setting.proxy.delay = 0.0
    setting.recovers()


@postgres
@pytest.mark.parametrize("end", ["thaw", "cut"])
def test_a_frozen_connection_holds_up_no_request_and_the_pool_recovers(setting: Setting, end: str) -> None:
    setting.recovers()
    setting.proxy.frozen = True
    with ThreadPoolExecutor(30) as threads:
        answers = list(threads.map(lambda movie: setting.rate(movie, 4), range(1, 31)))
    assert not any(answers)
    assert setting.ask("GET", "/health/live").status_code == 200
    assert setting.ask("GET", "/health/ready").status_code == 503

    setting.proxy.broken = end == "cut"
    setting.proxy.frozen = False
    time.sleep(0.5)
    setting.proxy.broken = False
    setting.recovers()


@pytest.fixture
def between(loaded: Engine, scorer: Scorer) -> Iterator[tuple[Proxy, str]]:
    """A proxy in front of a service, and its address."""
    with running(create_app(loaded, scorer)) as address:
        host, port = address.removeprefix("http://").split(":")
        proxy = Proxy(partial(asyncio.open_connection, host, int(port)))
        with listening(proxy.serve) as through:
            yield proxy, f"http://127.0.0.1:{through}"


@sqlite
@pytest.mark.parametrize("size", [0, 1, 50, 200])
def test_the_client_asks_again_where_an_answer_is_cut(between: tuple[Proxy, str], size: int, loaded: Engine) -> None:
    proxy, address = between
    with Client(address) as client:
        for movie in range(1, 11):
            proxy.cut_answer_after(size)
            assert len(client.recommend(1, n=5).recommendations) == 5
            proxy.cut_answer_after(size)
            client.rate(1, movie, 1 + movie % 5, rated_at=1_000_000_000 + movie)

    assert proxy.cuts == 20
    after = stored(loaded)
    assert [after[movie] for movie in range(1, 11)] == [1 + movie % 5 for movie in range(1, 11)]


@sqlite
def test_the_client_does_not_send_twice_what_would_count_twice(between: tuple[Proxy, str]) -> None:
    proxy, address = between
    with Client(address) as client:
        first = client.create_user().user_id
        proxy.cut_answer_after(10)
        with pytest.raises(Unreachable, match="cannot be reached"):
            client.create_user()
        proxy.cut_answer_after(10)
        with pytest.raises(Unreachable, match="cannot be reached"):
            client.rate(1, 1, 5)  # a second time, it would be the newest again
        assert client.create_user().user_id == first + 2  # the one without an answer was added once


@sqlite
def test_the_client_waits_as_long_as_its_timeout_and_no_longer(between: tuple[Proxy, str]) -> None:
    proxy, address = between
    with Client(address, timeout=1.0, retries=1) as client:
        proxy.delay = 0.2
        assert client.user(1).user_id == 1
        proxy.frozen = True
        started = time.monotonic()
        with pytest.raises(SeqRecError, match="timed out"):
            client.user(1)
        assert time.monotonic() - started < 2 * 1.0 + SLACK
        proxy.frozen, proxy.delay = False, 0.0
        assert client.user(1).user_id == 1
