"""What the record of a request costs: its id, its headers, its line in the log and its metrics.

Run as ``python -m benchmarks.serving.record 2> /dev/null``. The least of many short runs counts: whatever else the
machine does only makes a run longer.
"""

import asyncio
import sys
import time
from types import SimpleNamespace

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.edge.draining import Drain
from app.edge.requests import Requests
from app.observability import logs

RUNS, REQUESTS = 300, 100

ROUTE = SimpleNamespace(path="/users/{user_id}/recommendations")
SCOPE: Scope = {
    "type": "http",
    "method": "GET",
    "path": "/users/301/recommendations",
    "query_string": b"limit=10",
    "headers": [(b"host", b"127.0.0.1:8000"), (b"accept", b"*/*"), (b"user-agent", b"benchmark")],
}


async def bare(scope: Scope, _: Receive, send: Send) -> None:
    """An application that answers at once."""
    scope["route"] = ROUTE
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": b"{}"})


async def _receive() -> Message:
    return {"type": "http.request"}


async def _drop(_: Message) -> None:
    """Nobody reads the answer."""


async def microseconds(app: ASGIApp) -> float:
    """Of processor time a request, the least of all runs."""
    return min([await _run(app) for _ in range(RUNS)])


async def _run(app: ASGIApp) -> float:
    started = time.process_time()
    for _ in range(REQUESTS):
        await app(dict(SCOPE), _receive, _drop)
    return 1e6 * (time.process_time() - started) / REQUESTS


async def main() -> None:
    logs.configure()
    recorded, alone = (
        await microseconds(Requests(bare, version=lambda: "20261125T141221Z-seqrec", draining=Drain())),
        await microseconds(bare),
    )
    sys.stdout.write(f"{recorded - alone:.1f} microseconds a request\n")


if __name__ == "__main__":
    asyncio.run(main())
