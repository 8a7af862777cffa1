"""A backup in one file: a ZIP with the rows of every table, the served model, and the SHA-256 of each entry.

==========================  ========================================================================
``manifest.json``           format, revision of the schema, tables, the model, and each entry's SHA-256
``tables/NAME/0.parquet``   rows of a table, in parts, in the order of its key
``model/FILE``              the files of the artifact that was served
==========================  ========================================================================
"""

import errno
import hashlib
import io
import re
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import polars as pl
from pydantic import BaseModel, Field

from app.errors import ArchiveError
from app.jobs.transfer.rows import Carried
from app.storage.database import known_revisions
from model.files import UNZIPPING_ERRORS
from model.inference import artifact

FORMAT = 1
MANIFEST = "manifest.json"
MODEL_FILES = {f"model/{name}" for name in (*artifact.FILES, artifact.MANIFEST)}
OPTIONAL_FILES = {f"model/{artifact.FIRST_MOVIES}"}
VERSION = re.compile(r"\w[\w.+-]*")
"""Of a model: the name of one folder, and nothing that leads out of it."""


class Contents(BaseModel):
    """The manifest.

    Attributes:
        revision: of the database's schema.
        tables: names in the order in which they can be written, each with the number of its parts.
        model: version of the artifact that was served; None if there was none.
        pinned: version that was pinned.
        greatest_movie_id, greatest_user_id: the greatest ids that a movie and a user have ever had; 0 in a backup of a
            schema that does not keep them.
        files: SHA-256 of each other entry.
    """

    format: int = FORMAT
    seqrec: str
    created_at: datetime
    revision: str
    tables: dict[str, int] = Field(default_factory=dict)
    model: str | None = None
    pinned: str | None = None
    greatest_movie_id: int = 0
    greatest_user_id: int = 0
    files: dict[str, str] = Field(default_factory=dict)

    @property
    def carried(self) -> Carried:
        return Carried(self.pinned, self.greatest_movie_id, self.greatest_user_id)


class Writer:
    """Adds entries to an archive and notes them in its contents."""

    def __init__(self, file: zipfile.ZipFile, contents: Contents) -> None:
        self.contents = contents
        self._file = file

    def add_rows(self, table: str, part: pl.DataFrame) -> None:
        buffer = io.BytesIO()
        part.write_parquet(buffer)
        number = self.contents.tables[table]
        self._add(_part(table, number), buffer.getvalue())
        self.contents.tables[table] = number + 1

    def add_model(self, folder: Path, files: Iterable[str]) -> None:
        self.contents.model = folder.name
        for name in sorted(files):
            self._add(f"model/{name}", (folder / name).read_bytes())

    def _add(self, name: str, content: bytes) -> None:
        self._file.writestr(name, content)
        self.contents.files[name] = hashlib.sha256(content).hexdigest()


@contextmanager
def writing(path: Path, contents: Contents) -> Iterator[Writer]:
    """Write an archive; its manifest is the last entry, so that a file that was cut off has none."""
    with zipfile.ZipFile(path, "w") as file:
        writer = Writer(file, contents)
        yield writer
        file.writestr(MANIFEST, contents.model_dump_json(indent=2))


class Archive:
    """An archive whose entries are all there and whole."""

    def __init__(self, file: zipfile.ZipFile, contents: Contents) -> None:
        self.contents = contents
        self._file = file

    def rows(self, table: str) -> Iterator[pl.DataFrame]:
        for number in range(self.contents.tables[table]):
            yield pl.read_parquet(io.BytesIO(self._file.read(_part(table, number))))

    def write_model(self, folder: Path) -> None:
        """Write the files of the artifact into an empty folder."""
        for name in self.contents.files.keys() & (MODEL_FILES | OPTIONAL_FILES):
            (folder / name.removeprefix("model/")).write_bytes(self._file.read(name))


@contextmanager
def opened(path: Path) -> Iterator[Archive]:
    """A checked archive; `ArchiveError` if it is damaged, of a newer version, or not an archive of SeqRec."""
    with _named(f"{path} is not a backup of SeqRec, or only the beginning of one."):
        file = zipfile.ZipFile(path)
    with file:
        contents = _contents(file, path)
        _check(file, contents, path)
        yield Archive(file, contents)


def _contents(file: zipfile.ZipFile, path: Path) -> Contents:
    if MANIFEST not in file.namelist():
        raise ArchiveError(f"{path} is not a backup of SeqRec: it has no {MANIFEST}.")
    with _named(f"{path} is damaged: its {MANIFEST} cannot be read."):
        contents = Contents.model_validate_json(file.read(MANIFEST))
    if contents.format > FORMAT or contents.revision not in known_revisions():
        raise ArchiveError(f"{path} was written by SeqRec {contents.seqrec}, which is newer. Restore it with that one.")
    return contents


def _check(file: zipfile.ZipFile, contents: Contents, path: Path) -> None:
    expected = {_part(table, number) for table, parts in contents.tables.items() for number in range(parts)}
    if contents.model is not None:
        if not VERSION.fullmatch(contents.model):
            raise ArchiveError(f"{path} is damaged: {contents.model!r} is not the name of a model.")
        expected |= MODEL_FILES | (OPTIONAL_FILES & contents.files.keys())
    if not (expected == set(contents.files) == set(file.namelist()) - {MANIFEST}):
        raise ArchiveError(f"{path} is damaged: it lacks files that its {MANIFEST} names, or has others.")
    for name, digest in contents.files.items():
        other = f"{path} is damaged: {name} is not what was written. Use another copy."
        with _named(other), file.open(name) as entry:
            found = hashlib.file_digest(entry, "sha256").hexdigest()  # type: ignore[arg-type]
        if found != digest:
            raise ArchiveError(other)


@contextmanager
def _named(problem: str) -> Iterator[None]:
    """Damage as an `ArchiveError` that says this; what the disk cannot read is not damage of the file."""
    try:
        yield
    except UNZIPPING_ERRORS as error:
        raise ArchiveError(problem) from error
    except OSError as error:
        if error.errno not in (errno.EINVAL, None):  # a place before the file's beginning; what bzip2 cannot unpack
            raise
        raise ArchiveError(problem) from error


def _part(table: str, number: int) -> str:
    return f"tables/{table}/{number}.parquet"
