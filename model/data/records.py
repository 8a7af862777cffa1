"""Reads a text file of one record a line into a table, millions of lines at once, and finds the bad ones."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl
from polars.exceptions import ComputeError

from model.data.checks import Problems, Rule

ROWS_AT_ONCE = 2_000_000
"""Lines that are divided into fields together: the texts of all fields of 25 million lines need not be held at once."""

NO_SEPARATOR = "\x01"
"""A character that is in no file, so that a line is read as a whole."""

QUOTABLE = '("(?:[^"]|"")*"|[^",]*)'
"""A field of a CSV file."""

_KEPT = ("number", "line", "legible", "complete")
_NO_RECORD = pl.DataFrame({"number": [1], "line": [""]}, schema_overrides={"number": pl.UInt32})


@dataclass(frozen=True)
class Layout:
    """How a file is laid out.

    Attributes:
        fields: their names, in order.
        separator: what stands between two of them.
        encoding: ``utf8``, or a codec that knows every byte.
        header: the first line, which is no record; None where there is no such line.
        quoted: whether a field may stand in quotation marks, with the separator in it.
    """

    fields: tuple[str, ...]
    separator: str
    encoding: str
    header: str | None = None
    quoted: bool = False


@dataclass(frozen=True)
class RecordFile:
    """A file and what it says.

    Attributes:
        columns: what is made of the fields, which are texts.
        rules: what must hold of the columns.
    """

    name: str
    layout: Layout
    columns: tuple[pl.Expr, ...]
    rules: tuple[Rule, ...]

    def read(self, folder: Path, problems: Problems, more_rules: Sequence[Rule] = ()) -> pl.DataFrame:
        """The columns of every record, also of bad ones, which are added to the problems.

        Besides, ``number`` and ``line`` say where a record stands, from 1 on, and how it reads.
        """
        path = folder / self.name
        lines = _lines(path, self.layout.encoding)
        if self.layout.header is not None:
            right = Rule(pl.col("line") == self.layout.header, f"the header is not {self.layout.header}")
            problems.check(path, lines.head(1), [right])
            lines = lines.slice(1)
        if lines.is_empty():
            problems.check(path, _NO_RECORD, [Rule(pl.lit(value=False), "the file has no records")])
        parts = [*lines.iter_slices(ROWS_AT_ONCE)] or [lines]
        rows = pl.concat([_divided(part, self.layout).select(*_KEPT, *self.columns) for part in parts])
        problems.check(path, rows, [*_line_rules(self.layout), *self.rules, *more_rules])
        return rows


def _line_rules(layout: Layout) -> list[Rule]:
    separator = "tabs" if layout.separator == "\t" else layout.separator
    return [
        Rule(pl.col("legible"), "the line is not in UTF-8"),
        Rule(pl.col("complete"), f"the line does not have {len(layout.fields)} fields separated by {separator}"),
    ]


def _lines(path: Path, encoding: str) -> pl.DataFrame:
    """Every ``line`` with its ``number``, from 1 on, and whether it is ``legible`` in the encoding."""
    try:
        return _decoded(path, encoding).with_columns(legible=pl.lit(value=True))
    except ComputeError:
        illegible = pl.col("line").str.contains("\ufffd", literal=True)
        return _decoded(path, "utf8-lossy").with_columns(legible=~illegible)


def _decoded(path: Path, encoding: str) -> pl.DataFrame:
    lines = pl.read_csv(
        path,
        has_header=False,
        schema={"line": pl.String},
        separator=NO_SEPARATOR,
        quote_char=None,
        encoding=encoding,
        raise_if_empty=False,
    )
    return lines.select(pl.col("line").fill_null("")).with_row_index("number", offset=1)


def _divided(lines: pl.DataFrame, layout: Layout) -> pl.DataFrame:
    """With a column for every field, and whether the line is ``complete``: has as many of them as it should."""
    count, line = len(layout.fields), pl.col("line")
    if layout.quoted:
        pattern = f"^{layout.separator.join([QUOTABLE] * count)}$"
        complete, split = line.str.contains(pattern), line.str.extract_groups(pattern)
    else:
        complete = line.str.count_matches(layout.separator, literal=True) == count - 1
        split = line.str.split_exact(layout.separator, count - 1)
    fields = split.struct.rename_fields(list(layout.fields))
    divided = lines.with_columns(complete=complete, fields=fields).unnest("fields")
    return divided.with_columns(_unquoted(name) for name in layout.fields) if layout.quoted else divided


def _unquoted(field: str) -> pl.Expr:
    text = pl.col(field)
    inner = text.str.strip_prefix('"').str.strip_suffix('"').str.replace_all('""', '"', literal=True)
    return pl.when(text.str.starts_with('"')).then(inner).otherwise(text)
