"""The load: many connections, each of which sends its next request as soon as it has the answer to the last one.

It runs in a process of its own, ``python -m benchmarks.serving.load``, which reads a `Plan` from standard input and
writes the answer of `run` to standard output, both as JSON. It reads no further into an answer than it must, so that it
is faster than any server it is to load.
"""

import asyncio
import gc
import itertools
import json
import math
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple, cast

import httptools
import uvloop

PATIENCE_SECONDS = 60
"""How long a first answer may take, where it takes longer than the plan."""


class Request(NamedTuple):
    """What is asked; the body is JSON."""

    method: str
    path: str
    body: str = ""

    @property
    def encoded(self) -> bytes:
        """As it goes over the connection."""
        body = self.body.encode()
        kind = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n" if body else ""
        return f"{self.method} {self.path} HTTP/1.1\r\nHost: localhost\r\n{kind}\r\n".encode() + body


class Plan(NamedTuple):
    """What to ask, and until when.

    Attributes:
        repeated: begin again after the last request; otherwise end there.
        most: end after as many answers; None for no such end.
        seconds: end then, or at the first answer if that comes later.
    """

    port: int
    requests: Sequence[Request]
    connections: int = 32
    repeated: bool = True
    most: int | None = None
    seconds: float = 5.0


class Answers(NamedTuple):
    """What came of a plan; latencies in milliseconds."""

    answered: int
    seconds: float
    p50: float
    p99: float

    @property
    def rate(self) -> float:
        """Answers a second."""
        return self.answered / self.seconds


def run(plan: Plan) -> Answers:
    """Carry out a plan in a process of its own; `RuntimeError` if an answer was none of success."""
    command = [sys.executable, "-m", "benchmarks.serving.load"]
    done = subprocess.run(command, input=json.dumps(plan), capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise RuntimeError(f"The load ended early: {done.stderr[-1000:]}")
    return Answers(*json.loads(done.stdout))


class _Connection(asyncio.Protocol):
    """Sends one request after the other, and notes how long each took."""

    def __init__(self, requests: Iterator[bytes], latencies: list[float], end: "asyncio.Future[None]") -> None:
        self.requests, self.latencies, self.end = requests, latencies, end

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's own is none by class
        self._send()

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def on_message_complete(self) -> None:
        """Called by the parser."""
        status = self.parser.get_status_code()
        if not 200 <= status < 300:
            self._finish(RuntimeError(f"status {status} for {self.request!r}"))
            return
        self.latencies.append(time.perf_counter() - self.sent)
        self._send()

    def connection_lost(self, error: Exception | None) -> None:
        self._finish(error or RuntimeError("the server closed a connection"))

    def _send(self) -> None:
        request = next(self.requests, None)
        if request is None or self.end.done():
            self._finish(None)
            return
        self.request = request
        self.parser = httptools.HttpResponseParser(self)
        self.sent = time.perf_counter()
        self.transport.write(request)

    def _finish(self, error: Exception | None) -> None:
        if not self.end.done():
            self.end.set_exception(error) if error else self.end.set_result(None)


async def _carry_out(plan: Plan) -> Answers:
    loop = asyncio.get_running_loop()
    encoded = [Request(*request).encoded for request in plan.requests]
    requests = itertools.islice(itertools.cycle(encoded) if plan.repeated else encoded, plan.most)
    latencies: list[float] = []
    end: asyncio.Future[None] = loop.create_future()
    gc.freeze()
    started = time.perf_counter()
    for _ in range(plan.connections):
        await loop.create_connection(lambda: _Connection(requests, latencies, end), "127.0.0.1", plan.port)
    await asyncio.wait([end], timeout=plan.seconds)
    while not (end.done() or latencies) and time.perf_counter() - started < PATIENCE_SECONDS:
        await asyncio.wait([end], timeout=plan.seconds)
    seconds = time.perf_counter() - started
    if end.done():
        end.result()
    else:
        end.set_result(None)
    if not latencies:
        raise RuntimeError(f"no answer within {seconds:.0f} seconds")
    return Answers(len(latencies), seconds, 1000 * percentile(latencies, 50), 1000 * percentile(latencies, 99))


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that at least so many percent of the values do not exceed."""
    return sorted(values)[max(0, math.ceil(len(values) * percent / 100) - 1)]


if __name__ == "__main__":
    sys.stdout.write(json.dumps(uvloop.run(_carry_out(Plan(*json.load(sys.stdin))))))
