"""Two servers behind a proxy, restarted one after the other: who asks through the proxy notices nothing."""

import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path

import httpx
import pytest
from proxies import CHECKED_EVERY, Balancer, listening
from reliability import Record
from server import process
from soak import part
from sqlalchemy import Engine

from app.storage.database import Database
from app.storage.ratings import next_block

CALLERS = 4

DRAIN_TIME = 2 * CHECKED_EVERY
"""Seconds: on a busy machine too, the proxy has learned by then that a server is about to stop."""

Written = dict[tuple[int, int], float]


class Load:
    """Callers that read, write and predict, each on a new connection a request, and what they were answered."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.statuses: Counter[str] = Counter()
        self.written: Written = {}
        self._over = threading.Event()

    @contextmanager
    def running(self) -> Iterator[None]:
        with ThreadPoolExecutor(CALLERS) as threads:
            callers = [threads.submit(self._ask, caller) for caller in range(1, CALLERS + 1)]
            try:
                yield
            finally:
                self._over.set()
        for caller in callers:
            caller.result()

    def _ask(self, caller: int) -> None:
        alone = httpx.Limits(max_keepalive_connections=0)
        with httpx.Client(base_url=self.address, timeout=30, limits=alone, headers={"Connection": "close"}) as client:
            for number in count():
                if self._over.is_set():
                    return
                movie, stars = 1 + number % 80, 1 + number // 80 % 5
                self._note(client.get(f"/users/{1 + number % 100}/recommendations"))
                self._note(client.post("/predict", json={"user_id": 1 + number % 100, "movie_ids": [movie]}))
                answer = client.put(f"/users/{caller}/ratings/{movie}", json={"stars": stars})
                self._note(answer)
                if answer.status_code == 200:
                    self.written[caller, movie] = stars

    def _note(self, answer: httpx.Response) -> None:
        reason = "" if answer.status_code == 200 else f" {answer.reason_phrase}: {answer.text}"
        self.statuses[f"{answer.status_code}{reason}"] += 1


def restart_in_turn(database_url: str, artifacts: Path, folder: Path, rounds: int) -> Load:
    """What callers were answered while each of two servers was restarted so many times."""
    first, second = ExitStack(), ExitStack()

    def start(stack: ExitStack, name: str) -> str:
        return stack.enter_context(process(1, database_url, artifacts, folder / name, drain_time=DRAIN_TIME))[0]

    with first, second:
        balancer = Balancer([start(first, "first.log"), start(second, "second.log")])
        with listening(balancer.serve) as port:
            load = Load(f"http://127.0.0.1:{port}")
            with load.running():
                for number in range(rounds):
                    for place, stack in enumerate((first, second)):
                        stack.close()  # tells it to stop, and waits until it has
                        balancer.servers[place] = start(stack, f"{place}-{number}.log")
    return load


def assert_nobody_noticed(load: Load, engine: Engine) -> None:
    assert set(load.statuses) == {"200"}, load.statuses
    with Database(engine).reads() as session:
        stored = {(one.user_id, one.movie_id): one.stars for one in next_block(session, (0, 0), 1_000_000)}
    assert load.written
    assert {key: stored[key] for key in load.written} == load.written


@pytest.mark.slow
@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_no_request_fails_while_two_servers_are_restarted_in_turn(
    loaded: Engine, database_url: str, artifact_folder: Path, tmp_path: Path
) -> None:
    assert_nobody_noticed(restart_in_turn(database_url, artifact_folder.parent, tmp_path, rounds=1), loaded)


@pytest.mark.soak
@pytest.mark.timeout(600)
@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_no_request_fails_in_many_restarts(
    loaded: Engine, database_url: str, artifact_folder: Path, tmp_path: Path, record: Record
) -> None:
    load = restart_in_turn(database_url, artifact_folder.parent, tmp_path, rounds=(rounds := part(5)))

    assert_nobody_noticed(load, loaded)
    record(
        "two servers behind a proxy, restarted in turn under load",
        database="postgresql",
        requests=load.statuses.total(),
        restarts=2 * rounds,
        failed=0,
    )
