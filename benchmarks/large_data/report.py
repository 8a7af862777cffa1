"""Table and chart of what training takes by the size of the data, and the reckoning of a whole training."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import matplotlib as mpl

from benchmarks.large_data.measure import Row, Stage
from model.network.config import RankingTrainingConfig
from model.training.presets import PRESETS, Preset, first_look

TRAINED_SHARE = 0.8
"""Of the users, while some are held out; the second training has all."""

HOUR = 3600

INTRODUCTION = """# Larger data

What training takes on generated data with the shapes of the published sets. Processor time of one thread; each stage in
a process of its own, with the most memory that it held. `python -m benchmarks.large_data` makes the data, measures, and
writes this page:

```text
python -m benchmarks.large_data generate ml-10m DIR
python -m benchmarks.large_data measure ml-10m DIR ROWS
python -m benchmarks.large_data report ROWS --out docs/results
```

Where a stage would take hours, a share of it is measured, and the rest is reckoned in proportion: one sweep of the
factorization, 20 steps of each training (100 where there are 87,000 movies), 256 users whose stars and lists are
scored, 512 titles. Numbers of users, movies and ratings, lengths of histories and the popularity of movies are like
those of the published sets; how good a model is cannot be seen on made-up ratings, and is not measured here.
"""

ASSUMPTIONS = """
What the reckoning assumes:

- one thread; with two or more, stars and lists are learned side by side, which takes a third less;
- all epochs of the preset: for `seqrec` {stars} of stars and {lists} of lists with users held out, then the best number
  of epochs of stars, taken as {stars}, and {refit} of lists on all users, who are a quarter more;
- a prior for all users and one for each fold, in both trainings; sweeps, steps and users cost the same all along;
- stars of the validation users after each epoch, and stars and lists of all held-out users at the end, lists once more
  for the baseline;
- reading, titles and histories once; writing of artifacts and checkpoints is left out, and so is the choice of the
  movies that newcomers are asked about first, which takes less than a minute whatever the size;
- a row of several processes is what each of them computes and holds, the one that takes most; waiting for the others is
  left out.
