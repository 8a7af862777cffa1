"""Commands that train."""

from pathlib import Path
from typing import Annotated

import typer

from app.cli.options import (
    DataOption,
    DeviceOption,
    JsonOption,
    ModelOption,
    PresetName,
    ProtocolOption,
    RecurrentOption,
    ResumeOption,
    SeedsOption,
    TaskOption,
    TrainingSeedOption,
    data_folder,
    settings_with,
)
from model.errors import SettingsError

commands = typer.Typer()


@commands.command()
def train(
    data: DataOption = None,
    database: Annotated[
        bool, typer.Option("--database", help="Train on the database's current content, in place of a folder.")
    ] = False,
    model: Annotated[PresetName, typer.Option(help="What to train.")] = "seqrec",
    out: Annotated[
        Path | None, typer.Option(help="Folder for the artifact.", show_default="SEQREC_ARTIFACTS, or data/artifacts")
    ] = None,
    rnn: RecurrentOption = None,
    device: DeviceOption = None,
    resume: ResumeOption = False,
) -> None:
    """Train a model and write an artifact that the service can load."""
    from app.cli.console import reporter
    from app.jobs.extract import extract
    from app.jobs.training import train_model
    from app.storage.database import connect
    from model.data import dataset
    from model.training.presets import preset

    if database and data is not None:
        raise SettingsError("Train on one of them: either --database or --data DIR.")
    settings = settings_with(data=data, artifacts=out, device=device)
    chosen = preset(model, rnn)
    with reporter() as progress:
        ratings = extract(connect(settings.database_url)) if database else dataset.read(data_folder(settings, progress))
        trained = train_model(ratings, chosen, settings, progress, resume=resume)
    typer.echo(trained.folder)


@commands.command()
def improve(data: DataOption = None, device: DeviceOption = None) -> None:
    """Train the model that takes the place of a preliminary one, while that is served; goes on where it was."""
    from app.cli.console import reporter
    from app.jobs.improvement import improve

    with reporter() as progress:
        improve(settings_with(data=data, device=device), progress)


@commands.command()
def retrain(device: DeviceOption = None) -> None:
    """Train on the database, from the served model on; serve the new one if it is better for the newest ratings."""
    from app.cli.console import reporter
    from app.jobs.retraining.round import retrain

    with reporter() as progress:
        retrain(settings_with(device=device), progress)


@commands.command()
def evaluate(
    data: DataOption = None,
    model: ModelOption = "seqrec",
    task: TaskOption = "rating",
    protocol: ProtocolOption = None,
    split_seeds: SeedsOption = None,
    seed: TrainingSeedOption = None,
    as_json: JsonOption = False,
    rnn: RecurrentOption = None,
    device: DeviceOption = None,
    resume: ResumeOption = False,
) -> None:
    """Train a model on a split and print its test scores beside those of the baselines."""
    from app.cli.console import reporter
    from app.cli.tables import print_evaluation
    from app.jobs.training import training_context
    from model import pipeline
    from model.baselines.registry import require_task
    from model.data import dataset

    settings = settings_with(data=data, device=device)
    chosen = require_task(task)
    chosen.require(model, protocol or chosen.default_protocol, rnn, seed)  # before data is read or downloaded
    with reporter() as progress:
        ratings = dataset.read(data_folder(settings, progress))
        context = training_context(ratings, settings, progress, resume=resume, checkpoints="evaluate")
        evaluation = pipeline.evaluate(ratings, chosen, model, context, protocol, split_seeds, rnn, seed)
    if as_json:
        typer.echo(evaluation.model_dump_json())
    else:
        print_evaluation(evaluation)
