"""Commands for the service's database."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal

import typer

from app.cli.options import FolderArgument, JsonOption, settings_with
from model.files import atomic_write

commands = typer.Typer()
schema = typer.Typer(help="The service's database.", no_args_is_help=True)
commands.add_typer(schema, name="db")


OutOption = Annotated[Path | None, typer.Option(help="File to write.", dir_okay=False, show_default="standard output")]
IdsOption = Annotated[
    Literal["own", "external"],
    typer.Option(help="How users and movies are named: by the service's own ids, or by external ids."),
]


@commands.command("export")
def export_ratings(out: OutOption = None, ids: IdsOption = "own") -> None:
    """Write all ratings of the database, one JSON object a line."""
    from app.api import translation
    from app.jobs.maintenance import export_ratings

    ratings = export_ratings(settings_with(), by_external_ids=ids == "external")
    _write_lines(out, (translation.exported_rating(rating).model_dump_json() for rating in ratings))


@commands.command("import")
def import_ratings(
    file: Annotated[
        typer.FileBinaryRead, typer.Argument(help="JSON Lines as export writes; - for standard input.", metavar="FILE")
    ],
) -> None:
    """Write ratings into the database, all or none; ratings of the same user and movie are replaced."""
    from app.cli.console import say
    from app.jobs.maintenance import import_lines

    say(f"{import_lines(file, settings_with()):,} ratings written")


events = typer.Typer(help="Events: what users did beside rating.", no_args_is_help=True)
commands.add_typer(events, name="events")


@events.command("export")
def export_events(out: OutOption = None, ids: IdsOption = "own") -> None:
    """Write all events of the database, one JSON object a line."""
    from app.api import translation
    from app.jobs.maintenance import export_events

    found = export_events(settings_with(), by_external_ids=ids == "external")
    _write_lines(out, (translation.event(event).model_dump_json() for event in found))


@events.command("import")
def import_events(
    file: Annotated[
        typer.FileBinaryRead,
        typer.Argument(help="JSON Lines as `events export` writes; - for standard input.", metavar="FILE"),
    ],
) -> None:
    """Write events into the database, all or none; those that are there by their event id are left alone."""
    from app.cli.console import say
    from app.jobs.maintenance import import_events

    done = import_events(file, settings_with())
    say(f"{done.written:,} events written, {done.known:,} were there")


@events.command("forget")
def forget_events() -> None:
    """Delete what SEQREC_EVENT_RETENTION no longer keeps; the service does so too, at most once an hour."""
    from app.cli.console import say
    from app.jobs.maintenance import forget_events

    say(f"{forget_events(settings_with()):,} events deleted")


def _write_lines(out: Path | None, lines: Iterable[str]) -> None:
    if out is None:
        for line in lines:
            typer.echo(line)
        return
    with atomic_write(out) as temporary, temporary.open("w") as file:
        file.writelines(f"{line}\n" for line in lines)


@commands.command()
def backup(
    file: Annotated[Path, typer.Argument(help="File to write, in place of an older one.", metavar="FILE")],
) -> None:
    """Write the whole database and the served model into one file, as of one moment, while the service runs."""
    from app.cli.console import reporter
    from app.jobs.transfer.backup import back_up

    with reporter() as progress:
        back_up(file, settings_with(), progress)


@commands.command()
def restore(
    file: Annotated[Path, typer.Argument(help="A file that `backup` has written.", metavar="FILE", exists=True)],
) -> None:
    """Write a backup into the empty database of SEQREC_DATABASE_URL, SQLite or PostgreSQL, all or nothing."""
    from app.cli.console import reporter
    from app.jobs.transfer.backup import restore

    with reporter() as progress:
        restore(file, settings_with(), progress)


@schema.command("upgrade")
def db_upgrade() -> None:
    """Migrate the database's schema to the newest revision."""
    from app.cli.console import say
    from app.storage.database import connect, public_url, upgrade

    engine = connect(settings_with().database_url)
    say(f"{public_url(engine)}: " + ("upgraded" if upgrade(engine) else "is at the newest revision"))


@schema.command("stats")
def db_stats(as_json: JsonOption = False) -> None:
    """Print what the database holds."""
    from app.cli.tables import print_stats
    from app.jobs.maintenance import stats

    database, counts = stats(settings_with())
    if as_json:
        fields = counts._asdict()
        times = {f"{name}_rating": fields.pop(name) for name in ("oldest", "newest")}
        typer.echo(json.dumps({"database": database, **fields, **times}))
    else:
        print_stats(database, counts)


@schema.command("load")
def db_load(folder: FolderArgument) -> None:
    """Fill an empty database from a MovieLens folder; loading the same data again changes nothing."""
    from app.cli.console import reporter
    from app.jobs.prepare import load_database
    from model.data import dataset

    with reporter() as progress:
        load_database(dataset.read(folder), settings_with(), progress)


@schema.command("copy")
def db_copy(
    source: Annotated[
        str, typer.Argument(help="Address of the database to copy, as in sqlite:///data/seqrec.db.", metavar="SOURCE")
    ],
) -> None:
    """Copy a whole database into the empty one of SEQREC_DATABASE_URL, as from SQLite to PostgreSQL."""
    from app.cli.console import reporter
    from app.jobs.transfer.copying import copy_database

    with reporter() as progress:
        copy_database(source, settings_with(), progress)
