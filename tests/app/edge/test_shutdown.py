"""A service that is told to stop answers what it has begun, and waits for nothing for ever."""

import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from server import workers
from sqlalchemy import Engine

SHUTDOWN_TIMEOUT = 8


@pytest.mark.slow
@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_what_is_begun_is_answered_and_an_unfinished_body_does_not_keep_the_service(
    loaded: Engine,
    database_url: str,
    artifact_folder: Path,
    tmp_path: Path,
    count: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SEQREC_SHUTDOWN_TIMEOUT", str(SHUTDOWN_TIMEOUT))
    begun: list[float] = []

    def slowly() -> Iterator[bytes]:
        for movie in range(1, 5):
            yield b'{"user_id": 1, "movie_id": %d, "stars": 4}\n' % movie
            begun.append(time.monotonic())
            time.sleep(0.4)

    with ThreadPoolExecutor(1) as thread, socket.socket() as unfinished:
        with workers(count, database_url, artifact_folder.parent, tmp_path / "log") as address:
            host, port = address.removeprefix("http://").split(":")
            unfinished.connect((host, int(port)))
            unfinished.sendall(b"POST /ratings HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{")
            headers = {"Content-Type": "application/jsonl"}
            imported = thread.submit(
                httpx.post, f"{address}/import/ratings", content=slowly(), headers=headers, timeout=30
            )
            while len(begun) < 2:  # the first piece may be sent before the server has taken the connection
                time.sleep(0.01)
            told = time.monotonic()  # to stop, at the end of this block

        assert time.monotonic() - told < SHUTDOWN_TIMEOUT + 15  # it would wait without end
        assert begun[-1] > told
        assert imported.result().json() == {"written": 4}
