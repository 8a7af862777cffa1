"""Commands for MovieLens data."""

import json
from pathlib import Path
from typing import Annotated

import typer

from app.cli.options import FolderArgument, JsonOption, settings_with
from model.errors import SettingsError

commands = typer.Typer(help="MovieLens data.", no_args_is_help=True)


@commands.command("get")
def data_get() -> None:
    """Download MovieLens 1M to data/ml-1m."""
    from app.cli.console import reporter
    from app.jobs.datasets import download_data

    with reporter() as progress:
        folder = download_data(settings_with(), progress)
    typer.echo(folder)


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
def data_check(folder: FolderArgument, as_json: JsonOption = False) -> None:
    """Print every bad line of a MovieLens folder with file, line and fault; the exit status is 1 if there are any."""
    from model.data import dataset

    (users, movies, ratings), problems = dataset.examine(folder)
    if as_json:
        bad = [
            {"file": str(problem.path), "line": problem.line, "complaint": problem.complaint, "text": problem.text}
            for problem in problems
        ]
        counts = {"users": len(users), "movies": len(movies), "ratings": len(ratings)}
        typer.echo(json.dumps({**counts, "problems": bad}))
    else:
        for problem in problems:
            typer.echo(problem)
    if len(problems):
        raise typer.Exit(1)
    if not as_json:
        typer.echo(f"{len(users):,} users, {len(movies):,} movies, {len(ratings):,} ratings: no problems")


@commands.command("describe")
def data_describe(folder: FolderArgument, as_json: JsonOption = False) -> None:
    """Print size, time span and distributions of a MovieLens folder's ratings."""
    from app.cli.description import describe, print_description
    from model.data import dataset

    description = describe(dataset.read(folder))
    if as_json:
        typer.echo(description.model_dump_json())
    else:
        print_description(description)
