"""Measures training on generated data with the shapes of the published sets, up to 30 million ratings.

    python -m benchmarks.large_data generate ml-10m DIR
    python -m benchmarks.large_data measure ml-10m DIR ROWS
    python -m benchmarks.large_data report ROWS --out docs/results

``measure`` takes minutes and writes a file of JSON into the folder ROWS, to which each stage adds when it is done; with
``--stage`` it measures that stage alone, and with ``--processes`` the stages of a training by several processes, which
read the data from its shards. ``report`` makes table and chart of all rows.
"""

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import torch
import typer

from benchmarks.large_data import generate, report
from benchmarks.large_data.measure import ON_DATA, ON_TRAINING, Clock, Row, Source, Training
from model.data.shards import is_sharded
from model.distributed import group
from model.distributed.launcher import Launch, run
from model.training.presets import preset

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False)

PRESETS = ("seqrec", "seqrec-small")
OF_TRAININGS = tuple(f"{name}: {stage}" for name in PRESETS for stage in ON_TRAINING)
STAGES = (*ON_DATA, *OF_TRAININGS)
SHARED_STAGES = ("read", *OF_TRAININGS)
"""Those that several processes go through together."""

ShapeArgument = Annotated[str, typer.Argument(help=f"One of {', '.join(generate.SHAPES)}.", metavar="SHAPE")]
FolderArgument = Annotated[Path, typer.Argument(help="Folder of the data sets.", metavar="DIR")]
RowsArgument = Annotated[Path, typer.Argument(help="Folder of the rows.", metavar="ROWS")]


@app.command("generate")
def generate_shape(shape: ShapeArgument, folder: FolderArgument, seed: int = 0) -> None:
    """Write a data set of this shape into DIR/SHAPE."""
    if shape not in generate.SHAPES:
        raise typer.BadParameter(f"There is no shape {shape}. Choose among {', '.join(generate.SHAPES)}.")
    generate.write(folder / shape, generate.SHAPES[shape], seed)


@app.command("measure")
def measure(
    shape: ShapeArgument,
    folder: FolderArgument,
    rows: RowsArgument,
    stage: Annotated[str | None, typer.Option(help=f"One of {', '.join(STAGES)}.", show_default="all")] = None,
    steps: Annotated[int, typer.Option(help="Of each training.")] = 20,
    processes: Annotated[int, typer.Option(help="That train together.", min=1)] = 1,
) -> None:
    """Measure the stages on DIR/SHAPE, each in a process of its own, or in several that train together."""
    command = [sys.executable, "-m", "benchmarks.large_data", *sys.argv[1:]]
    if stage is None:
        for one in STAGES if processes == 1 else SHARED_STAGES:
            subprocess.run([*command, "--stage", one], check=True)  # noqa: S603 - this very command
        return
    if stage not in STAGES:
        raise typer.BadParameter(f"There is no stage {stage}. Choose among {', '.join(STAGES)}.")
    if processes > 1 and stage not in SHARED_STAGES:
        raise typer.BadParameter(f"One process does {stage}: leave --processes out.")
    if processes > 1 and not group.is_launched():
        run(Launch(processes), command)
        return
    sharded = folder / f"{shape}-sharded"
    if stage == "shard" and is_sharded(sharded):
        typer.echo(f"{sharded} is there already", err=True)
        return
    torch.set_num_threads(1)
    path = rows / f"{shape}{f'-{processes}-processes' if processes > 1 else ''}.json"
    new = Row(shape=shape, processes=processes, version=version("seqrec"))
    row = Row.model_validate_json(path.read_bytes()) if path.exists() else new
    clock = Clock()
    with group.joined(torch.device("cpu")):
        source = Source(folder / shape, sharded)
        if stage in ON_DATA:
            ON_DATA[stage](source, row, clock)
        else:
            name, _, of_training = stage.partition(": ")
            ON_TRAINING[of_training](Training(source, preset(name), steps), clock)
        done = clock.of_all_processes()
        if group.is_first():
            row.stages[stage] = done
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(row.model_dump_json(indent=2) + "\n")
            typer.echo(f"{stage}: {done.seconds:.2f} s for {done.done} of {done.of}, {done.peak:,.0f} MiB", err=True)


@app.command("report")
def write_report(rows: RowsArgument, out: Annotated[Path, typer.Option(help="Folder of the document.")]) -> None:
    """Write large-data.md and large-data.png from the rows."""
    report.write([Row.model_validate_json(path.read_bytes()) for path in sorted(rows.glob("*.json"))], out)


if __name__ == "__main__":
    app()
