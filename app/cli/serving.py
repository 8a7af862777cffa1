"""Commands that prepare and run the service."""

import json
from typing import Annotated

import typer

from app.cli.options import DataOption, HostOption, PortOption, PresetOption, settings_with

commands = typer.Typer()


@commands.command()
def up(data: DataOption = None, model: PresetOption = None, host: HostOption = None, port: PortOption = None) -> None:
    """Obtain data, train, fill the database and serve; skips what is done already."""
    from app.cli.console import reporter
    from app.jobs.prepare import prepare
    from app.server import require_free_port, run

    settings = settings_with(data=data, host=host, port=port)
    require_free_port(settings)  # now, not after the training
    with reporter() as progress:
        prepare(settings, progress, model)
    run(settings, workers=1)


@commands.command()
def prepare(data: DataOption = None, model: PresetOption = None) -> None:
    """Do all that `up` does, except serve."""
    from app.cli.console import reporter
    from app.jobs.prepare import prepare

    with reporter() as progress:
        prepare(settings_with(data=data), progress, model)


@commands.command()
def serve(
    host: HostOption = None,
    port: PortOption = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes that answer requests.")] = 1,
) -> None:
    """Serve the newest model over the database."""
    from app.server import run

    run(settings_with(host=host, port=port), workers)


@commands.command()
def openapi(
    markdown: Annotated[bool, typer.Option("--markdown", help="As a page of Markdown, in place of JSON.")] = False,
) -> None:
    """Print the API's description."""
    from app.cli.api_reference import page
    from app.main import api

    description = api().openapi()
    typer.echo(page(description) if markdown else json.dumps(description, indent=2), nl=not markdown)
