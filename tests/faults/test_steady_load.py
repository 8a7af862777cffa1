"""At 80 % of what the service can do, it goes on as it began: no error, as fast, in as much memory."""

import math
import os
import resource
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from typing import NamedTuple

import httpx
import numpy as np
import pytest
from reliability import Record
from server import process
from sqlalchemy import Engine

SECONDS = float(os.environ.get("SEQREC_SOAK_SECONDS", "60"))
"""On each database."""

CALLERS = 8
WARM_SECONDS, MEASURED_SECONDS = 5, 10
SHARE = 0.8
USERS = 120
BUSY_MACHINE = 500
"""Milliseconds that a p99 may differ by where other programs run too; a queue that grows costs seconds."""


class Answered(NamedTuple):
    """``seconds`` are from when the request was due to the end of its answer."""

    due: float
    seconds: float
    status: int


def ask(client: httpx.Client, number: int) -> int:
    """The status of the answer to one of the requests, which take turns: three read, one writes."""
    user, movie, stars = 1 + number % USERS, 1 + number // 3 % 80, 1 + number % 5
    if number % 4 == 0:
        return client.put(f"/users/{user}/ratings/{movie}", json={"stars": stars}).status_code
    if number % 4 == 1:
        return client.post("/predict", json={"user_id": user, "movie_ids": [movie]}).status_code
    return client.get(f"/users/{user}/recommendations").status_code


def send(address: str, seconds: float, rate: float = math.inf) -> list[Answered]:
    """Requests by several callers: so many a second, or each as soon as the one before is answered."""
    answers: list[Answered] = []
    numbers = count()
    start = time.monotonic()

    def call() -> None:
        with httpx.Client(base_url=address, timeout=30) as client:
            while (due := start + (number := next(numbers)) / rate) < start + seconds > time.monotonic():
                time.sleep(max(0.0, due - time.monotonic()))
                sent = time.monotonic() if math.isinf(rate) else due
                status = ask(client, number)
                answers.append(Answered(sent, time.monotonic() - sent, status))

    with ThreadPoolExecutor(CALLERS) as threads:
        for caller in [threads.submit(call) for _ in range(CALLERS)]:
            caller.result()
    return sorted(answers)


def memory(pid: int) -> int:
    """Bytes that a process holds."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * resource.getpagesize()


def p99(answers: list[Answered]) -> float:
    """Milliseconds."""
    return 1000 * float(np.quantile([answer.seconds for answer in answers], 0.99))


@pytest.mark.soak
@pytest.mark.load
@pytest.mark.timeout(2 * SECONDS + 300)
def test_a_load_that_the_service_can_carry_is_carried_on_and_on(
    loaded: Engine, database_url: str, artifact_folder: Path, tmp_path: Path, record: Record
) -> None:
    with process(1, database_url, artifact_folder.parent, tmp_path / "log") as (address, server):
        send(address, WARM_SECONDS)
        capacity = len(send(address, MEASURED_SECONDS)) / MEASURED_SECONDS
        before = memory(server.pid)
        answers = send(address, SECONDS, SHARE * capacity)
        after = memory(server.pid)

    third = len(answers) // 3
    first, last = p99(answers[:third]), p99(answers[-third:])
    failed = sum(answer.status != 200 for answer in answers)
    assert failed == 0
    assert len(answers) > 0.95 * SECONDS * SHARE * capacity
    assert last < 2 * first + BUSY_MACHINE
    assert after < 1.05 * before
    record(
        f"{SECONDS:.0f} seconds at {SHARE:.0%} of the capacity",
        table="load",
        database=loaded.dialect.name,
        requests=len(answers),
        requests_a_second=round(len(answers) / SECONDS),
        failed=failed,
        p99_at_first=f"{first:.0f} ms",
        p99_at_last=f"{last:.0f} ms",
        memory_grew_by=f"{after / before - 1:.1%}",
    )
