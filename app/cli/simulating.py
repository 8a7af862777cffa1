"""The command that plays users against a service."""

from pathlib import Path
from typing import Annotated

import typer

from app.cli.options import DataOption, data_folder, settings_with

commands = typer.Typer()


@commands.command()
def simulate(
    data: DataOption = None,
    out: Annotated[Path, typer.Option(help="Folder for the table and the figure.")] = Path("docs/results"),
    rounds: Annotated[int, typer.Option(min=2, help="Rounds, with a retraining between each two.")] = 10,
    users: Annotated[int, typer.Option(min=20, help="Newcomers in each round.")] = 200,
) -> None:
    """Play users with known tastes against a service that retrains, and one that does not; see whether the loop learns.

    Both services, their data and their models are in a temporary folder: nothing else is touched. On MovieLens 1M it
    takes seven minutes of one core.
    """
    from app.cli.console import reporter
    from app.jobs.simulation.report import write_report
    from app.jobs.simulation.simulate import simulate

    with reporter() as progress:
        simulation = simulate(data_folder(settings_with(data=data), progress), rounds, users, progress)
    write_report(simulation, out)
    typer.echo(out / "simulation.md")
