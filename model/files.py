"""Writes files and folders whole or not at all, and computes their checksums."""

import errno
import hashlib
import lzma
import os
import shutil
import struct
import time
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
"""Numbers of the errors of a disk, a quota or a limit on files that leaves no room."""

UNZIPPING_ERRORS = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error),
    *(EOFError, RuntimeError, ValueError, OverflowError),
)
"""What `zipfile` raises for damage, which may look like a password, a compression that it does not know or a size.

What is compressed by bzip2 raises `OSError` besides, one without a number, which no disk raises.
"""

HALF_WRITTEN = ".*.writing"
"""Pattern of the names of temporary files, which stay where a process is killed."""


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Give a temporary file to write; it becomes ``path`` when the block ends, and is removed if the block raises.

    A reader sees the old file or the new one, and a crash of the machine leaves one of the two. Without room on the
    disk, an `OSError` names ``path``.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = _temporary(path)
    try:
        with _naming_full_disk(path):
            yield temporary
            _sync(temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    _sync(path.parent)


@contextmanager
def atomic_folder(path: Path, *, replace: bool = False) -> Iterator[Path]:
    """Give an empty temporary folder to fill; it becomes the folder ``path``, as in `atomic_write`.

    `FileExistsError` if there is such a folder already, unless ``replace`` is set: then the old one is deleted.
    """
    if path.exists() and not replace:
        raise FileExistsError(f"{path} exists already.")
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = _temporary(path)
    shutil.rmtree(temporary, ignore_errors=True)  # a killed process may have had the same id
    temporary.mkdir()
    try:
        with _naming_full_disk(path):
            yield temporary
            for file in temporary.rglob("*"):
                _sync(file)
                if file.is_file():  # some libraries let the owner alone read what they write
                    file.chmod(temporary.stat().st_mode & 0o666)
            _sync(temporary)
        if replace:
            shutil.rmtree(path, ignore_errors=True)  # no system call replaces a folder that holds files
        temporary.replace(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    _sync(path.parent)


def delete_half_written(folder: Path, unchanged_for: float) -> None:
    """Delete what killed processes have left half written in a folder.

    What was changed within ``unchanged_for`` seconds stays: a process that runs may be writing it.
    """
    for left in folder.glob(HALF_WRITTEN):
        with suppress(OSError):  # it was whole a moment later, or is of another user
            if time.time() - left.stat().st_mtime < unchanged_for:
                continue
            if left.is_dir():
                shutil.rmtree(left)
            else:
                left.unlink()


def is_full(error: OSError) -> bool:
    """Whether there is no room for what was to be written."""
    return error.errno in FULL


@contextmanager
def _naming_full_disk(path: Path) -> Iterator[None]:
    """An error for a full disk gets its number, which some libraries give as text alone, and the path."""
    try:
        yield
    except Exception as error:
        number = next((number for number in FULL if os.strerror(number) in str(error)), None)
        if number is None:
            raise
        raise OSError(number, os.strerror(number), str(path)) from error


def sha256(path: Path) -> str:
    """The SHA-256 of a file's content, hexadecimal; reads the file in blocks."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _temporary(path: Path) -> Path:
    """A name in the same folder, since a rename is atomic within one file system, and of this process alone."""
    return path.with_name(f".{path.name}.{os.getpid()}.writing")


def _sync(path: Path) -> None:
    """Wait until the disk holds a file's content or a folder's list of names."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
