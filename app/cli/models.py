"""Commands for the trained models: what is there, and which ones are served."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.options import JsonOption, settings_with
from model.errors import SettingsError

if TYPE_CHECKING:
    from app.services.models.collection import Models
    from model.card import Card
    from seqrec.schemas.model import Models as ModelsBody

commands = typer.Typer(help="The trained models, and which of them are served.", no_args_is_help=True)

VersionArgument = Annotated[str, typer.Argument(help="Name of the artifact's folder.", metavar="VERSION")]


@commands.command("list")
def list_models(as_json: JsonOption = False) -> None:
    """List the trained models that are there, and which of them are served to whom."""
    from app.cli.tables import print_models

    body = _body()
    if as_json:
        typer.echo(body.model_dump_json())
    else:
        print_models(body)


@commands.command()
def history(as_json: JsonOption = False) -> None:
    """Print which models were served when and why, which were compared, and the rounds of retraining."""
    from app.cli.tables import print_history

    body = _body()
    if as_json:
        typer.echo(body.model_dump_json(include={"history", "retrainings", "comparisons"}))
    else:
        print_history(body)


@commands.command()
def show(version: VersionArgument) -> None:
    """Print the card of a model, as JSON, and whether it is compared with another one."""
    from app.api.models import comparison
    from app.cli.console import say
    from app.cli.tables import comparison_in_words

    with _models() as models:
        typer.echo(_card(models, version).model_dump_json(indent=2))
        runs = models.read().comparison
    if runs is not None and version in (runs.champion, runs.challenger):
        say(comparison_in_words(comparison(runs)))


@commands.command()
def compare(first: VersionArgument, second: VersionArgument) -> None:
    """Print the figures of two models side by side."""
    from app.cli.console import say
    from app.cli.tables import print_comparison

    with _models() as models:
        cards = [_card(models, version) for version in (first, second)]
    names = list(dict.fromkeys(name for card in cards for name in _figures(card)))
    print_comparison([first, second], [(name, [_figures(card).get(name, "-") for card in cards]) for name in names])
    if len({(card.data.checksum, card.protocol) for card in cards}) > 1:
        say("They were measured on different ratings, so that a difference of the figures says little.")


@commands.command()
def serve(
    versions: Annotated[
        list[str] | None,
        typer.Argument(
            help="Name of the artifact's folder; or two with their shares of the users, which sum to 1, as in A=0.9 "
            "B=0.1.",
            metavar="VERSION",
            show_default="with --latest, the newest",
        ),
    ] = None,
    latest: Annotated[bool, typer.Option("--latest", help="Serve the newest model again, whichever it is.")] = False,
) -> None:
    """Have every process serve this model, also one that was set aside, until --latest; the way back in one command.

    Two models with shares are compared: the first is the champion. The next `seqrec model serve` ends that.
    """
    from app.cli.console import say

    shares = [_share(argument) for argument in versions or []]
    with _models() as models:
        match shares:
            case [] if latest:
                say(f"{models.unpin()}, the newest model, is served from the next request on")
            case [(version, None)] if not latest:
                models.pin(version)
                say(
                    f"{version} is pinned, and served from the next request on; `seqrec model serve --latest` ends that"
                )
            case [(champion, float(first)), (challenger, float(second))] if not latest:
                _require_whole(first, second)
                models.compare(champion, challenger, second)
                say(
                    f"{champion} answers {first:.3g} of the users and {challenger} {second:.3g} from the next request "
                    f"on; `seqrec model serve {champion}` or --latest ends that. How they compare: GET /model/online"
                )
            case _:
                raise SettingsError(
                    "Name one of them: a VERSION; two, each with its share of the users, as A=0.9 B=0.1; or --latest."
                )


def _share(argument: str) -> tuple[str, float | None]:
    """A version, and its share if there is one; `SettingsError`."""
    version, given, text = argument.partition("=")
    try:
        return version, float(text) if given else None
    except ValueError as error:
        raise SettingsError(
            f"{text!r} is not a share of the users. Give one between 0 and 1, as {version}=0.1."
        ) from error


def _require_whole(first: float, second: float) -> None:
    """`SettingsError` unless these are the shares of two models."""
    if not (first > 0 and second > 0 and math.isclose(first + second, 1, abs_tol=1e-6)):
        raise SettingsError(
            f"The shares are {first:g} and {second:g}. Both have to be above 0, and they have to sum to 1."
        )


@commands.command()
def prune() -> None:
    """Delete old models: all but the served ones, a pinned one and the newest (SEQREC_KEEP_MODELS)."""
    from app.cli.console import say

    with _models() as models:
        removed = models.prune()
    for version in removed:
        typer.echo(version)
    say(f"{len(removed)} models deleted")


@contextmanager
def _models() -> "Iterator[Models]":
    from app.services.models.collection import Models
    from app.storage.database import Database, connect, require_current

    settings = settings_with()
    engine = connect(settings.database_url)
    try:
        require_current(engine)
        yield Models(Database(engine), settings.artifacts, settings.keep_models)
    finally:
        engine.dispose()


def _body() -> "ModelsBody":
    from app.api.models import all_models

    with _models() as models:
        collection = models.read()
    return all_models(collection, collection.served or "")


def _card(models: "Models", version: str) -> "Card":
    from model.inference import artifact

    return artifact.load_card(models.folder(version))


def _figures(card: "Card") -> dict[str, str]:
    """What `compare` prints, by name."""
    figures = {
        "trained": f"{card.created_at:%Y-%m-%d %H:%M}",
        "model": f"{card.model} (preliminary)" if card.preliminary else card.model,
        "data": card.data.name,
        "ratings": f"{card.data.ratings:,}",
        "users": f"{card.data.users:,}",
        "movies": f"{card.data.movies:,}",
        "protocol": card.protocol,
    }
    if card.held_out is not None:
        figures["RMSE"] = f"{card.held_out.rmse:.4f}"
        figures["accuracy"] = f"{card.held_out.accuracy:.4f}"
    if card.held_out_lists is not None:
        figures["NDCG@10"] = f"{card.held_out_lists.ndcg_at_10:.4f}"
        figures["HR@10"] = f"{card.held_out_lists.hr_at_10:.4f}"
    return figures
