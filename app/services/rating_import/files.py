"""From the bytes of an export to its texts: archives, encodings, and what is not an export at all."""

import codecs
import re
import zipfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import PurePosixPath
from typing import NamedTuple

from model.files import UNZIPPING_ERRORS
from seqrec.errors import InvalidField, InvalidRequest

LARGEST_UNPACKED = 64 << 20
"""Bytes of all files of an archive that are read, together."""

MOST_MEMBERS = 1000
"""Files of an archive. That of Letterboxd has a few dozen: one for each list."""

SUFFIXES = {".csv", ".tsv", ".txt", ".json"}

LETTERBOXD = {"ratings.csv", "watched.csv", "watchlist.csv"}
"""What is read of the archive of Letterboxd; its other files repeat these, or have no ratings."""

OTHER_FOLDERS = {"__MACOSX", "deleted", "orphaned", "likes", "lists"}
"""Folders of archives whose files do not say what the user thinks."""

ARCHIVE = re.compile(rb"PK(\x03\x04|\x05\x06|\x06\x06|\x07\x08|00PK\x03\x04)")
"""How zip files begin: with a file, without any, without any in 64 bits, and as one of several parts (the last two)."""

BOUNDED = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
"""Compressions that are unpacked piece by piece; of the others a kilobyte may become gigabytes at once."""

DIRECTORY_ENTRY = b"PK\x01\x02"

ENCRYPTED = 1
"""Bit of the flags of a member that has a password."""

OTHER_KINDS = {
    b"\x89PNG": "a picture",
    b"\xff\xd8\xff": "a picture",
    b"GIF8": "a picture",
    b"RIFF": "a picture or a recording",
    b"%PDF": "a PDF",
    b"\x1f\x8b": "compressed by gzip: unpack it first",
    b"\xd0\xcf\x11\xe0": "a workbook of Excel: save it as CSV",
    b"SQLite format 3": "a database",
}
"""By the first bytes of a file."""

WEB_PAGE = re.compile(r"\s*<(!doctype|html|head|body|\?xml)", re.IGNORECASE)
CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f]")


class Text(NamedTuple):
    """A file of an export; the name is empty where it is not known."""

    name: str
    content: str


def refused(problem: str) -> InvalidRequest:
    """The error for a file that is not an export, or cannot be read."""
    return InvalidRequest([InvalidField(field="body", message=problem)])


def texts_of(content: bytes, name: str = "") -> list[Text]:
    """The text of a file, or those of a zip archive; `InvalidRequest` says what the file is if it is not an export."""
    if not content.strip():
        raise refused("the file is empty")
    if ARCHIVE.match(content):
        return [Text(member, decode(part)) for member, part in _members(content)]
    return [Text(name, decode(content))]


def decode(content: bytes) -> str:
    """In UTF-16 by its mark, else in UTF-8; lines that are in neither are taken for Windows-1252."""
    for beginning, kind in OTHER_KINDS.items():
        if content.startswith(beginning):
            raise refused(f"the file is {kind}")
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        text = content.decode("utf-16", errors="replace")
    else:
        content = content.removeprefix(codecs.BOM_UTF8)
        try:
            text = content.decode()
        except UnicodeDecodeError:
            text = "\n".join(map(_decode_line, content.split(b"\n")))
    if WEB_PAGE.match(text):
        raise refused("the file is a web page: download the export itself")
    if CONTROL.search(text):
        raise refused("the file is not text")
    return text


def _decode_line(line: bytes) -> str:
    try:
        return line.decode()
    except UnicodeDecodeError:
        return line.decode("windows-1252", errors="replace")


def _members(content: bytes) -> Iterator[tuple[str, bytes]]:
    """Names and contents of the files in an archive that may be exports."""
    # Before the archive is opened: its directory alone may take many times as much memory as the archive.
    if content.count(DIRECTORY_ENTRY) > MOST_MEMBERS:
        raise refused(f"the archive has more than {MOST_MEMBERS:,} files")
    left = LARGEST_UNPACKED
    try:
        with zipfile.ZipFile(BytesIO(content)) as archive:
            for path, member in _exports(archive.infolist()):
                if member.flag_bits & ENCRYPTED:
                    raise refused("the archive has a password: unpack it first")
                if member.compress_type not in BOUNDED:
                    raise refused("the archive is compressed in an unusual way: unpack it first")
                with archive.open(member) as file:
                    part = file.read(left + 1)
                left -= len(part)
                if left < 0:
                    raise refused(f"the archive has more than {LARGEST_UNPACKED >> 20} MiB when it is unpacked")
                yield path.name, part
    except UNZIPPING_ERRORS as error:
        raise refused(f"the archive cannot be unpacked ({error})") from error


def _exports(members: list[zipfile.ZipInfo]) -> list[tuple[PurePosixPath, zipfile.ZipInfo]]:
    """Each with its path, which may be spelt otherwise in the archive: ``./ratings.csv``."""
    paths = [(PurePosixPath(member.filename), member) for member in members]
    if any(path.parts[:1] == ("xl",) for path, _ in paths):
        raise refused("the file is a workbook of Excel: save it as CSV")
    tables = [
        (path, member)
        for path, member in paths
        if path.suffix.lower() in SUFFIXES and OTHER_FOLDERS.isdisjoint(path.parts)
    ]
    if not tables:
        raise refused("the archive has no CSV or JSON file")
    return [(path, member) for path, member in tables if path.name.lower() in LETTERBOXD] or tables
