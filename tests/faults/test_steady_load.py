"""At 80 % of what the service can do, it goes on as it began; at 200 % it does what it can and refuses the rest."""

import asyncio
import json
import math
import os
import resource
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import numpy as np
import pytest
from reliability import Record
from server import process
from soak import part
from sqlalchemy import Engine, text

SECONDS = float(os.environ.get("SEQREC_SOAK_SECONDS", "60"))
"""On each database."""

CALLERS = 8
WARM_SECONDS, MEASURED_SECONDS = 5, 10
SHARE = 0.8
USERS = 120
FLOOD_SECONDS = part(60, least=6)
ADMITTED = 32
"""Requests that the flooded service takes on together: no more than it answers in half a second."""

LONGEST = 2.0
"""Seconds until an answer, whatever it is, and until all is as before."""

BUSY_MACHINE = 500
"""Milliseconds that a p99 may differ by where other programs run too; a queue that grows costs seconds."""


class Answered(NamedTuple):
    """``seconds`` are from when the request was due to the end of its answer."""

    due: float
    seconds: float
    status: int


def request(number: int) -> tuple[str, str, dict[str, Any] | None]:
    """Method, path and body of one of the requests, which take turns: three read, one writes."""
    user, movie, stars = 1 + number % USERS, 1 + number // 3 % 80, 1 + number % 5
    if number % 4 == 0:
        return "PUT", f"/users/{user}/ratings/{movie}", {"stars": stars}
    if number % 4 == 1:
        return "POST", "/predict", {"user_id": user, "movie_ids": [movie]}
    return "GET", f"/users/{user}/recommendations", None


def ask(client: httpx.Client, number: int) -> int:
    """The status of the answer to a request."""
    method, path, body = request(number)
    return client.request(method, path, json=body).status_code


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


async def ask_alone(address: str, number: int) -> Answered:
    """An answer on a connection of its own, by no client library: one process is to outdo the service."""
    method, path, body = request(number)
    content = b"" if body is None else json.dumps(body).encode()
    head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
    sent = time.monotonic()
    reader, writer = await asyncio.open_connection("127.0.0.1", int(address.rpartition(":")[2]))
    writer.write(f"{head}Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n".encode() + content)
    status = int((await reader.readline()).split()[1])
    await reader.read()
    writer.close()
    return Answered(sent, time.monotonic() - sent, status)


