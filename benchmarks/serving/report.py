"""Writes what was measured: ``speed.json`` for programs, ``speed.md`` and its chart for people."""

import json
import os
import platform
import sqlite3
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.serving import figure
from benchmarks.serving.client import Latency
from benchmarks.serving.goals import GOALS, Unit
from benchmarks.serving.ground import Ground
from benchmarks.serving.layers import LAYERS
from benchmarks.serving.measure import Effort, Measured
from model.card import Card
from model.files import atomic_write
from model.inference.artifact import load_card

PACKAGES = (
    "seqrec",
    "torch",
    "numpy",
    "fastapi",
    "starlette",
    "uvicorn",
    "uvloop",
    "httptools",
    "pydantic",
    "sqlalchemy",
)

TEXT = """\
# Speed

Written by `make bench`; every figure comes from one run. A *quick* run measures for seconds where a *full* one measures
for minutes, so its figures move more.

- Run: {mode}, load of the machine {load} when it began.
- Machine: {processor}, {cores} cores, {memory} GiB; {system}.
- Data: {data}, {users} users, {movies} movies, {ratings} ratings, on SQLite {sqlite}.
- Model: {model}, one worker, on the CPU. `OMP_NUM_THREADS` of the server: {threads}.
- Versions: {versions}.

The *bare route* is what FastAPI reaches if nothing is computed: an asynchronous route that answers the same JSON from a
dict, without logs, metrics and keys; for `POST` it parses the body, without validating it. Service and bare route take
turns, each in a process of its own. *Warm* users have asked before, and the service has finished what it does after a
start; each *cold* one is new to a process that has just started.

## All rows

{goals}

Latencies of one client are medians. Mixed requests: {mixed} answered before memory was measured. Different users:
{different} anonymous ones.

![Each row beside its target](speed.png)

## At 32 connections

{compared}
{wrk}
## One client, and the scorer

{latencies}

Rows that begin with `scorer` are timed in the process, without HTTP and database, on one thread.

## Beside other ways

A list of ten in the process, on one thread, milliseconds. The libraries' models are smaller and of another kind;
what is compared is what a list costs. `implicit` solves for the user anew, so that a new rating counts. The network
once per candidate is the published way: for each movie a full forward pass over user and movie; it is the time of some
passes times the number of candidates.

{others}

## Where the time goes

Processor time of a request in milliseconds, by layer, sampled while one client asks.

{layers}
"""


def write(out: Path, measured: Measured, ground: Ground, effort: Effort, mode: str, load_before: float) -> None:
    """Write all three files into a folder."""
    card = load_card(ground.artifact)
    machine = _machine() | {"load": load_before}
    document = {
        "mode": mode,
        "effort": effort._asdict(),
        "machine": machine,
        "data": card.data.model_dump(mode="json"),
        "model": ground.artifact.name,
        "goals": [goal._asdict() for goal in GOALS],
        "values": measured.values,
        "compared": {key: [one._asdict() for one in both] for key, both in measured.compared.items()},
        "latencies": {key: latency._asdict() for key, latency in measured.latencies.items()},
        "lists_by_others": measured.lists_by_others,
        "breakdowns": {key: breakdown._asdict() for key, breakdown in measured.breakdowns.items()},
        "counts": measured.counts,
    }
    out.mkdir(parents=True, exist_ok=True)
    with atomic_write(out / "speed.json") as temporary:
        temporary.write_text(json.dumps(document, indent=2) + "\n")
    figure.draw(out / "speed.png", measured)
    with atomic_write(out / "speed.md") as temporary:
        temporary.write_text(_page(measured, card, machine, ground, mode))


def _machine() -> dict[str, Any]:
    """Hardware and versions."""
    processors = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "processor": processors[0].partition(":")[2].strip() if processors else platform.machine(),
        "cores": os.cpu_count(),
        "memory": round(pages / 2**30),
        "system": f"{platform.system()} {platform.release()}, Python {platform.python_version()}",
        "sqlite": sqlite3.sqlite_version,
        "threads": os.environ.get("OMP_NUM_THREADS", "not set"),
        "versions": {name: version(name) for name in PACKAGES},
    }


def _page(measured: Measured, card: Card, machine: Mapping[str, Any], ground: Ground, mode: str) -> str:
    data, counts = card.data, measured.counts
    words = {**machine, "versions": ", ".join(f"{name} {number}" for name, number in machine["versions"].items())}
    words["load"] = f"{machine['load']:.1f}"
    return TEXT.format(
        **words,
        mode=mode,
        data=data.name,
        users=f"{data.users:,}",
        movies=f"{data.movies:,}",
        ratings=f"{data.ratings:,}",
        model=ground.artifact.name,
        goals=_goals(measured),
        mixed=f"{counts['mixed']:,}",
        different=f"{counts['different_users']:,}",
        compared=_compared(measured),
        wrk=_wrk(counts),
        latencies=_latencies(measured.latencies),
        others=_others(measured),
        layers=_layers(measured),
    )


def _goals(measured: Measured) -> str:
    rows = [
        [
            goal.title,
            _shown(measured.values[goal.key], goal.unit),
            _shown(goal.target, goal.unit),
            _shown(goal.mark, goal.unit),
            goal.reached(measured.values[goal.key]),
        ]
        for goal in GOALS
    ]
    return _table(["one worker", "measured", "target", "mark", ""], rows)


def _compared(measured: Measured) -> str:
    rows = [
        [f"`{key}`", who, f"{answers.rate:,.0f}", f"{answers.p50:,.1f}", f"{answers.p99:,.1f}"]
        for key, both in measured.compared.items()
        for who, answers in zip(("service", "bare route"), both, strict=True)
    ]
    return _table(["load", "", "requests a second", "p50, ms", "p99, ms"], rows)


def _wrk(counts: Mapping[str, float]) -> str:
    if "wrk_rate" not in counts:
        return ""
    return (
        f"\nThe load is not what limits the bare route: it reached {counts['own_rate']:,.0f} requests a second there, "
        f"`wrk` {counts['wrk_rate']:,.0f}.\n"
    )


def _latencies(latencies: Mapping[str, Latency]) -> str:
    rows = [
        [f"`{key}`", f"{latency.median:,.1f}", f"{latency.least:,.1f}", str(latency.requests)]
        for key, latency in latencies.items()
    ]
    return _table(["", "median, ms", "least, ms", "requests"], rows)


def _others(measured: Measured) -> str:
    own = measured.values["scorer.cold_list"]
    rows = [["the scorer, cold, 200 ratings", f"{own:,.2f}", "1.000"]]
    for name, milliseconds in measured.lists_by_others.items():
        shown = (
            ["not installed", ""] if milliseconds is None else [f"{milliseconds:,.2f}", f"{milliseconds / own:,.3f}"]
        )
        rows.append([name, *shown])
    return _table(["", "ms", "times the scorer"], rows)


def _layers(measured: Measured) -> str:
    kinds = list(measured.breakdowns)
    spent = [breakdown.milliseconds for breakdown in measured.breakdowns.values()]
    rows = [[layer, *(f"{one[layer]:.2f}" for one in spent)] for layer in LAYERS]
    return _table(["layer", *kinds], [*rows, ["all", *(f"{sum(one.values()):.2f}" for one in spent)]])


def _shown(value: float | None, unit: Unit) -> str:
    if value is None:
        return ""
    if unit == "share":
        return f"{100 * value:.1f} %" if value < 0.1 else f"{100 * value:.0f} %"
    return f"{value:,.1f}" if unit == "times" else f"{value:,.1f} {unit}"


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
