"""Real servers on free ports: in a thread of this process, or in processes of their own."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from starlette.types import ASGIApp

from app.edge.connections import LimitedConnection


def free_port() -> int:
    """A port of this machine that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(app: ASGIApp, **options: Any) -> Iterator[str]:
    """The address of the app while it is served; ``options`` are further ones of uvicorn."""
    options = {"log_config": None, "http": LimitedConnection, "ws": "none", **options}
    config = uvicorn.Config(app, host="127.0.0.1", port=0, **options)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 30
    while not server.started:
        assert time.monotonic() < deadline, "the server did not start"
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(30)


@contextmanager
def workers(*arguments: Any, **options: Any) -> Iterator[str]:
    """The address alone of a `process`."""
    with process(*arguments, **options) as (address, _):
        yield address


@contextmanager
def process(
    count: int,
    database_url: str,
    artifacts: Path,
    log: Path,
    command: str = "from app.cli import main; main()",
    folder: Path | None = None,
    python_path: Path | None = None,
    drain_time: float = 0,
    port: int | None = None,
) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """A service of several workers: its address, and the process. ``command`` starts it in ``folder``."""
    port = port or free_port()
    environment = os.environ | {
        "SEQREC_DATABASE_URL": database_url,
        "SEQREC_ARTIFACTS": str(artifacts),
        "SEQREC_DRAIN_TIME": str(drain_time),
    }
    if python_path is not None:
        environment["PYTHONPATH"] = os.pathsep.join([str(python_path), os.environ.get("PYTHONPATH", "")])
    serve = [sys.executable, "-c", command, "serve", "--port", str(port), "--workers", str(count)]
    with log.open("wb") as output:
        started = subprocess.Popen(
            serve, env=environment, cwd=folder, stderr=output, stdout=output, start_new_session=True
        )
    address = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 120
        while True:
            try:
                httpx.get(f"{address}/health/ready").raise_for_status()
                break
            except httpx.HTTPError:
                assert time.monotonic() < deadline, log.read_text()
                assert started.poll() is None, log.read_text()
                time.sleep(0.2)
        yield address, started
    finally:
        if started.poll() is None:
            os.killpg(started.pid, signal.SIGTERM)
            try:
                started.wait(30)
            except subprocess.TimeoutExpired:
                os.killpg(started.pid, signal.SIGKILL)
                raise
