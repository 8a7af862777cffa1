"""Commands that prepare and run the service."""

import json
from contextlib import nullcontext
from typing import Annotated

import typer

from app.cli.options import DataOption, HostOption, PortOption, PresetOption, WorkersOption, settings_with
from model.errors import SettingsError

commands = typer.Typer()


@commands.command()
def up(
    data: DataOption = None,
    model: PresetOption = None,
    wait: Annotated[
        bool, typer.Option("--wait", help="Serve when the whole training is done, not a preliminary model before.")
    ] = False,
    host: HostOption = None,
    port: PortOption = None,
    workers: WorkersOption = None,
) -> None:
    """Obtain data, fill the database, train and serve; skips what is done already.

    A preliminary model answers within minutes. The better one is trained while it serves, and then takes its place.
    """
    from app.cli.console import reporter
    from app.jobs.improvement import in_background
    from app.jobs.prepare import DEFAULT_MODEL, prepare
    from app.jobs.retraining import schedule
    from app.server import require_free_port, run

    settings = settings_with(data=data, host=host, port=port, workers=workers)
    require_free_port(settings)  # now, not after the training
    quick = not wait and model in (None, DEFAULT_MODEL)
    with reporter() as progress:
        prepare(settings, progress, model, quick=quick)
    with in_background(settings) if quick else nullcontext(), schedule.in_background(settings):
        run(settings)


@commands.command()
def prepare(
    data: DataOption = None,
    model: PresetOption = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Train a preliminary model, which takes minutes; `improve` replaces it.")
    ] = False,
) -> None:
    """Do all that `up --wait` does, except serve."""
    from app.cli.console import reporter
    from app.jobs.prepare import DEFAULT_MODEL, prepare

    if quick and model not in (None, DEFAULT_MODEL):
        raise SettingsError(f"A preliminary model is one for {DEFAULT_MODEL}: leave out --quick, or --model {model}.")
    with reporter() as progress:
        prepare(settings_with(data=data), progress, model, quick=quick)


@commands.command()
def serve(
    host: HostOption = None,
    port: PortOption = None,
    workers: WorkersOption = None,
) -> None:
    """Serve the newest model over the database."""
    from app.jobs.retraining import schedule
    from app.server import run

    settings = settings_with(host=host, port=port, workers=workers)
    with schedule.in_background(settings):
        run(settings)


@commands.command()
def openapi(
    markdown: Annotated[bool, typer.Option("--markdown", help="As a page of Markdown, in place of JSON.")] = False,
) -> None:
    """Print the API's description."""
    from app.cli.reference.api import page
    from app.main import api

    description = api().openapi()
    typer.echo(page(description) if markdown else json.dumps(description, indent=2), nl=not markdown)