async def saturate(address: str, seconds: float) -> list[Answered]:
    """Half as many callers as the service takes on, each with a request as soon as the one before is answered."""
    numbers, answers = count(), []
    end = time.monotonic() + seconds

    async def go_on() -> None:
        while time.monotonic() < end:
            answers.append(await ask_alone(address, next(numbers)))

    await asyncio.gather(*(go_on() for _ in range(ADMITTED // 2)))
    return answers


async def flood(address: str, seconds: float, rate: float) -> tuple[list[Answered], float]:
    """So many requests a second, sent by a clock whether or not those before were answered.

    Also by how many seconds the clock was late at worst: on a busy machine, answers are read as late.
    """
    start, late = time.monotonic(), 0.0
    asked: list[asyncio.Task[Answered]] = []
    for number in range(int(seconds * rate)):
        due = start + number / rate
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        late = max(late, time.monotonic() - due)
        asked.append(asyncio.create_task(ask_alone(address, number)))
    return await asyncio.gather(*asked), late


def seconds_until_calm(address: str, usual: float) -> float:
    """Until ten requests in a row are answered, each in no more than so many seconds."""
    start, calm = time.monotonic(), 0
    with httpx.Client(base_url=address, timeout=30) as client:
        for number in count():
            sent = time.monotonic()
            answered = ask(client, number) == 200
            calm = calm + 1 if answered and time.monotonic() - sent <= usual else 0
            if calm == 10:
                break
    return time.monotonic() - start


def memory(pid: int) -> int:
    """Bytes that a process holds."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * resource.getpagesize()


def server_processes(engine: Engine) -> list[int]:
    """Those of the database, if it has a server."""
    if engine.dialect.name == "sqlite":
        return []
    with engine.connect() as connection:
        backend = connection.scalar(text("SELECT pg_backend_pid()"))
    server = Path(f"/proc/{backend}/stat").read_text().split()[3]
    return [int(server), *map(int, Path(f"/proc/{server}/task/{server}/children").read_text().split())]


@pytest.fixture
def move_to_other_cores(loaded: Engine) -> Iterator[Callable[[], None]]:
    """Keeps the database and what this process starts to one core; called, it moves this process to the others.

    So the callers take nothing from the service, however many they are, as if they were on another machine.
    """
    cores, servers = os.sched_getaffinity(0), server_processes(loaded)
    first = min(cores)
    for process_id in (0, *servers):
        os.sched_setaffinity(process_id, {first})
    yield lambda: os.sched_setaffinity(0, cores - {first} or cores)
    for process_id in (0, *servers):
        with suppress(ProcessLookupError):  # a connection's process, which has ended
            os.sched_setaffinity(process_id, cores)


def p99(answers: list[Answered]) -> float:
    """Milliseconds."""
    return 1000 * float(np.quantile([answer.seconds for answer in answers], 0.99))


@pytest.mark.soak
@pytest.mark.load
@pytest.mark.timeout(2 * SECONDS + 300)
def test_a_load_that_the_service_can_carry_is_carried_on_and_on(
    loaded: Engine,
    database_url: str,
    artifact_folder: Path,
    tmp_path: Path,
    record: Record,
    move_to_other_cores: Callable[[], None],
) -> None:
    with process(1, database_url, artifact_folder.parent, tmp_path / "log") as (address, server):
        move_to_other_cores()
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


@pytest.mark.soak
@pytest.mark.load
@pytest.mark.timeout(2 * FLOOD_SECONDS + 300)
def test_at_twice_what_the_service_can_do_it_does_as_much_as_ever_and_refuses_the_rest_in_time(
    loaded: Engine,
    database_url: str,
    artifact_folder: Path,
    tmp_path: Path,
    record: Record,
    monkeypatch: pytest.MonkeyPatch,
    move_to_other_cores: Callable[[], None],
) -> None:
    monkeypatch.setenv("SEQREC_MOST_REQUESTS", str(ADMITTED))
    with process(1, database_url, artifact_folder.parent, tmp_path / "log") as (address, server):
        move_to_other_cores()
        asyncio.run(saturate(address, WARM_SECONDS))
        usual = asyncio.run(saturate(address, MEASURED_SECONDS))
        capacity = len(usual) / MEASURED_SECONDS
        asyncio.run(flood(address, WARM_SECONDS, 2 * capacity))  # connections and threads are there from here on
        before = memory(server.pid)
        answers, late = asyncio.run(flood(address, FLOOD_SECONDS, 2 * capacity))
        calm_after = seconds_until_calm(address, max(answer.seconds for answer in usual))
        after = memory(server.pid)

    accepted = [answer for answer in answers if answer.status == 200]
    assert {answer.status for answer in answers} == {200, 503}
    assert max(answer.seconds for answer in answers) < LONGEST + 2 * late
    assert len(accepted) / FLOOD_SECONDS > 0.9 * capacity
    assert calm_after < LONGEST + 2 * late
    assert after < 1.05 * before
    record(
        f"{FLOOD_SECONDS} seconds at 200% of the capacity; the others were refused",
        table="load",
        database=loaded.dialect.name,
        requests=len(answers),
        requests_a_second=round(len(accepted) / FLOOD_SECONDS),
        failed=0,
        p99_at_first=f"{p99(usual):.0f} ms",
        p99_at_last=f"{p99(answers):.0f} ms",
        memory_grew_by=f"{after / before - 1:.1%}",
    )
