"""Cursors: opaque texts that say where the next page of a list begins."""

import base64
import binascii
import json

from seqrec.errors import InvalidField, InvalidRequest
from seqrec.limits import LARGEST_ID

LONGEST_CURSOR = 100
"""In characters; a real cursor is far shorter."""

Position = tuple[int, int]
"""The two values that order a list, of the last entry of a page; the second is 0 where one value is enough."""


def encode_cursor(position: Position) -> str:
    return base64.urlsafe_b64encode(json.dumps(position).encode()).decode().rstrip("=")


def decode_cursor(cursor: str | None) -> Position | None:
    """The position that `encode_cursor` was given; `InvalidRequest` for any other text."""
    if cursor is None:
        return None
    try:
        if len(cursor) > LONGEST_CURSOR:
            raise ValueError
        first, second = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        if not all(type(value) is int and abs(value) <= LARGEST_ID for value in (first, second)):
            raise ValueError
    except (ValueError, TypeError, RecursionError, binascii.Error) as error:
        problem = "not a cursor of this service; take next_cursor of the page before, or leave it out"
        raise InvalidRequest([InvalidField(field="query.cursor", message=problem)]) from error
    return first, second
