"""Where the time of a request goes, by layer of the service.

A sampler looks at all threads of a service every millisecond or so, while one client asks. What processor time a thread
has had since the last look goes to the layer of its innermost frame that belongs to one, so the layers add up to what a
request costs. Native threads that do not belong to Python, such as torch's, count as the scorer's.

Run as ``python -m benchmarks.serving.layers`` with `Task` on standard input; a `Breakdown` goes to standard output.
"""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import NamedTuple, cast

import uvicorn

from benchmarks.serving import load
from benchmarks.serving.client import Client
from benchmarks.serving.load import Plan, Request

HTTP, VALIDATION, DATABASE = "HTTP and framework", "validation", "database"
USE_CASES, SCORER = "use cases and catalogue", "scorer"
SERIALISATION, LOGGING = "answers and serialisation", "logging and metrics"
LAYERS = (HTTP, VALIDATION, DATABASE, USE_CASES, SCORER, SERIALISATION, LOGGING)

RULES = (
    ("/logging/", "", LOGGING),
    ("/structlog/", "", LOGGING),
    ("/prometheus_client/", "", LOGGING),
    ("/opentelemetry/", "", LOGGING),
    ("/app/observability/", "", LOGGING),
    ("/app/edge/requests.py", "_record", LOGGING),
    ("/sqlalchemy/", "", DATABASE),
    ("/psycopg/", "", DATABASE),
    ("/app/storage/", "", DATABASE),
    ("/model/", "", SCORER),
    ("/app/services/", "", USE_CASES),
    ("/app/api/translation", "", SERIALISATION),
    ("/fastapi/encoders.py", "", SERIALISATION),
    ("/fastapi/routing.py", "serialize_response", SERIALISATION),
    ("/fastapi/_compat", "serialize", SERIALISATION),
    ("/starlette/responses.py", "render", SERIALISATION),
    ("/pydantic/main.py", "model_dump", SERIALISATION),
    ("/json/", "", SERIALISATION),
    ("/pydantic/", "", VALIDATION),
    ("/fastapi/_compat", "", VALIDATION),
    ("/fastapi/dependencies/utils.py", "", VALIDATION),
    ("/fastapi/", "", HTTP),
    ("/starlette/", "", HTTP),
    ("/uvicorn/", "", HTTP),
    ("/asyncio/", "", HTTP),
    ("/anyio/", "", HTTP),
    ("/app/", "", HTTP),
)
"""Part of a file's path, beginning of a function's name, and the layer; the first that fits counts."""

SAMPLE_SECONDS = 0.001

MOST_WAIT_SECONDS = 0.0001
"""For the interpreter's lock: a sampler that waited for longer would see only the places where threads give it up."""


class Task(NamedTuple):
    """What the service is asked while the sampler looks."""

    requests: Sequence[Request]
    repeated: bool
    seconds: float


class Breakdown(NamedTuple):
    """Processor time of a request.

    Attributes:
        milliseconds: by layer, a request.
        requests: how many were answered.
    """

    milliseconds: Mapping[str, float]
    requests: int


def run(environment: Mapping[str, str], task: Task, log: Path) -> Breakdown:
    """Ask a service in a process of its own, and look where its time goes."""
    command = [sys.executable, "-m", "benchmarks.serving.layers"]
    with log.open("ab") as output:
        done = subprocess.run(  # noqa: S603 - our own command
            command,
            input=json.dumps(task).encode(),
            env=os.environ | environment,
            stdout=subprocess.PIPE,
            stderr=output,
            check=False,
        )
    if done.returncode:
        raise RuntimeError(f"The service could not be looked at:\n{log.read_text()[-2000:]}")
    return Breakdown(*json.loads(done.stdout.splitlines()[-1]))


class _Sampler:
    """Gives the processor time of each thread to the layer that it is in."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = dict.fromkeys(LAYERS, 0.0)
        self._clocks: dict[int, int] = {}
        self._before: dict[int, float] = {}
        self.ignored = {threading.get_ident()}

    def look(self) -> None:
        for thread, frame in sys._current_frames().items():
            if thread not in self.ignored and (spent := self._spent(thread)) > 0:
                self.seconds[_layer(frame)] += spent

    def _spent(self, thread: int) -> float:
        """Processor time since the last look, in seconds; 0 at the first look at a thread."""
        if thread not in self._clocks:
            self._clocks[thread] = time.pthread_getcpuclockid(thread)
        try:
            now = time.clock_gettime(self._clocks[thread])
        except OSError:  # the thread has ended
            return 0
        before = self._before.get(thread, now)
        self._before[thread] = now
        return now - before


def _layer(frame: FrameType | None) -> str:
    while frame is not None:
        path, function = frame.f_code.co_filename, frame.f_code.co_name
        for part, beginning, layer in RULES:
            if part in path and function.startswith(beginning):
                return layer
        frame = frame.f_back
    return HTTP  # uvloop's loop has no frame


def _measure(task: Task) -> Breakdown:
    from app.observability import logs  # noqa: PLC0415 - the one who asks need not load all of this
    from app.server import from_settings  # noqa: PLC0415
    from app.settings import Settings  # noqa: PLC0415

    logs.configure()
    sys.setswitchinterval(MOST_WAIT_SECONDS)
    server = uvicorn.Server(uvicorn.Config(from_settings(Settings()), port=0, log_config=None))
    serving = threading.Thread(target=server.run, daemon=True)
    serving.start()
    while not server.started:
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    if task.repeated:  # what is repeated is to be warm
        with Client(port) as client:
            client.latency(Request(*request) for request in task.requests)
    answers, seconds = _sampled(Plan(port, task.requests, 1, task.repeated, seconds=task.seconds))
    server.should_exit = True
    serving.join()
    return Breakdown({layer: 1000 * seconds[layer] / answers for layer in LAYERS}, answers)


def _sampled(plan: Plan) -> tuple[int, Mapping[str, float]]:
    """Answers to the plan, and seconds of processor time by layer meanwhile."""
    outcome: list[load.Answers] = []
    loading = threading.Thread(target=lambda: outcome.append(load.run(plan)))
    sampler = _Sampler()
    sampler.look()
    before, own_before = time.process_time(), time.thread_time()
    loading.start()
    sampler.ignored.add(cast(int, loading.ident))
    while loading.is_alive():
        time.sleep(SAMPLE_SECONDS)
        sampler.look()
    of_python = sum(sampler.seconds.values())
    native = time.process_time() - before - (time.thread_time() - own_before) - of_python
    seconds = sampler.seconds | {SCORER: sampler.seconds[SCORER] + max(native, 0.0)}
    return outcome[0].answered, seconds


if __name__ == "__main__":
    sys.stdout.write(json.dumps(_measure(Task(*json.load(sys.stdin)))))
