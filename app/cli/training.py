"""Commands that train."""

from pathlib import Path
from typing import Annotated

import typer

from app.cli.options import (
    DataOption,
    DeviceOption,
    ModelOption,
    ProtocolOption,
    RecurrentOption,
    ResumeOption,
    TaskOption,
    data_folder,
    settings_with,
)
from model.data import dataset
from model.errors import SettingsError

commands = typer.Typer()


@commands.command()
def train(
    data: DataOption = None,
    database: Annotated[
        bool, typer.Option("--database", help="Train on what the database holds now, in place of a folder.")
    ] = False,
    model: Annotated[str, typer.Option(help="seqrec, seqrec-rating, seqrec-paper or seqrec-lstm.")] = "seqrec",
    out: Annotated[Path | None, typer.Option(help="Folder for the artifact. [SEQREC_ARTIFACTS]")] = None,
    rnn: RecurrentOption = None,
    device: DeviceOption = None,
    resume: ResumeOption = False,
) -> None:
    """Train a model and write an artifact that the service can load."""
    from app.jobs.extract import extract
    from app.jobs.prepare import train_model
    from app.storage.database import connect
    from model.data import dataset
    from model.training.presets import preset

    if database and data is not None:
        raise SettingsError("Train on one of them: either --database or --data DIR.")
    settings = settings_with(data=data, artifacts=out, device=device)
    chosen = preset(model, rnn)
    ratings = extract(connect(settings.database_url)) if database else dataset.read(data_folder(settings))
    typer.echo(train_model(ratings, chosen, settings, resume=resume))


@commands.command()
def evaluate(
    data: DataOption = None,
    model: ModelOption = "seqrec",
    task: TaskOption = "rating",
    protocol: ProtocolOption = None,
    split_seeds: Annotated[
        tuple[int, int] | None,
        typer.Option(help="What draws the split. [2658 4769 for users, 1234 1234 for ratings]"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    rnn: RecurrentOption = None,
    device: DeviceOption = None,
    resume: ResumeOption = False,
) -> None:
    """Train a model on a split and print how good it is on test beside the baselines."""
    from app.cli.console import print_evaluation, training_display
    from app.jobs.prepare import training_context
    from model import pipeline
    from model.baselines.registry import require_task

    settings = settings_with(data=data, device=device)
    chosen = require_task(task)
    chosen.require(model, protocol or chosen.default_protocol, rnn)
    ratings = dataset.read(data_folder(settings))
    with training_display() as display:
        context = training_context(ratings, settings, resume, display)
        evaluation = pipeline.evaluate(ratings, chosen, model, context, protocol, split_seeds, rnn)
    if as_json:
        typer.echo(evaluation.model_dump_json())
    else:
        print_evaluation(evaluation)
