"""JSON Lines of ratings or events: one JSON object a line."""

import codecs
from collections.abc import Callable, Iterator
from typing import BinaryIO, TypeVar

from pydantic import ValidationError

from seqrec.errors import MOST_DETAILS, InvalidField
from seqrec.validation import invalid_fields

T = TypeVar("T")

LONGEST_LINE = 10_000
"""In bytes; a longer line is neither a rating nor an event."""

MOST_OF_LINE = len(codecs.BOM_UTF8) + LONGEST_LINE + 1
"""Bytes that are read of a line at once."""

MOST_BLANK_LINES = 10_000
"""A file of more is not one of ratings or events."""

OTHER_KINDS = {
    b"\x1f\x8b": "the file is compressed: unpack it first",
    b"PK\x03\x04": "the file is a zip archive: unpack it first",
    codecs.BOM_UTF16_LE: "the file is in UTF-16: save it in UTF-8",
    codecs.BOM_UTF16_BE: "the file is in UTF-16: save it in UTF-8",
}
"""By the first bytes of a file."""


def read_blocks(
    file: BinaryIO, read: Callable[[bytes], T], size: int, problems: list[InvalidField]
) -> Iterator[list[tuple[int, T]]]:
    """Line numbers and what ``read`` makes of the lines, ``size`` at a time.

    ``read`` raises pydantic's `ValidationError`; lines that cannot be read are appended to ``problems``. Blank lines
    are skipped, up to `MOST_BLANK_LINES`. After `MOST_DETAILS` problems the rest is not read.
    """
    block: list[tuple[int, T]] = []
    blank = 0
    for number, line in enumerate(_lines(file), start=1):
        if number == 1 and (kind := _other_kind(line)) is not None:
            problems.append(InvalidField(field="line 1", message=kind))
            return
        if len(line.rstrip(b"\r\n")) > LONGEST_LINE:
            problems.append(InvalidField(field=f"line {number}", message=f"is longer than {LONGEST_LINE:,} bytes"))
        elif not line.strip():
            blank += 1
            if blank > MOST_BLANK_LINES:
                problems.append(InvalidField(field=f"line {number}", message=f"more than {blank - 1:,} blank lines"))
                break
        else:
            try:
                block.append((number, read(line)))
            except ValidationError as error:
                problems += _problems(number, error)
        if len(block) == size or len(problems) >= MOST_DETAILS:
            yield block
            block = []
        if len(problems) >= MOST_DETAILS:
            return
    yield block


def _problems(number: int, error: ValidationError) -> Iterator[InvalidField]:
    for problem in invalid_fields(error.errors(), whole=""):
        field = ".".join(filter(None, [f"line {number}", problem.field]))
        yield InvalidField(field=field, message=problem.message)


def _lines(file: BinaryIO) -> Iterator[bytes]:
    """Without a byte order mark, and without going back: a file may be a pipe.

    A line that is longer than `LONGEST_LINE` is cut off, and is still longer.
    """
    mark = codecs.BOM_UTF8
    while part := file.readline(MOST_OF_LINE):
        yield part.removeprefix(mark)
        mark = b""
        while part and not part.endswith(b"\n"):
            part = file.readline(MOST_OF_LINE)


def _other_kind(line: bytes) -> str | None:
    """What is to be said of a file with this first line, if it is not text in UTF-8."""
    return next((message for beginning, message in OTHER_KINDS.items() if line.startswith(beginning)), None)
