"""The command ``seqrec``. A command imports what it needs, so that only those that train load what trains."""

import logging
import sys

import typer

import seqrec.errors
from app.cli import data, database, experiments, serving, training
from model.errors import SeqRecError

app = typer.Typer(
    help="SeqRec: predicts ratings and recommends movies, from the ratings that users gave.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.add_typer(serving.commands)
app.add_typer(training.commands)
app.add_typer(database.commands)
app.add_typer(data.commands, name="data")
app.add_typer(experiments.commands, name="experiments")


def main() -> None:
    """Run a command; errors that a user can mend are one message, not a traceback."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    try:
        app()
    except (SeqRecError, seqrec.errors.SeqRecError, PermissionError, FileNotFoundError, NotADirectoryError) as error:
        typer.echo(f"Error: {error}", err=True)
        sys.exit(1)
