"""Commands that train."""

import sys
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
    processes: Annotated[int, typer.Option(min=1, help="Processes that train together on this machine.")] = 1,
    nodes: Annotated[
        int, typer.Option(min=1, help="Machines that train together; the same command is given on each.")
    ] = 1,
    rendezvous: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT",
            help="With --nodes, the address of one machine, where all meet.",
            show_default="none, for one machine",
        ),
    ] = None,
    restarts: Annotated[
        int, typer.Option(min=0, help="How often all processes start again, after one has ended too early.")
    ] = 0,
) -> None:
    """Train a model and write an artifact that the service can load."""
    from app.cli.console import reporter
    from app.jobs.extract import extract
    from app.jobs.training import train_model
    from app.services.feedback.kinds import meanings_from
    from app.storage.database import connect
    from model.data import dataset
    from model.device import choose_device
    from model.distributed import group, launcher
    from model.training.presets import preset

    if nodes > 1 and rendezvous is None:
        raise SettingsError(
            "Several machines have to meet: name the address of one of them with --rendezvous HOST:PORT."
        )
    if database and data is not None:
        raise SettingsError("Train on one of them: either --database or --data DIR.")
    settings = settings_with(data=data, artifacts=out, device=device)
    chosen = preset(model, rnn)
    if processes * nodes > 1 and not group.is_launched():
        launch = launcher.Launch(processes, nodes, rendezvous, restarts)
        launcher.run(launch, [sys.executable, "-m", "seqrec", *sys.argv[1:]])
        return
    with group.joined(choose_device(settings.device)), reporter(silent=not group.is_first()) as progress:
        if database:
            meanings = meanings_from(settings.feedback or {})
            ratings = group.from_first(lambda: extract(connect(settings.database_url), meanings))
        else:
            with group.one_per_machine_first():
                folder = data_folder(settings, progress)
            ratings = dataset.read(folder)
        trained = train_model(ratings, chosen, settings, progress, resume=resume)
        if group.is_first():
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
    without_stars: Annotated[
        bool, typer.Option("--without-stars", help="Throw the stars away: every rating is a like.")
    ] = False,
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
        if without_stars:
            ratings = ratings.without_stars()
        context = training_context(ratings, settings, progress, resume=resume, checkpoints="evaluate")
        evaluation = pipeline.evaluate(ratings, chosen, model, context, protocol, split_seeds, rnn, seed)
    if as_json:
        typer.echo(evaluation.model_dump_json())
    else:
        print_evaluation(evaluation)
