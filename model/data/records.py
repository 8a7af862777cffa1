"""Reads text files with one record a line into tables and finds bad lines, in columns instead of line by line.

The readers of CSV libraries stop at the first bad line, or skip it. Here every line is read as a text first, so that
each can be reported with its number.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl
from polars.exceptions import ComputeError

from model.data.checks import Problems, Rule

LINES_AT_ONCE = 2_000_000
"""Lines that are split into fields together, which bounds the memory: all fields of 25 million lines take gigabytes."""

BATCH = 500_000
"""Lines of a file that is read in parts."""

NO_SEPARATOR = "\n"
"""Between fields there is what ends a line, which is in none, so that a line is read as one field."""

QUOTABLE = '("(?:[^"]|"")*"|[^",]*)'
"""Pattern of a field in a CSV file; a quotation mark inside a quoted field is doubled."""

_LINE_COLUMNS = ("number", "line", "legible", "complete")
_NO_RECORD = pl.DataFrame({"number": [1], "line": [""]}, schema_overrides={"number": pl.UInt32})


@dataclass(frozen=True)
class Layout:
    """The layout of a file.

    Attributes:
        fields: their names, in order.
        separator: between two fields.
        encoding: ``utf8``, or a codec that can decode every byte; a file in UTF-8 is read as such anyway.
        header: the first line; None if the file has none.
        quoted: whether a field may be in quotation marks, and may then contain the separator.
    """

    fields: tuple[str, ...]
    separator: str
    encoding: str
    header: str | None = None
    quoted: bool = False


@dataclass(frozen=True)
class RecordFile:
    """A file of records.

    Attributes:
        columns: expressions that convert the fields, which are texts.
        rules: for the columns.
    """

    name: str
    layout: Layout
    columns: tuple[pl.Expr, ...]
    rules: tuple[Rule, ...]

    def read(self, folder: Path, problems: Problems, more_rules: Sequence[Rule] = ()) -> pl.DataFrame:
        """Read the columns of all records; bad lines are added to ``problems``, and stay in the table.

        The table also has ``number``, the line's number from 1 on, and ``line``, its text.
        """
        path = folder / self.name
        lines = read_lines(path, self.layout.encoding)
        if self.layout.header is not None:
            problems.check(path, lines.head(1), [_is_header(self.layout.header)])
            lines = lines.slice(1)
        if lines.is_empty():
            problems.check(path, _NO_RECORD, [Rule(pl.lit(value=False), "the file has no records")])
        slices = [*lines.iter_slices(LINES_AT_ONCE)] or [lines]
        records = pl.concat([_split_fields(part, self.layout).select(*_LINE_COLUMNS, *self.columns) for part in slices])
        # The rules see all records at once: some compare a record with others, as for an id that occurs twice.
        problems.check(path, records, [*_line_rules(self.layout), *self.rules, *more_rules])
        return records

    def batches(self, folder: Path, problems: Problems, more_rules: Sequence[Rule] = ()) -> Iterator[pl.DataFrame]:
        """As `read`, so many records at a time that a file larger than memory can be read; rules see one line each."""
        path, is_first = folder / self.name, True
        illegible = pl.col("line").str.contains("\ufffd", literal=True)
        for lines in _scan(path).collect_batches(chunk_size=BATCH, maintain_order=True):
            records = lines
            if is_first and self.layout.header is not None:
                legible = lines.head(1).with_columns(legible=~illegible)
                problems.check(path, legible, [_is_header(self.layout.header)])
                records = lines.slice(1)
            is_first = False
            fields = _split_fields(records.with_columns(legible=~illegible), self.layout)
            records = fields.select(*_LINE_COLUMNS, *self.columns)
            problems.check(path, records, [*_line_rules(self.layout), *self.rules, *more_rules])
            yield records


def _is_header(header: str) -> Rule:
    unquoted = pl.col("line").str.replace_all('"', "", literal=True)
    return Rule(unquoted == header, f"the header is not {header}; `seqrec data convert` reads other columns")


def _line_rules(layout: Layout) -> list[Rule]:
    separator = "tabs" if layout.separator == "\t" else layout.separator
    return [
        Rule(pl.col("legible"), "the line is not in UTF-8"),
        Rule(pl.col("complete"), f"the line does not have {len(layout.fields)} fields separated by {separator}"),
    ]


def read_lines(path: Path, encoding: str) -> pl.DataFrame:
    """Every ``line`` with its ``number``, from 1 on, and whether it is ``legible`` in the encoding."""
    legible = pl.lit(value=True).alias("legible")
    try:
        # First of all in UTF-8: hardly any other text is by chance in UTF-8 too.
        return _decode(path, "utf8").with_columns(legible)
    except ComputeError:
        if encoding != "utf8":
            return _decode(path, encoding).with_columns(legible)
        # Some line is not in this encoding. Read again, with a replacement character for what cannot be decoded.
        illegible = pl.col("line").str.contains("\ufffd", literal=True)
        return _decode(path, "utf8-lossy").with_columns(legible=~illegible)


def _decode(path: Path, encoding: str) -> pl.DataFrame:
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


def _scan(path: Path) -> pl.LazyFrame:
    """The lines of a file as from `read_lines`; what is not in UTF-8 is replaced by a character that says so."""
    lines = pl.scan_csv(
        path,
        has_header=False,
        schema={"line": pl.String},
        separator=NO_SEPARATOR,
        quote_char=None,
        encoding="utf8-lossy",
        raise_if_empty=False,
    )
    return lines.select(pl.col("line").fill_null("")).with_row_index("number", offset=1)


def _split_fields(lines: pl.DataFrame, layout: Layout) -> pl.DataFrame:
    """Adds a column for every field, and ``complete``: whether the line has the right number of fields."""
    count, line = len(layout.fields), pl.col("line")
    quoted = layout.quoted and bool(lines["line"].str.contains('"', literal=True).any())
    if quoted:
        pattern = f"^{layout.separator.join([QUOTABLE] * count)}$"
        complete, split = line.str.contains(pattern), line.str.extract_groups(pattern)
    else:
        complete = line.str.count_matches(layout.separator, literal=True) == count - 1
        split = line.str.split_exact(layout.separator, count - 1)
    fields = split.struct.rename_fields(list(layout.fields))
    records = lines.with_columns(complete=complete, fields=fields).unnest("fields")
    return records.with_columns(_unquote(name) for name in layout.fields) if quoted else records


def _unquote(field: str) -> pl.Expr:
    text = pl.col(field)
    inner = text.str.strip_prefix('"').str.strip_suffix('"').str.replace_all('""', '"', literal=True)
    return pl.when(text.str.starts_with('"')).then(inner).otherwise(text)
