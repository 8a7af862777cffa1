"""One client that waits for each answer."""

import http.client
import json
import time
from collections.abc import Iterable
from typing import Any, NamedTuple, Self

from benchmarks.serving.load import Request, percentile


class Latency(NamedTuple):
    """Of a number of requests, in milliseconds."""

    median: float
    least: float
    requests: int

    @classmethod
    def of(cls, milliseconds: list[float]) -> "Latency":
        return cls(percentile(milliseconds, 50), min(milliseconds), len(milliseconds))


class Client:
    """A connection that is kept open until the block of ``with`` ends."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def latency(self, requests: Iterable[Request]) -> Latency:
        return Latency.of([self.time(request) for request in requests])

    def time(self, request: Request) -> float:
        """Milliseconds from the request to the end of its answer."""
        started = time.perf_counter()
        self._send(request)
        return 1000 * (time.perf_counter() - started)

    def ask(self, request: Request) -> Any:  # noqa: ANN401 - JSON
        """The answer."""
        return json.loads(self._send(request))

    def _send(self, request: Request) -> bytes:
        headers = {"Content-Type": "application/json"} if request.body else {}
        self._connection.request(request.method, request.path, request.body or None, headers)
        response = self._connection.getresponse()
        body = response.read()
        if not 200 <= response.status < 300:
            raise RuntimeError(f"status {response.status} for {request}: {body[:300]!r}")
        return body
