"""Ids of users and movies: the service's own are whole numbers, those of another system are text.

In JSON a number is an own id and a text an external one. A path, a query or a command line has only text: there, digits
alone are an own id, all else is external, and ``external:`` before a text says that it is external in any case.
"""

import re
from urllib.parse import quote

from seqrec.limits import LONGEST_EXTERNAL_ID

AnyId = int | str
"""The service's own id, or, as text, an external one."""

PREFIX = "external:"
"""Says in a path or a query that an external id follows, also where that is made of digits, or names a route."""

MOST_DIGITS = 100
"""Of a number that may be an own id, with zeros before it; Python reads no number of thousands of digits."""

_SIGN = r"[^\s/\x00-\x1f\x7f-\x9f]"
EXTERNAL_ID = rf"^{_SIGN}( *{_SIGN})*$"
"""Any text without a slash, which parts the segments of a path, and without control characters; spaces stand inside."""

EXTERNAL_ID_RULE = (
    f"an external id has 1 to {LONGEST_EXTERNAL_ID} characters, no slash, no control characters, "
    f"and no space at its beginning or end"
)

NAMED_EXTERNAL_ID = rf"^(?![0-9]+$|{PREFIX}){_SIGN}( *{_SIGN})*$"
"""An external id in a path or a query without the prefix."""


def is_external_id(text: str) -> bool:
    """Whether this may be the external id of a user or a movie."""
    return len(text) <= LONGEST_EXTERNAL_ID and re.fullmatch(EXTERNAL_ID[1:-1], text) is not None


def read_id(text: str) -> AnyId:
    """The id that a text of a path, a query or a command line names; neither kind is checked."""
    is_own = text.isascii() and text.isdecimal() and len(text) < MOST_DIGITS
    return int(text) if is_own else text.removeprefix(PREFIX)


def write_id(id_: AnyId) -> str:
    """The other way: what names this id in a query."""
    return f"{PREFIX}{id_}" if isinstance(id_, str) else str(id_)


class InvalidId(ValueError):
    """A text that can be no external id; says what one is."""


def segment(id_: AnyId) -> str:
    """The same as a segment of a path; `InvalidId`, since a slash in it would name another path."""
    if isinstance(id_, str) and not is_external_id(id_):
        raise InvalidId(EXTERNAL_ID_RULE)
    return quote(write_id(id_), safe="")
