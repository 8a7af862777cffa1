"""Measures training on generated data with the shapes of the published sets, up to 30 million ratings.

    python -m benchmarks.large_data generate ml-10m DIR
    python -m benchmarks.large_data measure ml-10m DIR ROWS
    python -m benchmarks.large_data report ROWS --out docs/results

``measure`` takes minutes and writes a file of JSON into the folder ROWS, to which each stage adds when it is done; with
``--stage`` it measures that stage alone. ``report`` makes table and chart of all rows.
"""

import subprocess
import sys
from pathlib import Path
from typing import Annotated

import torch
import typer

from benchmarks.large_data import generate, report
from benchmarks.large_data.measure import ON_DATA, ON_TRAINING, Clock, Row, Source, Training
from model.data.conversion.shards import is_sharded, read_description
from model.training.presets import preset

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False)

PRESETS = ("seqrec", "seqrec-small")
STAGES = (*ON_DATA, *(f"{name}: {stage}" for name in PRESETS for stage in ON_TRAINING))

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
    part: Annotated[int, typer.Option(help="Read one in so many shards; they are made first.", min=1)] = 1,
) -> None:
    """Measure the stages on DIR/SHAPE, each in a process of its own."""
    if stage is None:
        for one in STAGES:
            command = [sys.executable, "-m", "benchmarks.large_data", *sys.argv[1:], "--stage", one]
            subprocess.run(command, check=True)  # noqa: S603 - this very command
        return
    if stage not in STAGES:
        raise typer.BadParameter(f"There is no stage {stage}. Choose among {', '.join(STAGES)}.")
    torch.set_num_threads(1)
    sharded = folder / f"{shape}-sharded"
    source = Source(folder / shape, sharded, None)
    if part > 1 and stage != "shard":
        source = source._replace(shards=list(range(0, read_description(sharded).shards, part)))
    path = rows / f"{shape}{f'-1-of-{part}' if part > 1 else ''}.json"
    row = Row.model_validate_json(path.read_bytes()) if path.exists() else Row(shape=shape, part=part)
    clock = Clock()
    if stage == "shard" and is_sharded(sharded):
        typer.echo(f"{sharded} is there already", err=True)
        return
    if stage in ON_DATA:
        ON_DATA[stage](source, row, clock)
    else:
        name, _, of_training = stage.partition(": ")
        ON_TRAINING[of_training](Training(source, preset(name), steps), clock)
    row.stages[stage] = clock.stage
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(row.model_dump_json(indent=2) + "\n")
    done = clock.stage
    typer.echo(f"{stage}: {done.seconds:.2f} s for {done.done} of {done.of}, {done.peak:,.0f} MiB", err=True)


@app.command("report")
def write_report(rows: RowsArgument, out: Annotated[Path, typer.Option(help="Folder of the document.")]) -> None:
    """Write large-data.md and large-data.png from the rows."""
    report.write([Row.model_validate_json(path.read_bytes()) for path in sorted(rows.glob("*.json"))], out)


if __name__ == "__main__":
    app()
