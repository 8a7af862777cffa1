"""How messages name what a caller gives: the options and files of the command line, or the library's arguments."""

from collections.abc import Callable
from typing import NamedTuple


class Wording(NamedTuple):
    """What messages call things.

    Attributes:
        option: writes an option of this name, and the values that it is given, as the caller would.
        ratings, items: the tables of ratings and of titles; None for the names of their files.
    """

    option: Callable[..., str]
    ratings: str | None = None
    items: str | None = None


def _option(name: str, *values: str) -> str:
    return " ".join([f"--{name}", *values])


def _argument(name: str, *values: str) -> str:
    match values:
        case ():
            value = "True"
        case (column,):
            value = f'"{column}"'
        case _:
            value = f"({', '.join(values)})"
    return f"{name.replace('-', '_')}={value}"


COMMAND_LINE = Wording(_option)
LIBRARY = Wording(_argument, ratings="The frame of ratings", items="The frame of items")
