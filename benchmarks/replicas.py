"""Requests a second of one and two replicas, each beside the bare route, through HAProxy and without it.

``python -m benchmarks.replicas --database-url postgresql://... --artifacts DIR`` writes ``docs/results/scale.md``. It
needs HAProxy and a PostgreSQL database that is filled; nothing is written to it.
"""

import json
import os
import platform
import re
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, NamedTuple

import typer

from benchmarks.serving import bare, load, servers
from benchmarks.serving.load import Answers, Plan, Request
from benchmarks.serving.servers import Server, free_port

CONFIGURATION = Path(__file__).parents[1] / "deploy" / "haproxy" / "haproxy.cfg"
USERS = 200
CONNECTIONS = 32

Start = Callable[[Path], AbstractContextManager[Server]]


class Row(NamedTuple):
    """A measured set-up."""

    what: str
    answers: Answers


def main(
    database_url: Annotated[str, typer.Option(help="A filled PostgreSQL database.")],
    artifacts: Annotated[Path, typer.Option(help="Folder of trained models.")],
    seconds: Annotated[float, typer.Option(help="Of each measurement.")] = 10.0,
    out: Annotated[Path, typer.Option(help="Markdown.")] = Path("docs/results/scale.md"),
) -> None:
    """Measure warm lists and write the table."""
    environment = {
        "SEQREC_DATABASE_URL": database_url,
        "SEQREC_ARTIFACTS": str(artifacts.resolve()),
        "SEQREC_DEVICE": "cpu",
        "SEQREC_API_KEYS": "",
        "OMP_NUM_THREADS": "1",
    }
    with TemporaryDirectory() as name:
        folder = Path(name)
        service = partial(servers.service, environment)
        answers = _answers(service, folder)
        route = partial(servers.bare_route, {bare.ANSWERS: str(answers)})
        rows = list(_measure(service, route, folder, seconds))
    out.write_text(_page(rows, seconds))


def _answers(service: Start, folder: Path) -> Path:
    """A file with the answer of the service, which the bare route gives."""
    with service(folder / "first.log") as server:
        address = f"http://127.0.0.1:{server.port}/users/1/recommendations"
        with urllib.request.urlopen(address) as answer:
            found = json.load(answer)
    path = folder / "answers.json"
    path.write_text(json.dumps({bare.LIST: found, bare.PREDICTION: {}}))
    return path


def _measure(service: Start, route: Start, folder: Path, seconds: float) -> Iterator[Row]:
    for name, start in (("bare route", route), ("service", service)):
        for count in (1, 2):
            with _several(start, count, folder) as ports:
                if count == 1:
                    yield Row(f"1 {name}, without HAProxy", _ask(ports[0], seconds))
                with _haproxy(ports, folder) as port:
                    yield Row(f"{count} {name}{'s' if count > 1 else ''} behind HAProxy", _ask(port, seconds))


@contextmanager
def _several(start: Start, count: int, folder: Path) -> Iterator[list[int]]:
    with ExitStack() as stack:
        yield [stack.enter_context(start(folder / f"{place}.log")).port for place in range(count)]


def _ask(port: int, seconds: float) -> Answers:
    requests = [Request("GET", f"/users/{user}/recommendations") for user in range(1, USERS + 1)]
    for _ in range(2):  # every replica has seen every user
        load.run(Plan(port, requests * 2, connections=4, repeated=False, seconds=120))
    return load.run(Plan(port, requests, connections=CONNECTIONS, seconds=seconds))


@contextmanager
def _haproxy(ports: Sequence[int], folder: Path) -> Iterator[int]:
    """The port of HAProxy as in ``deploy/``, in front of these."""
    program = shutil.which("haproxy", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        raise typer.BadParameter("HAProxy is not installed (apt-get install haproxy).")
    port, settings = free_port(), folder / "haproxy.cfg"
    lines = "\n".join(f"    server replica{one} 127.0.0.1:{one}" for one in ports)
    text = re.sub(r"^ +server-template .*$", lines, CONFIGURATION.read_text(), flags=re.MULTILINE)
    text = text.replace("uri /health/ready", "uri /users/1/recommendations")  # which the bare route has too
    settings.write_text(text.replace("bind :8000", f"bind 127.0.0.1:{port}"))
    with (folder / "haproxy.log").open("wb") as log:
        process = subprocess.Popen([program, "-f", str(settings)], stdout=log, stderr=log)  # noqa: S603 - found above
    time.sleep(2)  # until it has checked every replica
    try:
        yield port
    finally:
        process.terminate()
        process.wait(10)


def _page(rows: Sequence[Row], seconds: float) -> str:
    lines = [
        "# Replicas",
        "",
        f"Written by `python -m benchmarks.replicas`: warm lists of ten, {CONNECTIONS} connections, {seconds:g} "
        "seconds each, PostgreSQL.",
        f"Machine: {platform.machine()}, {os.cpu_count()} cores; load {os.getloadavg()[0]:.1f} when it ended. With a "
        "load beyond that of",
        "this measurement itself, some five, other work was going on, and rows say little.",
        "",
        "| | requests a second | p50, ms | p99, ms |",
        "| --- | ---: | ---: | ---: |",
    ]
    lines += [
        f"| {row.what} | {row.answers.rate:,.0f} | {row.answers.p50:.1f} | {row.answers.p99:.1f} |" for row in rows
    ]
    lines += [
        "",
        "Client, HAProxy, PostgreSQL and all replicas share these cores. So the table says what HAProxy costs, and",
        "that replicas answer together; it does not say what a second machine brings: where processes are more than",
        "cores, a second replica competes for those of the first. The bare routes, which share nothing at all, show",
        "how much of that is the machine. Measure with each replica on a machine of its own before you count machines.",
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    typer.run(main)
