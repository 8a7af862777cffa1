"""Commands for MovieLens data."""

import json
from pathlib import Path
from typing import Annotated, Literal

import typer

from app.cli.options import FolderArgument, JsonOption, settings_with
from model.errors import SettingsError

commands = typer.Typer(help="MovieLens data and your own.", no_args_is_help=True)

ColumnOption = Annotated[
    str | None, typer.Option(help="Name of the column.", metavar="COLUMN", show_default="guessed by its name")
]


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


@commands.command("convert")
def data_convert(
    source: Annotated[
        Path,
        typer.Argument(
            help="CSV, TSV, JSON Lines or Parquet; or a folder or zip archive with such files.",
            exists=True,
            metavar="SOURCE",
        ),
    ],
    out: Annotated[Path, typer.Argument(help="Folder to write.", metavar="OUT")],
    user: ColumnOption = None,
    item: ColumnOption = None,
    rating: ColumnOption = None,
    time: ColumnOption = None,
    title: ColumnOption = None,
    genres: ColumnOption = None,
    items: Annotated[
        Path | None,
        typer.Option(
            help="File with titles and genres of the items.", exists=True, show_default="another file of SOURCE"
        ),
    ] = None,
    items_id: Annotated[
        str | None,
        typer.Option(help="Name of the column of ids in that file.", metavar="COLUMN", show_default="as --item"),
    ] = None,
    scale: Annotated[
        tuple[float, float] | None,
        typer.Option(
            help="The worst and the best rating.", metavar="WORST BEST", show_default="a usual one that holds all"
        ),
    ] = None,
    likes: Annotated[
        bool, typer.Option("--likes", help="Every row is a like, click or purchase: there are no ratings.")
    ] = False,
    shards: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="Write Parquet in N parts, by user, for data larger than memory; SOURCE may then be a MovieLens "
            "folder too.",
            show_default="one CSV file",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Convert any table of users, items, ratings and times into a folder that `up`, `train` and `db load` read.

    Columns are guessed by their names, unless an option names them; what was understood is printed.
    """
    from app.cli.console import reporter
    from app.cli.description import print_conversion, print_next, print_shards
    from model.data.conversion.convert import Conversion, ConversionOptions, convert
    from model.data.conversion.sharding import convert_to_shards

    if out.exists():
        raise SettingsError(f"{out} is there already. Name another folder, or remove it first.")
    named = {"user": user, "item": item, "rating": rating, "time": time, "title": title, "genres": genres}
    named["items-id"] = items_id
    options = ConversionOptions({role: name for role, name in named.items() if name is not None}, items, scale, likes)
    with reporter() as progress:

        def on_rows(rows: int) -> None:
            progress.progress("rows read", rows, None)

        conversion: Conversion | None
        if shards is None:
            conversion, sharded = convert(source, out, options, on_rows), None
            users = conversion.users
        else:
            conversion, sharded = convert_to_shards(source, out, shards, options, on_rows)
            users = sharded.users
    if as_json:
        typer.echo("\n".join(one.model_dump_json() for one in (conversion, sharded) if one is not None))
        return
    if conversion is not None:
        print_conversion(conversion)
    if sharded is not None:
        print_shards(sharded)
    print_next(users, out)


@commands.command("check")
def data_check(folder: FolderArgument, as_json: JsonOption = False) -> None:
    """Print every bad line of a MovieLens folder with file, line and fault; the exit status is 1 if there are any."""
    from app.cli.console import say
    from model.data import dataset

    tables, problems = dataset.examine(folder)
    users, movies, ratings = tables.users, tables.movies, tables.ratings
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
        say(f"To leave out what is wrong, run: seqrec data repair {folder} OUT")
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


@commands.command("repair")
def data_repair(
    folder: FolderArgument,
    out: Annotated[Path, typer.Argument(help="Folder to write.", metavar="OUT")],
    unlisted: Annotated[
        Literal["drop", "add"],
        typer.Option(help="What to do with ratings of movies that are not listed: drop them, or add the movies."),
    ] = "drop",
    as_json: JsonOption = False,
) -> None:
    """Copy a MovieLens folder without the lines that `data check` finds, and of ratings given twice the earlier one."""
    from app.cli.description import print_repair
    from model.data.repair import repair

    if out.exists():
        raise SettingsError(f"{out} is there already. Name another folder, or remove it first.")
    repaired = repair(folder, out, add_movies=unlisted == "add")
    if as_json:
        typer.echo(repaired.model_dump_json())
    else:
        print_repair(repaired, out)
