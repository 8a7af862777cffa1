"""Callers that ask a service all the while something is done to it."""

import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count

import httpx

CALLERS = 4


class Callers:
    """Each reads, predicts and writes, over and over.

    Attributes:
        answers: how many there were of each status, and of each error its text.
        written: the stars that were answered with 200, by user and movie.
    """

    def __init__(self, address: str) -> None:
        self.answers: Counter[str] = Counter()
        self.written: dict[tuple[int, int], float] = {}
        self._address = address
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
        with httpx.Client(base_url=self._address, timeout=30) as client:
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
        self.answers["200" if answer.status_code == 200 else f"{answer.status_code} {answer.text}"] += 1
