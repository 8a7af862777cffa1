"""Commands of MovieLens data."""

from pathlib import Path
from typing import Annotated

import typer

from app.cli.options import FolderArgument, settings_with
from model.errors import SettingsError

commands = typer.Typer(help="MovieLens data.", no_args_is_help=True)


@commands.command("get")
def data_get() -> None:
    """Download MovieLens 1M to data/ml-1m."""
    from app.jobs.prepare import download_data

    typer.echo(download_data(settings_with()))


@commands.command("sample")
def data_sample(
    folder: Annotated[Path, typer.Argument(help="Folder to write.", metavar="DIR")] = Path("data/sample"),
    users: Annotated[int, typer.Option(min=20, help="How many users.")] = 800,
    movies: Annotated[int, typer.Option(min=20, help="How many movies.")] = 400,
) -> None:
    """Generate a small data set: made-up users, movies and ratings, for trying things out without a download."""
    from model.data.sample import write_sample

    if folder.exists():
        raise SettingsError(f"{folder} is there already. Name another folder, or remove it first.")
    write_sample(folder, users, movies)
    typer.echo(folder)


@commands.command("check")
def data_check(folder: FolderArgument) -> None:
    """Print every bad line of a MovieLens folder by file, line and fault; the status is 1 if there is one."""
    from model.data import dataset

    (users, movies, ratings), problems = dataset.examine(folder)
    for problem in problems:
        typer.echo(problem)
    if len(problems):
        raise typer.Exit(1)
    typer.echo(f"{len(users):,} users, {len(movies):,} movies, {len(ratings):,} ratings: no problems")


@commands.command("describe")
def data_describe(folder: FolderArgument) -> None:
    """Print what a MovieLens folder holds: how much, from when, how the stars and the genres are spread."""
    from app.cli.description import print_description
    from model.data import dataset

    print_description(dataset.read(folder))
