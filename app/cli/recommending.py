"""Commands that ask the model once, without a server."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeVar

import typer
from pydantic import TypeAdapter, ValidationError

from app.cli.options import JsonOption, look_up, read_id, settings_with
from model.errors import SettingsError
from seqrec.ids import AnyId
from seqrec.limits import EARLIEST_YEAR, LATEST_YEAR, MOST_MEMBERS
from seqrec.schemas.common import TEXT_MAY_BE_NUMBER, Stars
from seqrec.validation import invalid_fields

if TYPE_CHECKING:
    from app.services.groups import GroupOptions
    from app.services.ids import OwnIds
    from app.services.recommendations import RecommendationOptions
    from model.features.history import Rated

commands = typer.Typer()

OptionsT = TypeVar("OptionsT", "RecommendationOptions", "GroupOptions")


@commands.command()
def recommend(
    user_ids: Annotated[
        list[str] | None,
        typer.Argument(
            help="A user of the database, or with --together several; digits are an own id, all else an external one.",
            metavar="USER_ID...",
            show_default="the user of --rated",
        ),
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
            help="relevance: how likely it is a movie that the user likes from here on. next: how likely the user "
            "picks it next, liked or not. rating: the predicted stars.",
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
        list[str] | None,
        typer.Option(help="A movie to leave out; may be repeated.", metavar="ID", show_default="none"),
    ] = None,
    together: Annotated[
        bool, typer.Option("--together", help=f"One list for 2 to {MOST_MEMBERS} users who watch together.")
    ] = False,
    strategy: Annotated[
        Literal["average", "least_misery", "fairness"] | None,
        typer.Option(
            help="With --together, how the users' scores become one order. average: by their mean. least_misery: by "
            "the smallest. fairness: the users pick in turns.",
            show_default="average",
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
    """Print what a user, or people who watch together, should see next; or write lists for all users.

    A single user's list comes with the latest ratings and the reasons. An interrupted --all continues where it stopped
    if the same command is run again.
    """
    from app.services.catalogue.catalogue import Filter
    from app.services.groups import GroupOptions
    from app.services.recommendations import RecommendationOptions

    if year_from is not None and year_to is not None and year_from > year_to:
        raise SettingsError("--year-from is later than --year-to.")
    allowed = Filter(genre or (), year_from, year_to)
    options = RecommendationOptions(n=n, rank_by=rank_by, filter=allowed)
    if diversity is not None:
        options = options._replace(diversity=diversity)
    users = user_ids or []
    if strategy is not None and not together:
        raise SettingsError("--strategy is an option of --together.")
    if all_users:
        if out is None or users or rated or together:
            raise SettingsError("With --all, say into which file by --out, and name no user.")
        _recommend_all(out, options, exclude or [], workers, ray)
    elif out is not None or workers is not None or ray is not None:
        raise SettingsError("--out, --workers and --ray are options of --all.")
    elif together:
        if rated or diversity is not None:
            raise SettingsError("--rated and --diversity are for a single user, not for --together.")
        group = GroupOptions(n=n, rank_by=rank_by, strategy=strategy or "average", explain=as_json, filter=allowed)
        _recommend_together(users, exclude or [], group, as_json)
    elif len(users) > 1:
        raise SettingsError("For one list for several users, add --together; otherwise ask for one user at a time.")
    else:
        _recommend_one(users[0] if users else None, rated, exclude or [], options._replace(explain=True), as_json)


def _recommend_one(
    user: str | None, rated: list[str] | None, exclude: list[str], options: "RecommendationOptions", as_json: bool
) -> None:
    from app.api import translation
    from app.cli.tables import print_recommendations
    from app.server import services_from
    from model.features.users import UserContext

    if user is None and not rated:
        raise SettingsError("Give a USER_ID, or the ratings of an anonymous user with --rated ID=STARS.")
    if user is not None and rated:
        raise SettingsError("Give a USER_ID or --rated, not both: --rated is for a user who is not in the database.")
    left_out = [read_id(text) for text in exclude]
    given = [_parse_rating(text) for text in rated or []]
    with services_from(settings_with()) as services:
        if user is None:
            ids = look_up(services.external_ids, movies=[*left_out, *(movie for movie, _ in given)])
            history = _history(given, ids)
            answer = services.recommender.recommend_anonymous(
                UserContext(history=history), _without(options, left_out, ids)
            )
            name, user_id = "The anonymous user", None
        else:
            named = read_id(user)
            ids = look_up(services.external_ids, [named], left_out)
            (user_id,) = ids.of_users([named])
            answer = services.recommender.recommend(user_id, _without(options, left_out, ids))
            name = f"User {named}"
    if as_json:
        typer.echo(translation.recommendations(user_id, answer).model_dump_json())
    else:
        print_recommendations(name, answer)


def _recommend_together(users: list[str], exclude: list[str], options: "GroupOptions", as_json: bool) -> None:
    from app.api import translation
    from app.cli.tables import print_group_recommendations
    from app.server import services_from

    if not 2 <= len(users) <= MOST_MEMBERS:
        raise SettingsError(
            f"--together is for 2 to {MOST_MEMBERS} users: name them all, as in 'recommend --together 5 17'."
        )
    named, left_out = [read_id(user) for user in users], [read_id(text) for text in exclude]
    with services_from(settings_with()) as services:
        ids = look_up(services.external_ids, named, left_out)
        members = ids.of_users(named)
        if len(set(members)) < len(members):
            raise SettingsError("A user is named twice: name each user of --together once.")
        answer = services.groups.recommend(members, _without(options, left_out, ids))
    if as_json:
        typer.echo(translation.group_recommendations(answer).model_dump_json())
    else:
        print_group_recommendations([f"User {user}" for user in named], answer)


def _recommend_all(
    out: Path, options: "RecommendationOptions", exclude: list[str], workers: int | None, ray: str | None
) -> None:
    from app.cli.console import reporter, say
    from app.jobs.maintenance import external_ids
    from app.jobs.recommend_all import recommend_all
    from app.jobs.recommend_with_ray import recommend_with_ray

    if ray is not None and workers is not None:
        raise SettingsError("--workers is for this machine alone: with --ray, there is one for each core.")
    if ray is None and out.is_dir():
        raise SettingsError(f"{out} is a folder: --out is a file, unless there is --ray.")
    left_out = [read_id(text) for text in exclude]
    if left_out:
        with external_ids(settings_with()) as ids:
            options = _without(options, left_out, look_up(ids, movies=left_out))
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


def _without(options: OptionsT, movies: Sequence[AnyId], ids: "OwnIds") -> OptionsT:
    return options._replace(filter=options.filter._replace(exclude=tuple(ids.of_known_movies(movies))))


def _history(given: Sequence[tuple[AnyId, float]], ids: "OwnIds") -> list["Rated"]:
    from model.features.history import Rated

    movie_ids = ids.of_movies([movie for movie, _ in given])
    if len(set(movie_ids)) < len(movie_ids):
        raise SettingsError("A movie is rated twice: give --rated once for each movie.")
    return [Rated(movie_id, stars) for movie_id, (_, stars) in zip(movie_ids, given, strict=True)]


def _parse_rating(text: str) -> tuple[AnyId, float]:
    """The movie, by own or external id, and the stars."""
    movie, _, stars = text.rpartition("=")
    advice = "Give a movie's id and the stars, as in 260=5."
    if not movie:
        raise SettingsError(f"{text!r} is not a rating. {advice}")
    try:
        return read_id(movie), TypeAdapter(Stars).validate_python(stars, context=TEXT_MAY_BE_NUMBER)
    except ValidationError as error:
        problem = invalid_fields(error.errors())[0].message
        raise SettingsError(f"{text!r} is not a rating: the stars {problem}. {advice}") from error


@commands.command()
def predict(
    user_id: Annotated[
        str,
        typer.Argument(
            help="A user of the database; digits are an own id, all else an external one.", metavar="USER_ID"
        ),
    ],
    movie_ids: Annotated[
        list[str], typer.Argument(help="Movies of the database, named as the user is.", metavar="MOVIE_ID...")
    ],
    as_json: JsonOption = False,
) -> None:
    """Print the stars that a user would give some movies."""
    from app.api import translation
    from app.cli.tables import print_predictions
    from app.server import services_from
    from app.services.recommendations import PredictionQuery

    user, movies = read_id(user_id), [read_id(text) for text in movie_ids]
    with services_from(settings_with()) as services:
        ids = look_up(services.external_ids, [user], movies)
        (own_id,) = ids.of_users([user])
        answer = services.recommender.predict([PredictionQuery(own_id, movie_id) for movie_id in ids.of_movies(movies)])
    if as_json:
        typer.echo(translation.predictions([own_id] * len(movies), answer).model_dump_json())
    else:
        print_predictions(user, answer)
