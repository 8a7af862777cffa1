"""The command line as a page of Markdown: every command with its arguments, options, defaults and help.

Written by ``python -m app.cli.reference.commands > docs/cli.md``.
"""

import inspect
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import typer.main
from typer import Typer

from app.cli.reference.markdown import table

Command = Any
"""A command or a group as Typer builds it; its classes have no public home."""

BEGINNING = """\
# The command line

Written by `python -m app.cli.reference.commands` from the commands themselves; a test holds both together.
`seqrec COMMAND --help` prints the arguments and options of one command. Settings that commands share are in
[operations.md](operations.md#settings).

The command is `.venv/bin/seqrec`. Messages and progress go to standard error, results to standard output. With
`--json`, commands that print a table print one JSON object instead. `seqrec --install-completion` lets your shell
complete commands and options.
"""

DEFAULT_IN_HELP = re.compile(r"\s*\[(?:default: )?([^\[\]]+)\]$")
"""A default that the help text itself names, because it is only known when the command runs."""


def page(app: Typer) -> str:
    """Every command of the application, groups after the commands that stand alone."""
    root = typer.main.get_command(app)
    root.name = "seqrec"
    parts = [BEGINNING.strip(), _about(root)]
    if options := _rows(root):
        parts += ["## Options of `seqrec` itself", table(["option", "default", "what"], options)]
    parts += list(_commands(root, "seqrec"))
    return "\n\n".join(parts) + "\n"


def _commands(group: Command, path: str) -> Iterator[str]:
    ordered = sorted(group.commands.items(), key=lambda item: hasattr(item[1], "commands"))
    for name, command in ordered:
        if command.hidden:
            continue
        whole = f"{path} {name}"
        if hasattr(command, "commands"):
            yield from _commands(command, whole)
        else:
            yield _command(command, whole)


def _command(command: Command, path: str) -> str:
    usage = " ".join([path, *_usage(command)])
    parts = [f"## `{path}`", _about(command), f"```text\n{usage}\n```"]
    if rows := _rows(command):
        parts.append(table(["argument or option", "default", "what"], rows))
    return "\n\n".join(parts)


def _about(command: Command) -> str:
    return " ".join(inspect.cleandoc(command.help or "").split())


def _usage(command: Command) -> Iterator[str]:
    if any(_is_option(parameter) for parameter in command.params):
        yield "[OPTIONS]"
    for parameter in command.params:
        if not _is_option(parameter):
            name = _argument(parameter) + ("..." if parameter.nargs == -1 else "")
            yield name if parameter.required else f"[{name}]"


def _rows(command: Command) -> list[Sequence[str]]:
    shown = [parameter for parameter in command.params if not getattr(parameter, "hidden", False)]
    context = typer.Context(command)
    return [_row(parameter, context) for parameter in shown]


def _row(parameter: Command, context: typer.Context) -> Sequence[str]:
    about = " ".join((parameter.help or "").split())
    default = "required" if parameter.required else _default(parameter)
    if not default and (named := DEFAULT_IN_HELP.search(about)):
        default, about = named[1], about[: named.start()]
    return _title(parameter, context), default, f"{about.removesuffix('.')}{_range(parameter)}."


def _range(parameter: Command) -> str:
    low, high = getattr(parameter.type, "min", None), getattr(parameter.type, "max", None)
    if low is None and high is None:
        return ""
    return (
        f" ({low} to {high})"
        if None not in (low, high)
        else f" (at least {low})"
        if high is None
        else f" (at most {high})"
    )


def _title(parameter: Command, context: typer.Context) -> str:
    if not _is_option(parameter):
        return f"`{_argument(parameter)}`"
    names = ", ".join([*parameter.opts, *parameter.secondary_opts])
    if parameter.is_flag:
        return f"`{names}`"
    value = str(parameter.metavar or parameter.make_metavar(context)).strip("<>[]").replace("|", " or ")
    value = value.removesuffix(" range")
    return f"`{names} {value.upper() if value.isidentifier() else value}`"


def _argument(parameter: Command) -> str:
    return str(parameter.metavar or parameter.name.upper()).removesuffix("...")


def _default(parameter: Command) -> str:
    shown = getattr(parameter, "show_default", None)
    if isinstance(shown, str):
        return shown
    value = parameter.default
    shown_as_code = isinstance(value, str | int | float | Path) and value is not False
    return f"`{value}`" if shown_as_code else ""


def _is_option(parameter: Command) -> bool:
    return bool(parameter.param_type_name == "option")


if __name__ == "__main__":
    from app.cli import app as command_line

    sys.stdout.write(page(command_line))
