"""The command ``seqrec``. Each command imports what it needs, so that only those that train load training code."""

import logging
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from typing import Annotated, NoReturn

import typer

import seqrec.errors
from app.cli import data, database, experiments, importing, models, recommending, serving, simulating, training
from model.errors import SeqRecError
from model.files import is_full

app = typer.Typer(
    help="SeqRec: predicts ratings and recommends movies, from the ratings that users gave.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.add_typer(serving.commands)
app.add_typer(recommending.commands)
app.add_typer(importing.commands)
app.add_typer(training.commands)
app.add_typer(simulating.commands)
app.add_typer(database.commands)
app.add_typer(models.commands, name="model")
app.add_typer(data.commands, name="data")
app.add_typer(experiments.commands, name="experiments")


def _print_version(requested: bool) -> None:
    if requested:
        typer.echo(f"seqrec {version('seqrec')}")
        raise typer.Exit


@app.callback()
def options(
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """SeqRec: predicts ratings and recommends movies, from the ratings that users gave."""


def _is_no_fault_of_the_program(error: Exception) -> bool:
    """Whether the error comes from a file, from the database or from a damaged model."""
    kinds = {"sqlalchemy.exc": "SQLAlchemyError", "safetensors": "SafetensorError"}
    loaded = [getattr(sys.modules[module], kind) for module, kind in kinds.items() if module in sys.modules]
    return isinstance(error, (OSError, *loaded))


def main() -> None:
    """Run a command; an error that the user can correct is one message, not a traceback."""
    # Threads of PyTorch that spin while they wait make a training five times slower beside another program. Waiting
    # passively, they lose a seventh of their speed on an idle machine. Read once, when PyTorch is loaded.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # Likewise. MKL, which multiplies PyTorch's matrices, would keep memory for the next product of each thread: in a
    # service, 150 MiB after many requests. It need not: no answer takes longer when each product takes its memory anew.
    os.environ.setdefault("MKL_DISABLE_FAST_MM", "1")
    # Likewise. What PyTorch warns of in C++, such as an attempt to connect that it repeats, tells a user nothing.
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    with _ending_by_sigterm():
        _run()


@contextmanager
def _ending_by_sigterm() -> Iterator[None]:
    """Within it, SIGTERM ends a command as Ctrl-C does, so that it removes what is half done; then the process ends."""
    came = False

    def interrupt(*_: object) -> NoReturn:
        nonlocal came
        came = True
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # `timeout` sends it twice: the second would stop the removing
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
        if came:
            signal.raise_signal(signal.SIGTERM)  # whoever has sent it sees that it has ended the process
            sys.exit(128 + signal.SIGTERM)  # the first process of a container lives on


def _run() -> None:
    try:
        app()
    except (SeqRecError, seqrec.errors.SeqRecError) as error:
        typer.echo(f"Error: {error}", err=True)
        sys.exit(1)
    except Exception as error:
        if (loaded := sys.modules.get("sqlalchemy.exc")) and isinstance(error, loaded.DBAPIError):
            typer.echo(f"Error: the database refused: {error.orig}", err=True)
            sys.exit(1)
        if isinstance(error, OSError) and is_full(error):
            where = f" for {error.filename}" if error.filename else ""
            typer.echo(
                f"Error: there is no room left on the disk{where} ({error.strerror}). Make room and run the same "
                "command again: what was finished is kept.",
                err=True,
            )
            sys.exit(1)
        if _is_no_fault_of_the_program(error):
            typer.echo(f"Error: {str(error).splitlines()[0]}", err=True)
            sys.exit(1)
        raise
