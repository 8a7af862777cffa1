"""What was answered as written is there, whatever happens to the process that answered."""

import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import httpx
import pytest
from reliability import Record
from server import process
from soak import part
from sqlalchemy import Engine

from app.storage.database import Database, connect
from app.storage.ratings import next_block

WRITERS = 6

Key = tuple[int, int]


@contextmanager
def writing(address: str, known: dict[Key, float]) -> Iterator[None]:
    """Clients that write ratings until the service is gone; ``known`` gets those that were answered as written."""

    def write(writer: int) -> None:
        with httpx.Client(timeout=10) as client:
            for number in count():
                key, stars = (1 + writer, 1 + number % 80), 1 + number // 80 % 5
                try:
                    answer = client.put(f"{address}/users/{key[0]}/ratings/{key[1]}", json={"stars": stars})
                except httpx.TransportError:
                    # It may be written or not; whatever comes after it is not asked for.
                    known.pop(key, None)
                    return
                if answer.status_code == 200:
                    known[key] = stars

    with ThreadPoolExecutor(WRITERS) as threads:
        futures = [threads.submit(write, writer) for writer in range(WRITERS)]
        yield
        for future in futures:
            future.result()


def stored(url: str) -> dict[Key, float]:
    engine = connect(url)
    with Database(engine).reads() as session:
        block = next_block(session, (0, 0), 1_000_000)
    engine.dispose()
    return {(rating.user_id, rating.movie_id): rating.stars for rating in block if rating.stars is not None}


def write_until_killed(database_url: str, artifacts: Path, log: Path, writes: int) -> dict[Key, float]:
    """What a service has answered as written until it was killed, after about so many writes."""
    known: dict[Key, float] = {}
    with process(1, database_url, artifacts, log) as (address, server), writing(address, known):
        deadline = time.monotonic() + 60
        while len(known) < writes:
            assert time.monotonic() < deadline
            time.sleep(0.001)
        os.killpg(server.pid, signal.SIGKILL)
        server.wait(30)
    return known


@pytest.mark.slow
def test_a_killed_server_has_lost_nothing_that_it_answered(
    loaded: Engine, database_url: str, artifact_folder: Path, tmp_path: Path
) -> None:
    for writes in (20, 45):
        known = write_until_killed(database_url, artifact_folder.parent, tmp_path / "log", writes)

        after = stored(database_url)
        assert len(known) >= writes - WRITERS  # each writer forgets the one that it has no answer to
        assert {key: after.get(key) for key in known} == known


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_no_write_is_lost_in_many_kills(
    loaded: Engine, database_url: str, artifact_folder: Path, tmp_path: Path, record: Record
) -> None:
    written, least, kills = 0, 0, part(20)
    for attempt in range(kills):
        writes = 20 + 30 * (attempt % 10)
        known = write_until_killed(database_url, artifact_folder.parent, tmp_path / "log", writes)

        after = stored(database_url)
        assert {key: after.get(key) for key in known} == known
        written += len(known)
        least += writes - WRITERS  # each writer forgets the one that it has no answer to
    assert written >= least
    record(
        "the server killed while six clients write",
        database=loaded.dialect.name,
        kills=kills,
        writes_acknowledged=written,
        found=written,
    )
