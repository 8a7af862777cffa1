"""Commands for the trained models: what is there, and which one is served."""

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

commands = typer.Typer(help="The trained models, and which of them is served.", no_args_is_help=True)

VersionArgument = Annotated[str, typer.Argument(help="Name of the artifact's folder.", metavar="VERSION")]


@commands.command("list")
def list_models(as_json: JsonOption = False) -> None:
    """List the trained models that are there; * is served."""
    from app.cli.tables import print_models

    body = _body()
    if as_json:
        typer.echo(body.model_dump_json())
    else:
        print_models(body)


@commands.command()
def history(as_json: JsonOption = False) -> None:
    """Print which models were served when and why, and the rounds of retraining."""
    from app.cli.tables import print_history

    body = _body()
    if as_json:
        typer.echo(body.model_dump_json(include={"history", "retrainings"}))
    else:
        print_history(body)


@commands.command()
def show(version: VersionArgument) -> None:
    """Print the card of a model, as JSON."""
    with _models() as models:
        typer.echo(_card(models, version).model_dump_json(indent=2))


@commands.command()
def compare(first: VersionArgument, second: VersionArgument) -> None:
    """Print the figures of two models side by side."""
    from app.cli.console import say
    from app.cli.tables import print_comparison

    with _models() as models:
        cards = [_card(models, version) for version in (first, second)]
    names = list(dict.fromkeys(name for card in cards for name in _figures(card)))
    print_comparison([first, second], [(name, [_figures(card).get(name, "-") for card in cards]) for name in names])
    if len({(card.data.checksum, card.held_out.protocol) for card in cards}) > 1:
        say("They were measured on different ratings, so that a difference of the figures says little.")


@commands.command()
def serve(
    version: Annotated[
        str | None,
        typer.Argument(
            help="Name of the artifact's folder.", metavar="VERSION", show_default="with --latest, the newest"
        ),
    ] = None,
    latest: Annotated[bool, typer.Option("--latest", help="Serve the newest model again, whichever it is.")] = False,
) -> None:
    """Have every process serve this model, also one that was set aside, until --latest; the way back in one command."""
    from app.cli.console import say

    if latest == (version is not None):
        raise SettingsError("Name one of them: a VERSION, or --latest.")
    with _models() as models:
        if version is None:
            version = models.unpin()
            say(f"{version}, the newest model, is served from the next request on")
        else:
            models.pin(version)
            say(f"{version} is pinned, and served from the next request on; `seqrec model serve --latest` ends that")


@commands.command()
def prune() -> None:
    """Delete old models: all but the served one, a pinned one and the newest (SEQREC_KEEP_MODELS)."""
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
    from app.api import model_card

    with _models() as models:
        collection = models.read()
    return model_card.models(collection, collection.served or "")


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
        "protocol": card.held_out.protocol,
        "RMSE": f"{card.held_out.rmse:.4f}",
        "accuracy": f"{card.held_out.accuracy:.4f}",
    }
    if card.held_out_lists is not None:
        figures["NDCG@10"] = f"{card.held_out_lists.ndcg_at_10:.4f}"
        figures["HR@10"] = f"{card.held_out_lists.hr_at_10:.4f}"
    return figures
