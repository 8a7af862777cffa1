"""A service that is told to stop says so for a while before it stops listening."""

import os
import signal
import time
from pathlib import Path

import httpx
import pytest
from server import process
from sqlalchemy import Engine

DRAIN_TIME = 6.0


@pytest.mark.slow
@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_after_sigterm_it_is_not_ready_and_answers_everything_on_closing_connections(
    loaded: Engine, database_url: str, artifact_folder: Path, tmp_path: Path, count: int
) -> None:
    serving = process(count, database_url, artifact_folder.parent, tmp_path / "log", drain_time=DRAIN_TIME)
    with serving as (address, server), httpx.Client(base_url=address) as client:
        assert "connection" not in client.get("/movies/1").headers

        os.kill(server.pid, signal.SIGTERM)
        told = time.monotonic()
        while client.get("/health/ready").status_code == 200:
            assert time.monotonic() < told + DRAIN_TIME

        answer = client.get("/movies/1")
        assert (answer.status_code, answer.headers["connection"]) == (200, "close")
        server.wait(DRAIN_TIME + 10)
        assert time.monotonic() > told + DRAIN_TIME
        with pytest.raises(httpx.ConnectError):
            client.get("/movies/1")


@pytest.mark.slow
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_ctrl_c_waits_for_no_proxy(loaded: Engine, database_url: str, artifact_folder: Path, tmp_path: Path) -> None:
    with process(1, database_url, artifact_folder.parent, tmp_path / "log", drain_time=60) as (_, server):
        os.kill(server.pid, signal.SIGINT)
        server.wait(10)
