"""Tables of people's own data: finds them in a file, a folder or a zip archive, and reads them by polars, as texts."""

import csv
import gzip
import io
import json
import re
import shutil
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO, TextIO, cast

import polars as pl
from polars.exceptions import PolarsError

from model.errors import DataError
from model.files import UNZIPPING_ERRORS
from model.table_files import JSON_LINES, PARQUET, SEPARATED, SUFFIXES, find_tables, suffix_of, tables_of

SEPARATORS = ",\t;|"
ROWS_FOR_TYPES = 10_000
"""Rows of JSON Lines that are looked at for the names of columns: a later one may lack some."""

NUMBER = re.compile(r"-?\d+(\.\d+)?")
ENCODINGS = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
"""By the first bytes of a file."""

BLOCK = 1 << 20


@dataclass(frozen=True)
class Table:
    """A file with one table.

    Attributes:
        path: of the file, uncompressed or with ``.gz``.
        name: as people know it; that of a file in an archive begins with the archive's.
    """

    path: Path
    name: str

    @property
    def suffix(self) -> str:
        return suffix_of(self.path.name)

    @property
    def columns(self) -> list[str]:
        """Names of the columns; ``column_1`` and so on for a text file whose first line is not a header."""
        return self._schema.names()

    def has_moments(self, column: str) -> bool:
        """Whether the column is of dates with the time of day, of which `batches` has the seconds since 1970."""
        return isinstance(self._schema[column], pl.Datetime)

    @cached_property
    def _schema(self) -> pl.Schema:
        try:
            return self._scan().collect_schema()
        except PolarsError as error:
            raise self._unreadable(error) from error

    @property
    def has_header(self) -> bool:
        """False for a text file whose first line has a number in it: names of columns are none."""
        return self.suffix not in SEPARATED or not any(NUMBER.fullmatch(cell.strip()) for cell in self._first_record)

    def batches(self, columns: list[str], size: int) -> Iterator[pl.DataFrame]:
        """The columns as texts, ``size`` rows at a time, in the order of the file; null for an empty text."""
        frame = self._scan()
        texts = [as_text(name, dtype) for name, dtype in frame.select(columns).collect_schema().items()]
        if self.suffix not in PARQUET:  # no types: 3.0 is the id 3 in a column that had gaps
            texts = [text.str.replace(r"^(\d+)\.0$", "$1") for text in texts]
        try:
            yield from frame.select(texts).collect_batches(chunk_size=size, maintain_order=True)
        except PolarsError as error:
            raise self._unreadable(error) from error

    def _scan(self) -> pl.LazyFrame:
        if self.suffix in PARQUET:
            return pl.scan_parquet(self.path)
        if self.suffix in JSON_LINES:
            frame = pl.scan_ndjson(self.path, infer_schema_length=ROWS_FOR_TYPES)
            texts = dict.fromkeys(frame.collect_schema(), pl.String)  # a later row may be of another type
            return pl.scan_ndjson(self.path, schema=texts)
        return pl.scan_csv(
            self.path, separator=self._separator, has_header=self.has_header, infer_schema=False, raise_if_empty=True
        )

    @cached_property
    def _first_line(self) -> str:
        with _text(self.path) as file:
            return file.readline(BLOCK).removeprefix("\ufeff")

    @property
    def _separator(self) -> str:
        return max(SEPARATORS, key=self._first_line.count)

    @property
    def _first_record(self) -> list[str]:
        return next(csv.reader([self._first_line], delimiter=self._separator), [])

    def _unreadable(self, error: PolarsError) -> DataError:
        place = self._first_bad_line() if self.suffix not in PARQUET else None
        first = str(error).strip().splitlines()[0]
        return DataError(f"{self.name} cannot be read{place or ''}: {first}. Mend it or take it out.")

    def _first_bad_line(self) -> str | None:
        """Where polars, which names no line, has stopped; None if it cannot be told."""
        with _text(self.path) as file:
            if self.suffix in JSON_LINES:
                return next((f", line {number}" for number, line in enumerate(file, 1) if not _is_json(line)), None)
            return _first_wide_line(file, self._separator)


