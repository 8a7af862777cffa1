"""Cursors: where the next page of a list begins, as a caller hands it back."""

import base64
import binascii
import json

from seqrec.errors import InvalidField, InvalidRequest
from seqrec.limits import LARGEST_ID, LATEST

LONGEST = 100
"""Characters of a cursor, of which it has far fewer."""

Place = tuple[int, int]
"""The values that a list is ordered by, of the last entry of a page."""


def cursor_of(place: Place) -> str:
    return base64.urlsafe_b64encode(json.dumps(place).encode()).decode().rstrip("=")


def place_of(cursor: str | None) -> Place | None:
    """What `cursor_of` was given; `InvalidRequest` for text that did not come from it."""
    if cursor is None:
        return None
    try:
        if len(cursor) > LONGEST:
            raise ValueError
        first, second = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        if not all(
            type(value) is int and abs(value) <= most for value, most in ((first, LATEST), (second, LARGEST_ID))
        ):
            raise ValueError
    except (ValueError, TypeError, RecursionError, binascii.Error) as error:
        problem = "not a cursor of this service; take next_cursor of the page before, or leave it out"
        raise InvalidRequest([InvalidField(field="query.cursor", message=problem)]) from error
    return first, second
