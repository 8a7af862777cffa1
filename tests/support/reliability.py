"""The figures of ``docs/reliability.md``: tests of ``make soak`` record them, and this script writes the document.

python tests/support/reliability.py
"""

import json
import os
import platform
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

ROOT = Path(__file__).parents[2]
RECORD = ROOT / ".soak" / "record.jsonl"
DOCUMENT = ROOT / "docs" / "reliability.md"

COLUMNS = {
    "faults": (
        "database",
        "requests",
        "kills",
        "restarts",
        "faults",
        "bad inputs",
        "failed",
        "writes acknowledged",
        "found",
        "date",
    ),
    "load": (
        "database",
        "requests",
        "requests a second",
        "failed",
        "p99 at first",
        "p99 at last",
        "memory grew by",
        "date",
    ),
}
"""By table."""

TEXT = """\
# Reliability

What the service has been through, and what came out. `make soak` makes this page, here on {machine}.
Every change is tested against the same faults in small, by `make test`:

| fault | what holds | tests |
|---|---|---|
| the server is killed | what was answered as written is there | `tests/app/storage/test_durability.py` |
| the disk is full, at any write | one clear error, nothing half-written, all goes on when there is room | \
`tests/faults/test_full_disk.py` |
| the database is frozen, locked or gone | every request ends in time, health is told within a second | \
`tests/app/edge/test_admission.py` |
| connections are cut, slow or frozen | no fault, no lost write, the pool recovers by itself | \
`tests/faults/test_broken_connections.py` |
| servers are restarted in turn | no request fails behind a proxy | `tests/faults/test_rolling_restart.py` |
| two commands work on the same files | the second waits, or names the first | `tests/faults/test_two_processes.py` |
| a model is damaged | the older one is served, loudly | `tests/app/services/test_model_host.py` |
| too many, half-sent or oversized requests | refused in time, the others are served | `tests/app/edge/` |

## Faults

{faults}

## Load

Reads and writes, three to one, at 80 % of what the service could do just before, sent by a clock whether or not the
ones before were answered. Service and database share one core, and the clients have another, so these figures say
whether the service stays as it is, not how fast it can be; [how fast it is](results/speed.md) says that.

The p99 at first is that of the first third of the requests, and the p99 at last that of the last third, from when each
was due. At 80 %, what a pause of the machine has held up takes four times as long as the pause to be worked off. So a
p99 of seconds tells of pauses, by other work beside the run, and is no latency that callers are used to; one that grew
from the first third to the last would tell of the service.

At 200 %, by a clock too, every request should be answered within 2 seconds, nine in ten as many as ever by what was
asked and the others by 503; a run that does not reach this has no row. The requests a second are those of the former,
and the p99 is that before and that of all.

{load}
"""


class Record(Protocol):
    """Adds a row to a table of the document; figures are named as its columns, with ``_`` for spaces."""

    def __call__(self, what: str, *, table: str = "faults", **figures: int | str) -> None:
        """``what`` was done to the service."""


def record(what: str, *, table: str = "faults", **figures: int | str) -> None:
    """See `Record`; `ValueError` for a figure that has no column."""
    named = {name.replace("_", " "): value for name, value in figures.items()}
    if unknown := named.keys() - set(COLUMNS[table]):
        raise ValueError(f"no column: {', '.join(sorted(unknown))}")
    RECORD.parent.mkdir(exist_ok=True)
    with RECORD.open("a") as file:
        file.write(json.dumps({"table": table, "what": what, **named, "date": f"{datetime.now(UTC):%Y-%m-%d}"}) + "\n")


def document(rows: Sequence[dict[str, int | str]], machine: str) -> str:
    by_table: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        cells = [row["what"], *(row.get(column, "") for column in COLUMNS[str(row["table"])])]
        shown = (f"{cell:,}" if isinstance(cell, int) else cell for cell in cells)
        by_table[str(row["table"])].append(f"| {' | '.join(map(str, shown))} |")
    tables = {
        table: "\n".join([f"| what | {' | '.join(columns)} |", f"|{'---|' * (len(columns) + 1)}", *by_table[table]])
        for table, columns in COLUMNS.items()
    }
    return TEXT.format(machine=machine, **tables)


def machine() -> str:
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") >> 30
    return (
        f"{len(os.sched_getaffinity(0))} cores with {memory} GiB of memory\n"
        f"({platform.system()}, {platform.machine()}, Python {platform.python_version()})"
    )


if __name__ == "__main__":
    DOCUMENT.write_text(document([json.loads(line) for line in RECORD.read_text().splitlines()], machine()))
