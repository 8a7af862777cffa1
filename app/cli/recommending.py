"""Commands that ask the model once, without a server."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from app.cli.options import JsonOption, settings_with
from model.errors import SettingsError
from seqrec.limits import EARLIEST_YEAR, LARGEST_ID, LATEST_YEAR

if TYPE_CHECKING:
    from app.services.recommendations import RecommendationOptions
    from model.features.users import Rated
    from model.rating_scale import RatingScale

commands = typer.Typer()


@commands.command()
def recommend(
    user_id: Annotated[
        int | None,
        typer.Argument(min=1, help="A user of the database.", metavar="USER_ID", show_default="the user of --rated"),
    ] = None,
    rated: Annotated[
        list[str] | None,
        typer.Option(
            help="In place of a user, the ratings of an anonymous one: movie id and stars, as in 260=5; may be "
            "repeated, the latest last.",
            metavar="ID=STARS",
            show_default="none",
        ),
    ] = None,
    n: Annotated[int, typer.Option("-n", min=1, max=100, help="How many movies.")] = 10,
    rank_by: Annotated[
        Literal["relevance", "next", "rating"] | None,
        typer.Option(
            help="relevance: how likely the user gives 4 or more stars. next: how likely it is rated next. rating: the "
            "predicted stars.",
            show_default="relevance, if the model knows it",
        ),
    ] = None,
    diversity: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=1,
            help="How much genres and popularity of the list should match the history.",
            show_default="0.0",
        ),
    ] = None,
    genre: Annotated[
        list[str] | None,
        typer.Option(help="Only movies of any of these genres; may be repeated.", show_default="all"),
    ] = None,
    year_from: Annotated[
        int | None,
        typer.Option(
            min=EARLIEST_YEAR, max=LATEST_YEAR, help="Only movies of this year or later.", show_default="any year"
        ),
    ] = None,
    year_to: Annotated[
        int | None,
        typer.Option(
            min=EARLIEST_YEAR, max=LATEST_YEAR, help="Only movies of this year or earlier.", show_default="any year"
        ),
    ] = None,
    exclude: Annotated[
        list[int] | None,
        typer.Option(
            min=1, max=LARGEST_ID, help="A movie to leave out; may be repeated.", metavar="ID", show_default="none"
        ),
    ] = None,
    all_users: Annotated[
        bool,
        typer.Option("--all", help="Write lists for all users of the database into the file --out, without reasons."),
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            help="With --all, the file to write: Parquet if it ends in .parquet, JSON Lines if in .jsonl. With --ray, "
            "the folder.",
            show_default="none",
        ),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="With --all, how many processes.", show_default="one for each core")
    ] = None,
    ray: Annotated[
        str | None,
        typer.Option(
            help="With --all, the Ray cluster whose machines share the work: HOST:PORT, or auto on one of them. "
            "--out is then a folder that all of them see, and gets a Parquet file for each block of users.",
            metavar="ADDRESS",
            show_default="this machine alone",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Print a user's latest ratings, and the movies to see next with their reasons; or write lists for all users.

    An interrupted --all continues where it stopped if the same command is run again.
    """
    from app.services.catalogue import Filter
    from app.services.recommendations import RecommendationOptions

    if year_from is not None and year_to is not None and year_from > year_to:
        raise SettingsError("--year-from is later than --year-to.")
    allowed = Filter(genre or (), year_from, year_to, exclude or ())
    options = RecommendationOptions(n=n, rank_by=rank_by, filter=allowed)
    if diversity is not None:
        options = options._replace(diversity=diversity)
    if all_users:
        if out is None or user_id is not None or rated:
            raise SettingsError("With --all, say into which file by --out, and name no user.")
        if ray is not None and workers is not None:
            raise SettingsError("--workers is for this machine alone: with --ray, there is one for each core.")
        _recommend_all(out, options, workers, ray)
    elif out is not None or workers is not None or ray is not None:
        raise SettingsError("--out, --workers and --ray are options of --all.")
    else:
        _recommend_one(user_id, rated, options._replace(explain=True), as_json)


def _recommend_one(
    user_id: int | None, rated: list[str] | None, options: "RecommendationOptions", as_json: bool
) -> None:
    from app.api import translation
    from app.cli.tables import print_recommendations
    from app.server import services_from
    from model.features.users import UserContext

    if user_id is None and not rated:
        raise SettingsError("Give a USER_ID, or the ratings of an anonymous user with --rated ID=STARS.")
    if user_id is not None and rated:
        raise SettingsError("Give a USER_ID or --rated, not both: --rated is for a user who is not in the database.")
    services = services_from(settings_with())
    if user_id is None:
        history = _parse_history(rated or [], services.host.model.rating_scale)
        answer = services.recommender.recommend_anonymous(UserContext(history=history), options)
    else:
        answer = services.recommender.recommend(user_id, options)
    if as_json:
        typer.echo(translation.recommendations(user_id, answer).model_dump_json())
    else:
        print_recommendations("The anonymous user" if user_id is None else f"User {user_id}", answer)


def _recommend_all(out: Path, options: "RecommendationOptions", workers: int | None, ray: str | None) -> None:
    from app.cli.console import reporter, say
    from app.jobs.recommend_all import recommend_all
    from app.jobs.recommend_with_ray import recommend_with_ray

    if ray is None and out.is_dir():
        raise SettingsError(f"{out} is a folder: --out is a file, unless there is --ray.")
    with reporter() as progress:
        try:
            if ray is None:
                users = recommend_all(out, options, settings_with(), progress, workers)
            else:
                users = recommend_with_ray(ray, out, options, settings_with(), progress)
        except KeyboardInterrupt:
            progress.message("Interrupted. Finished lists are kept: the same command continues from there.")
            raise
    say(f"{out}: lists for {users:,} users")


def _parse_history(texts: list[str], scale: "RatingScale") -> list["Rated"]:
    history = [_parse_rating(text, scale) for text in texts]
    if len({entry.movie_id for entry in history}) < len(history):
        raise SettingsError("A movie is rated twice: give --rated once for each movie.")
    return history


def _parse_rating(text: str, scale: "RatingScale") -> "Rated":
    from model.features.users import Rated

    movie_id, _, stars = text.partition("=")
    known = [f"{step:g}" for step in scale]
    if not movie_id.isdecimal() or stars not in known:
        raise SettingsError(
            f"{text!r} is no rating: give a movie's id and the stars, one of {', '.join(known)}, as in 260=5."
        )
    return Rated(int(movie_id), float(stars))


@commands.command()
def predict(
    user_id: Annotated[int, typer.Argument(min=1, help="A user of the database.", metavar="USER_ID")],
    movie_ids: Annotated[list[int], typer.Argument(min=1, help="Movies of the database.", metavar="MOVIE_ID...")],
    as_json: JsonOption = False,
) -> None:
    """Print the stars that a user would give some movies."""
    from app.api import translation
    from app.cli.tables import print_predictions
    from app.server import services_from
    from app.services.recommendations import PredictionQuery

    services = services_from(settings_with())
    answer = services.recommender.predict([PredictionQuery(user_id, movie_id) for movie_id in movie_ids])
    if as_json:
        typer.echo(translation.predictions([user_id] * len(movie_ids), answer).model_dump_json())
    else:
        print_predictions(user_id, answer)
