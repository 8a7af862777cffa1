"""Commands that serve and answer."""

import json
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from app.cli.options import DataOption, HostOption, PortOption, PresetOption, settings_with
from app.settings import Settings
from model.errors import SettingsError

if TYPE_CHECKING:
    from model.features.users import Rated
    from model.rating_scale import RatingScale

commands = typer.Typer()


@commands.command()
def up(data: DataOption = None, model: PresetOption = None, host: HostOption = None, port: PortOption = None) -> None:
    """Get data, train, fill the database, serve; skips what is done before."""
    from app.jobs.prepare import prepare
    from app.main import require_free_port

    settings = settings_with(data=data, host=host, port=port)
    require_free_port(settings)  # now, not after the training
    prepare(settings, model)
    _serve(settings, workers=1)


@commands.command()
def prepare(data: DataOption = None, model: PresetOption = None) -> None:
    """All that `up` does, but serve."""
    from app.jobs.prepare import prepare

    prepare(settings_with(data=data), model)


@commands.command()
def serve(
    host: HostOption = None,
    port: PortOption = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes that answer requests.")] = 1,
) -> None:
    """Serve the newest model over the database."""
    _serve(settings_with(host=host, port=port), workers)


@commands.command()
def recommend(
    user_id: Annotated[int | None, typer.Argument(min=1, help="A user of the database.")] = None,
    rated: Annotated[
        list[str] | None,
        typer.Option(
            help="In place of a user, what someone has rated: movie id and stars, as in 260=5; may be repeated, "
            "the latest last.",
            metavar="ID=STARS",
        ),
    ] = None,
    n: Annotated[int, typer.Option("-n", min=1, max=100, help="How many movies.")] = 10,
    rank_by: Annotated[
        Literal["relevance", "next", "rating"] | None,
        typer.Option(
            help="relevance: what the user will like. next: what is picked next. rating: the predicted stars. "
            "[relevance, if the model knows it]"
        ),
    ] = None,
    diversity: Annotated[
        float | None, typer.Option(min=0, max=1, help="How much the list should be like the history in its categories.")
    ] = None,
) -> None:
    """Print what a user has rated last, and which movies to see next and why."""
    from app.cli.console import print_list
    from app.main import services
    from app.services.answers import RecommendationOptions, UserContext
    from model.features.users import Profile

    if (user_id is None) == (not rated):
        raise SettingsError("Say for whom: either a USER_ID, or what someone has rated with --rated ID=STARS.")
    options = RecommendationOptions(n=n, rank_by=rank_by, explain=True)
    if diversity is not None:
        options = options._replace(diversity=diversity)
    served = services(settings_with())
    asked = served.recommender
    if user_id is None:
        history = [_rated(text, served.host.model.rating_scale) for text in rated or ()]
        if len({entry.movie_id for entry in history}) < len(history):
            raise SettingsError("A movie is rated twice: give --rated once for each movie.")
        print_list(
            "AnonymousUser", asked.named(history), asked.recommend_anonymous(UserContext(Profile(), history), options)
        )
    else:
        print_list(f"User {user_id}", asked.named(asked.history(user_id)), asked.recommend(user_id, options))


def _rated(text: str, levels: "RatingScale") -> "Rated":
    from model.features.users import Rated

    movie_id, _, stars = text.partition("=")
    known = [f"{level:g}" for level in levels]
    if not movie_id.isdecimal() or stars not in known:
        raise SettingsError(
            f"{text!r} is no rating: give a movie's id and the stars, one of {', '.join(known)}, as in 260=5."
        )
    return Rated(int(movie_id), float(stars))


@commands.command()
def predict(
    user_id: Annotated[int, typer.Argument(min=1, help="A user of the database.")],
    movie_ids: Annotated[list[int], typer.Argument(min=1, help="Movies of the database.")],
) -> None:
    """Print the stars that a user would give some movies."""
    from app.cli.console import print_predictions
    from app.main import services
    from app.services.answers import Query

    served = services(settings_with())
    _, predictions = served.recommender.predict([Query(user_id, movie_id) for movie_id in movie_ids])
    print_predictions(user_id, predictions, served.host.model.rating_scale)


@commands.command()
def openapi(
    markdown: Annotated[bool, typer.Option("--markdown", help="As a page to read, in place of JSON.")] = False,
) -> None:
    """Print the API's description."""
    from app.cli.api_reference import page
    from app.main import api

    description = api().openapi()
    typer.echo(page(description) if markdown else json.dumps(description, indent=2), nl=not markdown)


def _serve(settings: Settings, workers: int) -> None:
    from app.main import run

    run(settings, workers)
