"""Locks between processes. The kernel holds them, and releases each when its process ends, however that happens."""

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO

from sqlalchemy import Engine

from app.errors import DatabaseBusy
from app.storage.database import public_url, sqlite_file

ATTEMPTS, PAUSE_SECONDS = 5, 0.05
"""`is_locked` holds a lock for a moment, to see whether it is free: whoever wants it tries again."""


@contextmanager
def lock(path: Path, taken: Callable[[str], Exception]) -> Iterator[None]:
    """Hold the lock that this file stands for; raises what ``taken`` makes of the id of the process that has it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    for _ in range(ATTEMPTS):
        with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o644), "r+") as file:
            if _try_lock(file, fcntl.LOCK_EX) and _is_there(file, path):
                file.truncate()
                file.write(str(os.getpid()))
                file.flush()
                yield
                return
            holder = file.read()
        time.sleep(PAUSE_SECONDS)
    raise taken(holder)


def _is_there(file: IO[str], path: Path) -> bool:
    """Whether the path still leads to this file: who held the lock may have deleted it, and others lock a new one."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def is_locked(path: Path) -> bool:
    try:
        with path.open() as file:
            return not _try_lock(file, fcntl.LOCK_SH)
    except OSError:
        return False


@contextmanager
def bulk_writing(engine: Engine) -> Iterator[None]:
    """Hold the right to write many rows into SQLite's file from the command line; `DatabaseBusy` says who has it.

    On PostgreSQL there is nothing to hold: transactions wait for each other, as long as it takes.
    """
    file = sqlite_file(engine.url)
    if file is None:
        yield
        return
    with lock(file.with_name(f"{file.name}.lock"), partial(DatabaseBusy, public_url(engine))):
        yield


def _try_lock(file: IO[str], kind: int) -> bool:
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
