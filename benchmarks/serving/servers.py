"""Real servers in processes of their own, and what memory they take."""

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

SERVE = "from seqrec.command import main; main()"
MOST_SECONDS = 300
"""To wait for a server's first answer, or for the end of what it does after a start."""

IDLE_SECONDS = 1.0
"""In which a server that has nothing to do takes next to no processor time."""


class Server:
    """A running server.

    Attributes:
        seconds_to_ready: from its start to its first answer.
    """

    def __init__(self, port: int, process: "subprocess.Popen[bytes]", seconds_to_ready: float) -> None:
        self.port, self.process, self.seconds_to_ready = port, process, seconds_to_ready

    def memory(self) -> float:
        """Resident memory of its first process in MiB."""
        return _kilobytes(self.process.pid, "status", "VmRSS:") / 1024

    def settle(self) -> float:
        """Wait until it has done what it does after a start; seconds since its first answer."""
        began, before = time.perf_counter(), self._processor_seconds()
        while time.perf_counter() - began < MOST_SECONDS:
            time.sleep(IDLE_SECONDS)
            now = self._processor_seconds()
            if now - before < IDLE_SECONDS / 10:
                break
            before = now
        return time.perf_counter() - began

    def _processor_seconds(self) -> float:
        """Of all its processes, since their start."""
        return sum(map(_processor_seconds, _with_children(self.process.pid)))

    def shared_memory(self) -> float:
        """Memory of all its processes in MiB; a page that k of them share counts as 1/k in each."""
        return sum(_kilobytes(pid, "smaps_rollup", "Pss:") for pid in _with_children(self.process.pid)) / 1024


@contextmanager
def service(environment: Mapping[str, str], log: Path, workers: int = 1) -> Iterator[Server]:
    """``seqrec serve``, whose log goes to a file."""
    port = free_port()
    command = [sys.executable, "-c", SERVE, "serve", "--port", str(port), "--workers", str(workers)]
    with _running(command, environment, log, port, "/health/ready") as server:
        yield server


@contextmanager
def bare_route(environment: Mapping[str, str], log: Path) -> Iterator[Server]:
    """The app of `benchmarks.serving.bare`, without a log of requests."""
    port = free_port()
    app = ["benchmarks.serving.bare:create_app", "--factory"]
    command = [sys.executable, "-m", "uvicorn", *app, "--port", str(port), "--no-access-log", "--log-level", "warning"]
    with _running(command, environment, log, port, "/users/1/recommendations") as server:
        yield server


@contextmanager
def _running(
    command: Sequence[str], environment: Mapping[str, str], log: Path, port: int, ready: str
) -> Iterator[Server]:
    started = time.perf_counter()
    with log.open("ab") as output:
        process = subprocess.Popen(  # noqa: S603 - our own command
            command, env=os.environ | environment, stdout=output, stderr=output, start_new_session=True
        )
    try:
        while not _answers(port, ready):
            if process.poll() is not None or time.perf_counter() - started > MOST_SECONDS:
                raise RuntimeError(f"The server did not start:\n{log.read_text()[-2000:]}")
            time.sleep(0.01)
        yield Server(port, process, time.perf_counter() - started)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)


def _answers(port: int, path: str) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == http.HTTPStatus.OK
    except ConnectionError:
        return False
    finally:
        connection.close()


def free_port() -> int:
    """A port of this machine that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _processor_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _with_children(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(one for child in children for one in _with_children(int(child)))]


def _kilobytes(pid: int, file: str, field: str) -> int:
    """A field of one of Linux' files about a process."""
    for line in Path(f"/proc/{pid}/{file}").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1])
    raise LookupError(f"/proc/{pid}/{file} has no {field}")
