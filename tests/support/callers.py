"""Callers that ask a service all the while something is done to it."""

import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count
from typing import Any

import httpx
from sqlalchemy import Engine

from app.storage.database import Database
from app.storage.ratings import next_block

CALLERS = 4


class Callers:
    """Each reads, predicts and writes, over and over.

    Attributes:
        answers: how many there were of each status, and of each error its text.
        written: the stars that were answered with 200, by user and movie.
    """

    def __init__(self, address: str, *, reconnect: bool = False) -> None:
        """``reconnect``: each request has a connection of its own."""
        self.answers: Counter[str] = Counter()
        self.written: dict[tuple[int, int], float] = {}
        self._address = address
        self._options: dict[str, Any] = {}
        if reconnect:
            self._options = {"limits": httpx.Limits(max_keepalive_connections=0), "headers": {"Connection": "close"}}
        self._over = threading.Event()

    @contextmanager
    def asking(self) -> Iterator[None]:
        with ThreadPoolExecutor(CALLERS) as threads:
            callers = [threads.submit(self._ask, caller) for caller in range(1, CALLERS + 1)]
            try:
                yield
            finally:
                self._over.set()
        for caller in callers:
            caller.result()

    def _ask(self, caller: int) -> None:
        with httpx.Client(base_url=self._address, timeout=30, **self._options) as client:
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
        self.answers[f"{answer.status_code}{reason}"] += 1

    def assert_nothing_was_lost(self, engine: Engine) -> None:
        """Every request was answered with 200, and every rating that was written is in the database."""
        assert set(self.answers) == {"200"}, self.answers
        with Database(engine).reads() as session:
            stored = {(one.user_id, one.movie_id): one.stars for one in next_block(session, (0, 0), 1_000_000)}
        assert self.written
        assert {key: stored[key] for key in self.written} == self.written
