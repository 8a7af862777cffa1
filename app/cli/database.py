"""Commands of the service's database."""

from pathlib import Path
from typing import Annotated

import typer

from app.cli.options import FolderArgument, settings_with
from model.files import atomic_write

commands = typer.Typer()
schema = typer.Typer(help="The service's database.", no_args_is_help=True)
commands.add_typer(schema, name="db")


@commands.command("export")
def export_ratings(
    out: Annotated[Path | None, typer.Option(help="File to write. [standard output]", dir_okay=False)] = None,
) -> None:
    """Write all ratings of the database, one JSON object a line."""
    from app.jobs.maintenance import export_lines

    lines = export_lines(settings_with())
    if out is None:
        for line in lines:
            typer.echo(line)
        return
    with atomic_write(out) as temporary, temporary.open("w") as file:
        file.writelines(f"{line}\n" for line in lines)


@commands.command("import")
def import_ratings(
    file: Annotated[typer.FileBinaryRead, typer.Argument(help="JSON Lines as of export; - for standard input.")],
) -> None:
    """Write ratings into the database, all or none; ratings of the same user and movie are replaced."""
    from app.cli.console import say
    from app.jobs.maintenance import import_lines

    say(f"{import_lines(file, settings_with()):,} ratings written")


@schema.command("upgrade")
def db_upgrade() -> None:
    """Bring the database's schema to the newest revision."""
    from app.cli.console import say
    from app.storage.database import connect, shown, upgrade

    engine = connect(settings_with().database_url)
    say(f"{shown(engine)}: " + ("upgraded" if upgrade(engine) else "is at the newest revision"))


@schema.command("stats")
def db_stats() -> None:
    """Print what the database holds."""
    from app.cli.console import print_stats
    from app.jobs.maintenance import stats

    print_stats(*stats(settings_with()))


@schema.command("load")
def db_load(
    folder: FolderArgument,
) -> None:
    """Fill an empty database from a MovieLens folder; loading the same data again changes nothing."""
    from app.jobs.prepare import load_database
    from model.data import dataset

    load_database(dataset.read(folder), settings_with())