@contextmanager
def opened(source: Path, name: str | None = None) -> Iterator[list[Table]]:
    """The tables of a file, of a folder and the folders in it, or of a zip archive, by name.

    ``name`` is what a file's only table is called in place of the file's own name.
    They can be read within the block: archives, and files that are not in UTF-8, are copied to a temporary folder.
    Raises `DataError` if there is no table.
    """
    with TemporaryDirectory(prefix="seqrec-") as temporary:
        try:
            tables = _tables(source, Path(temporary), name)
        except (*UNZIPPING_ERRORS, gzip.BadGzipFile) as error:
            raise DataError(f"{source} cannot be unpacked: {error}.") from error
        if not tables:
            raise DataError(f"{source} has no table. Tables are files that end in {', '.join(sorted(SUFFIXES))}.")
        yield tables


def _tables(source: Path, temporary: Path, name: str | None) -> list[Table]:
    files = _unpacked(source, temporary) if zipfile.is_zipfile(source) else find_tables(source)
    root = source if source.is_dir() else source.parent
    return [
        Table(_in_utf8(file, temporary / f"{number}.txt"), name or _shown_name(file, root, temporary, source))
        for number, file in enumerate(files)
    ]


def _unpacked(archive: Path, folder: Path) -> list[Path]:
    with zipfile.ZipFile(archive) as content:
        members = [name for name in content.namelist() if suffix_of(name) in SUFFIXES and "__MACOSX" not in name]
        return tables_of(Path(content.extract(name, folder)) for name in members)


def _shown_name(file: Path, root: Path, temporary: Path, source: Path) -> str:
    if file.is_relative_to(temporary):
        return f"{source.name}/{file.relative_to(temporary)}"
    return str(file.relative_to(root))


@contextmanager
def _text(path: Path) -> Iterator[io.TextIOWrapper]:
    with _binary(path) as file, io.TextIOWrapper(file, "utf-8", errors="replace", newline="") as text:
        yield text


def _binary(path: Path) -> BinaryIO:
    return cast(BinaryIO, gzip.open(path) if path.suffix.lower() == ".gz" else path.open("rb"))


def _in_utf8(path: Path, copy: Path) -> Path:
    """The file itself if it is in UTF-8 or Parquet; else a copy in UTF-8, of what is taken for Windows-1252."""
    if suffix_of(path.name) in PARQUET or (encoding := _encoding(path)) == "utf-8":
        return path
    copy = copy.with_suffix(suffix_of(path.name))
    with (
        _binary(path) as file,
        io.TextIOWrapper(file, encoding, errors="replace", newline="") as text,
        copy.open("w", encoding="utf-8", newline="") as written,
    ):
        shutil.copyfileobj(text, written, BLOCK)
    return copy


def _encoding(path: Path) -> str:
    with _binary(path) as file:
        beginning = file.read(2)
    if beginning in ENCODINGS:
        return ENCODINGS[beginning]
    try:
        with _binary(path) as file, io.TextIOWrapper(file, "utf-8", newline="") as text:
            while text.read(BLOCK):
                pass
    except UnicodeDecodeError:
        return "windows-1252"
    return "utf-8"


def as_text(name: str, dtype: pl.DataType) -> pl.Expr:
    """The column of this type as texts without spaces around them; null for an empty one."""
    column = pl.col(name)
    if isinstance(dtype, pl.Datetime):
        return (column.dt.epoch("us") / 1e6).cast(pl.String)
    if isinstance(dtype, pl.List):
        return column.cast(pl.List(pl.String)).list.join("|")
    if dtype.is_float():  # 3.0 is the id 3 in a column that had gaps
        whole = pl.when(column.fill_nan(None) % 1 == 0).then(column.cast(pl.Int64, strict=False).cast(pl.String))
        return whole.otherwise(column.fill_nan(None).cast(pl.String))
    text = column.cast(pl.String).str.strip_chars()
    return pl.when(text != "").then(text).alias(name)


def _first_wide_line(file: TextIO, separator: str) -> str | None:
    records = csv.reader(file, delimiter=separator)
    width = len(next(records, []))
    wide = (records.line_num for record in records if len(record) > width)
    try:
        return next((f", line {number} has more than {width} fields" for number in wide), None)
    except csv.Error:  # too long a field: a quotation mark is not closed
        return f", line {records.line_num}"


def _is_json(line: str) -> bool:
    try:
        return not line.strip() or isinstance(json.loads(line.removeprefix("\ufeff")), dict)
    except ValueError:
        return False