"""


READING = """*Read* includes checking every line and ordering the histories; several processes read the shards.
*Shard* divides the whole file of text among 16. *Similarities* are those of the movies by who rated them, for the
baseline that the lists of each training are compared with."""


def _assumptions() -> str:
    """Those of the presets of today."""
    whole = PRESETS["seqrec"]
    lists = whole.ranking_training or RankingTrainingConfig()
    return ASSUMPTIONS.format(stars=whole.training.epochs, lists=lists.epochs, refit=lists.refit_epochs)


class Part(NamedTuple):
    """A part of a whole training.

    Attributes:
        times: how often the measured stage is gone through, in whole stages.
    """

    stage: str
    times: float


def parts_of(preset: Preset, ratings: int) -> list[Part]:
    """The parts of a whole training of the preset on so many ratings; a refit has a quarter more users."""
    trained = first_look(ratings) if preset.name == first_look(ratings).name else preset
    refit = 1 / TRAINED_SHARE if preset.refit else 0.0
    lists = trained.ranking_training
    return [
        Part("side information", 1 + refit),
        Part("factorization", 1 + refit),
        Part("stars", trained.training.epochs * (1 + refit)),
        Part("lists", 0.0 if lists is None else lists.epochs + refit * lists.refit_epochs),
        Part("scored stars", 1 + trained.training.epochs / 2),  # half of the held-out users are for validation
        Part("scored lists", 0.0 if lists is None else 2.0),
    ]


def reckoned(row: Row, preset: Preset) -> float | None:
    """Seconds of a whole training of the preset; None where a stage was not measured."""
    parts = [(part, row.stages.get(f"{preset.name}: {part.stage}")) for part in parts_of(preset, row.ratings)]
    seconds = [stage.whole * part.times for part, stage in parts if stage is not None]
    return sum(seconds) if len(seconds) == len(parts) else None


def write(rows: list[Row], out: Path) -> None:
    """Write ``large-data.md`` and ``large-data.png``; rows of one number of ratings or more."""
    rows = sorted(rows, key=lambda row: (row.ratings, row.users))
    versions = " and ".join(dict.fromkeys(row.version for row in rows))
    text = [
        f"{INTRODUCTION}\nThese figures are of version {versions}; those of another machine differ by a factor.\n",
        "## Data\n",
        *_data_table(rows),
    ]
    for name in ("seqrec", "seqrec-small"):
        text += [f"\n## Training of `{name}`\n", *_training_table(rows, name)]
    text += ["\n## A whole training, reckoned\n", *_whole_table(rows), _assumptions()]
    text += ["\n![Seconds by the number of ratings](large-data.png)\n"]
    text += ["Both axes are logarithmic; the dotted line is proportional to the ratings.\n"]
    out.mkdir(parents=True, exist_ok=True)
    (out / "large-data.md").write_text("\n".join(text).replace("\n\n\n", "\n\n"))
    _chart(rows, out / "large-data.png")


def _table(head: Sequence[str], body: Sequence[Sequence[str]]) -> list[str]:
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *body]
    return [f"| {' | '.join(line)} |" for line in lines]


def _name(row: Row) -> str:
    return row.shape if row.processes == 1 else f"{row.shape}, {row.processes} processes"


def _cell(row: Row, name: str, show: Callable[[Stage], str]) -> str:
    return show(row.stages[name]) if name in row.stages else ""


def _seconds(stage: Stage) -> str:
    return f"{stage.whole:,.1f}" if stage.whole < 100 else f"{stage.whole:,.0f}"


def _memory(stage: Stage) -> str:
    return f"{stage.peak / 1024:.1f}"


def _data_table(rows: list[Row]) -> list[str]:
    head = [
        "data",
        "users",
        "movies",
        "ratings",
        "read, s",
        "GiB",
        "shard, s",
        "GiB",
        "database, s",
        "GiB",
        "titles, s",
        "similarities, s",
        "GiB",
    ]
    body = [
        [
            _name(row),
            *(f"{count:,}" for count in (row.users, row.movies, row.ratings)),
            _cell(row, "read", _seconds),
            _cell(row, "read", _memory),
            _cell(row, "shard", _seconds),
            _cell(row, "shard", _memory),
            _cell(row, "database", _seconds),
            _cell(row, "database", _memory),
            _cell(row, "titles", _seconds),
            _cell(row, "similarities", _seconds),
            _cell(row, "similarities", _memory),
        ]
        for row in rows
    ]
    return [*_table(head, body), "", READING]


def _training_table(rows: list[Row], name: str) -> list[str]:
    head = ["data", "a sweep, s", "GiB", "a step of stars, ms", "an epoch, min", "GiB"]
    head += ["a step of lists, ms", "an epoch, min", "GiB", "stars of a user, ms", "list of a user, ms"]

    def each(stage: Stage) -> str:
        return f"{1000 * stage.seconds / stage.done:,.0f}"

    def each_to_a_tenth(stage: Stage) -> str:
        return f"{1000 * stage.seconds / stage.done:,.1f}"

    def minutes(stage: Stage) -> str:
        return f"{stage.whole / 60:,.1f}"

    columns: list[tuple[str, Callable[[Stage], str]]] = [
        ("factorization", lambda stage: f"{stage.seconds:,.2f}"),
        ("factorization", _memory),
        *(("stars", show) for show in (each, minutes, _memory)),
        *(("lists", show) for show in (each, minutes, _memory)),
        ("scored stars", each_to_a_tenth),
        ("scored lists", each_to_a_tenth),
    ]
    body = [
        [_name(row), *(_cell(row, f"{name}: {stage}", show) for stage, show in columns)]
        for row in rows
        if any(stage.startswith(f"{name}:") for stage in row.stages)
    ]
    return _table(head, body)


def _whole_table(rows: list[Row]) -> list[str]:
    head = ["data", "`seqrec-small`, min", "the first page, min", "`seqrec`, h", "s per 1,000 ratings"]
    body, database = [], _database_seconds(rows)
    for row in rows:
        small, whole = (reckoned(row, PRESETS[name]) for name in ("seqrec-small", "seqrec"))
        once = [row.stages[name].whole for name in ("read", "titles") if name in row.stages]
        first = small + sum(once) + database * row.ratings if small is not None and len(once) == 2 else None
        body.append(
            [
                _name(row),
                "" if small is None else f"{small / 60:,.1f}",
                "" if first is None else f"{first / 60:,.1f}",
                "" if whole is None else f"{whole / HOUR:,.1f}",
                "" if whole is None else f"{1000 * whole / row.ratings:,.2f}",
            ]
        )
    note = (
        "*The first page* is what `seqrec up` does before it serves: reading, titles, `seqrec-small`, and the "
        f"database, which takes {1e6 * database:.1f} s for a million ratings."
    )
    return [*_table(head, body), "", note]


def _database_seconds(rows: list[Row]) -> float:
    """Seconds a rating, of the largest database that was filled."""
    filled = [row.stages["database"].seconds / row.ratings for row in rows if "database" in row.stages]
    return filled[-1] if filled else math.nan


def _chart(rows: list[Row], path: Path) -> None:
    mpl.use("agg")
    import matplotlib.pyplot as plt  # noqa: PLC0415 - after the choice of what draws

    figure, axes = plt.subplots(figsize=(9, 5), layout="constrained")
    lines: dict[str, Callable[[Row], float | None]] = {
        "read and order": lambda row: _whole_of(row, "read"),
        "a sweep of the factorization": lambda row: (
            row.stages["seqrec: factorization"].seconds if "seqrec: factorization" in row.stages else None
        ),
        "an epoch of stars": lambda row: _whole_of(row, "seqrec: stars"),
        "an epoch of lists": lambda row: _whole_of(row, "seqrec: lists"),
        "all of seqrec-small": lambda row: reckoned(row, PRESETS["seqrec-small"]),
        "all of seqrec": lambda row: reckoned(row, PRESETS["seqrec"]),
    }
    whole = [row for row in rows if row.shape.startswith("ml-")]
    for label, value in lines.items():
        points = [(row.ratings, seconds) for row in whole if (seconds := value(row)) is not None]
        axes.plot([ratings for ratings, _ in points], [seconds for _, seconds in points], marker="o", label=label)
    ends = [row.ratings for row in whole]
    axes.plot(ends, [count / 1e5 for count in ends], linestyle=":", color="grey", label="proportional")
    axes.set(xscale="log", yscale="log", xlabel="ratings", ylabel="seconds of one thread")
    figure.legend(loc="outside right upper")
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _whole_of(row: Row, name: str) -> float | None:
    return row.stages[name].whole if name in row.stages else None
