"""Engine, sessions and schema."""

import logging
import math
import shutil
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from sqlite3 import SQLITE_BUSY, SQLITE_FULL, SQLITE_IOERR_SHMSIZE, SQLITE_IOERR_WRITE
from sqlite3 import Connection as SQLiteConnection
from typing import Any, Literal, TypeVar, TypeVarTuple

import psycopg
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import (
    BindParameter,
    Connection,
    Engine,
    Row,
    Select,
    bindparam,
    create_engine,
    event,
    make_url,
    select,
    text,
)
from sqlalchemy.engine import URL, ExceptionContext
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError, NoSuchModuleError, OperationalError
from sqlalchemy.orm import Session, sessionmaker

from app import deadline
from app.errors import DatabaseError
from app.storage.tables import Revision
from seqrec.errors import DatabaseUnavailable, Overloaded, StorageFull

logger = logging.getLogger(__name__)

MIGRATIONS = Path(__file__).parents[2] / "migrations"
SQLITE_WAIT_SECONDS = 15
"""For the write lock: at once, without a look at whether the process is to end."""

POSTGRES_WAIT_SECONDS = 10
KEEPALIVES = {"keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3}
"""Seconds, and attempts: a server that has vanished is noticed within a minute, and firewalls keep idle connections."""

MOST_CONNECTIONS = 15
"""Of a process, unless the address says another number; SQLAlchemy's own, which SQLite has, is the same."""

TURN_LOCK = 7_365_717_265
"""Key of PostgreSQL's advisory lock; a number that nobody else is likely to choose."""

MOST_WAITING_WRITERS = 24
"""Of a process. Each holds one of 40 threads, and readers need some too."""

LEAST_ROOM = 1 << 20
"""Bytes on the disk of SQLite's file; with less, the service is not ready."""

ATTEMPTS = 20
"""How often a write that takes a free id is tried."""

T = TypeVar("T")
Columns = TypeVarTuple("Columns")
Synchronous = Literal["FULL", "NORMAL"]

WRITES = "seqrec_writes"
"""Execution option of connections whose transactions write."""

SQLITE_WITHOUT_ROOM = {SQLITE_FULL, SQLITE_IOERR_WRITE, SQLITE_IOERR_SHMSIZE}
"""The first for a full disk; the others for a quota that is used up, and for a full disk when a file is opened."""

WAIT_SECONDS = "seqrec_wait_seconds"
"""Execution option of an engine: how long a write waits for its turn."""

CONNECTIONS = "seqrec_connections"
"""Execution option of an engine: how many connections a process may have at once."""

POOL_PARAMETERS = ("pool", "pgbouncer")
PASSWORDS = ("password", "sslpassword")
"""Parameters of a PostgreSQL address that are secret."""

LEAST_POOL, LARGEST_POOL = 2, 1000

LIMITS = ("statement_timeout", "lock_timeout")


def connect(url: str, timeout: float | None = None, synchronous: Synchronous = "FULL") -> Engine:
    """Create an engine for SQLite or PostgreSQL; opens no connection yet.

    ``timeout`` is the longest time in seconds to wait for a connection, a lock or a statement; None for a job that may
    take as long as it takes. ``synchronous`` is SQLite's: a write that is answered survives a power loss with ``FULL``;
    with ``NORMAL`` the last ones may be lost, never half of one.

    Two parameters of a PostgreSQL address are not the driver's but this function's: ``pool`` is the most connections of
    a process, and ``pgbouncer=true`` says that a pooler gives each transaction another session.
    """
    parsed = _supported(url)
    waiting = {} if timeout is None else {WAIT_SECONDS: timeout}
    if parsed.get_backend_name() == "postgresql":
        return _connect_postgres(parsed, timeout, waiting)
    longest_wait = SQLITE_WAIT_SECONDS if timeout is None else timeout
    pooled = {} if sqlite_file(parsed) is None else {"pool_timeout": longest_wait}  # memory has one connection a thread
    engine = create_engine(parsed, connect_args={"timeout": longest_wait}, execution_options=waiting, **pooled)
    event.listen(engine, "connect", partial(_prepare_sqlite, synchronous, longest_wait))
    event.listen(engine, "begin", _wait_and_begin_sqlite if timeout is None else _begin_sqlite)
    event.listen(engine, "handle_error", _name_full_disk)
    return engine


def _connect_postgres(url: URL, timeout: float | None, waiting: dict[str, float]) -> Engine:
    most, pooled = _pool(url), _is_pooled(url)
    engine = create_engine(
        url.difference_update_query(POOL_PARAMETERS).set(drivername="postgresql+psycopg"),
        pool_pre_ping=True,
        pool_size=most - most_writers(most),
        max_overflow=most_writers(most),
        pool_timeout=POSTGRES_WAIT_SECONDS if timeout is None else timeout,
        connect_args=_postgres_options(timeout, pooled=pooled),
        execution_options={**waiting, CONNECTIONS: most},
    )
    if pooled and timeout is not None:
        event.listen(engine, "begin", partial(_limit_transaction, timeout))
    event.listen(engine, "handle_error", _name_full_disk)
    return engine


def _pool(url: URL) -> int:
    value = url.query.get("pool", str(MOST_CONNECTIONS))
    if not isinstance(value, str) or not value.isdecimal() or not LEAST_POOL <= int(value) <= LARGEST_POOL:
        raise DatabaseError(
            f"The parameter pool of SEQREC_DATABASE_URL is the most connections of a process: a whole number from "
            f"{LEAST_POOL} to {LARGEST_POOL}, as in ?pool=30."
        )
    return int(value)


def _is_pooled(url: URL) -> bool:
    value = url.query.get("pgbouncer", "false")
    if value not in ("true", "false"):
        raise DatabaseError("The parameter pgbouncer of SEQREC_DATABASE_URL is true or false.")
    return value == "true"


def most_connections(engine: Engine) -> int:
    """How many connections a process may have at once."""
    most: int = engine.get_execution_options().get(CONNECTIONS, MOST_CONNECTIONS)
    return most


def most_writers(connections: int) -> int:
    """How many of them may write. Writers wait for each other's locks, and leave a third to readers, who do not."""
    return connections - math.ceil(connections / 3)


def _postgres_options(timeout: float | None, *, pooled: bool) -> dict[str, Any]:
    # A server that was set up without a locale would answer bytes in place of text.
    options: dict[str, Any] = {
        "client_encoding": "utf8",
        "connect_timeout": POSTGRES_WAIT_SECONDS,
        **KEEPALIVES,
    }
    if pooled:
        options["prepare_threshold"] = None  # a statement prepared in one session is not there in the next
    if timeout is not None:
        options |= {
            "connect_timeout": max(math.ceil(timeout), 2),  # libpq's least
            "tcp_user_timeout": _milliseconds(timeout),
        }
        if not pooled:
            options["options"] = " ".join(f"-c {name}={_milliseconds(timeout)}" for name in LIMITS)
    return options


def _limit_transaction(timeout: float, connection: Connection) -> None:
    # A session's own setting would stay with the next client of the pooler, or be refused by it.
    settings = (f"set_config('{name}', '{_milliseconds(timeout)}', true)" for name in LIMITS)
    connection.exec_driver_sql(f"SELECT {', '.join(settings)}")


def _milliseconds(seconds: float) -> int:
    return math.ceil(1000 * seconds)


def _supported(url: str) -> URL:
    try:
        parsed = make_url(url)
        backend = parsed.get_backend_name()
    except (ArgumentError, NoSuchModuleError, ValueError):
        backend = ""
    if backend not in ("sqlite", "postgresql"):
        raise DatabaseError(
            "SEQREC_DATABASE_URL is neither SQLite (sqlite:///data/seqrec.db) "
            "nor PostgreSQL (postgresql://user:password@host:5432/name)."
        )
    if backend == "sqlite" and parsed.host:
        raise DatabaseError("SEQREC_DATABASE_URL has a slash too few: a file is sqlite:///data/seqrec.db.")
    if "@" in (parsed.host or ""):  # the error must not show it: half of it is the password
        raise DatabaseError(
            "SEQREC_DATABASE_URL has more than one @. Write those of the user or the password as %40, : as %3A, "
            "and / as %2F."
        )
    return parsed


def sqlite_file(url: URL) -> Path | None:
    """The file of a SQLite database; None for one in memory, and for PostgreSQL."""
    on_disk = url.get_backend_name() == "sqlite" and url.database not in (None, "", ":memory:")
    return Path(str(url.database)) if on_disk else None


def _prepare_sqlite(synchronous: Synchronous, longest_wait: float, connection: SQLiteConnection, _: object) -> None:
    connection.isolation_level = None  # leave BEGIN to `_begin_sqlite`: the driver's own skips schema changes
    _use_write_ahead_log(connection, longest_wait)
    connection.execute(f"PRAGMA synchronous={synchronous}")
    connection.execute("PRAGMA foreign_keys=ON")


def _use_write_ahead_log(connection: SQLiteConnection, longest_wait: float) -> None:
    # Where two processes create the file at once, SQLite refuses one of them this change without the usual wait.
    latest = time.monotonic() + longest_wait
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != SQLITE_BUSY or time.monotonic() > latest:
                raise
            time.sleep(0.01)
        else:
            return


def _begin_sqlite(connection: Connection) -> None:
    # A transaction that reads first and writes later fails at once, without waiting, if another one has written in
    # between. BEGIN IMMEDIATE takes the write lock at the start, and waits for it.
    writes = connection.get_execution_options().get(WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _wait_and_begin_sqlite(connection: Connection) -> None:
    """The same for a job, which waits as long as another process writes; an interrupt is noticed."""
    while True:
        try:
            _begin_sqlite(connection)
        except OperationalError as error:
            if getattr(error.orig, "sqlite_errorcode", None) != SQLITE_BUSY:
                raise
            logger.warning("another process writes to the database; waiting until it is done")
        else:
            return


def _name_full_disk(context: ExceptionContext) -> StorageFull | None:
    """What an engine raises in place of the driver's error where the disk is full, at a statement or a commit."""
    error = context.original_exception
    if getattr(error, "sqlite_errorcode", None) in SQLITE_WITHOUT_ROOM or isinstance(error, psycopg.errors.DiskFull):
        return StorageFull()
    return None


class Database:
    """Transactions on an engine: ``with database.reads() as session`` or ``writes()``; an error rolls back."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        postgres = engine.dialect.name == "postgresql"
        self._writers = threading.Semaphore(most_writers(most_connections(engine)) if postgres else 1)
        usual = POSTGRES_WAIT_SECONDS if postgres else None
        self._wait_seconds: float | None = engine.get_execution_options().get(WAIT_SECONDS, usual)
        self._waiting_writers = threading.Semaphore(MOST_WAITING_WRITERS)
        self.writes_done = 0
        self._reading = sessionmaker(engine)
        self._writing = sessionmaker(engine.execution_options(**{WRITES: True}))

    @contextmanager
    def reads(self, *, long: bool = False) -> Iterator[Session]:
        """A transaction that reads; a ``long`` one may have statements that take long."""
        with self._reading.begin() as session:
            if long:
                _let_take_long(session)
            yield session

    @contextmanager
    def writes(self, *, long: bool = False) -> Iterator[Session]:
        """A transaction that writes; a ``long`` one may have statements that take long.

        SQLite has one writer at a time, PostgreSQL several. The others wait here, so that they hold no connection that
        readers could use: `DatabaseUnavailable` after too long a wait, `Overloaded` if too many wait already.
        `StorageFull` if the disk has no room for it, `TimedOut` if the request was given up meanwhile.
        """
        if not self._waiting_writers.acquire(blocking=False):
            raise Overloaded
        try:
            if not self._writers.acquire(timeout=self._wait_seconds):
                raise DatabaseUnavailable
        finally:
            self._waiting_writers.release()
        of_request = deadline.current()
        try:
            with self._writing.begin() as session:
                if long:
                    _let_take_long(session)
                yield session
                of_request.begin_commit()
        finally:
            of_request.end_commit()
            self.writes_done += 1  # after the commit: who sees the number sees what was written
            self._writers.release()

    def write_with_free_id(self, write: Callable[[Session], T]) -> T:
        """Run ``write`` in a transaction and return its result; try again if another one has taken the same free id."""
        for _ in range(ATTEMPTS - 1):
            try:
                with self.writes() as session:
                    return write(session)
            except IntegrityError:
                continue
        with self.writes() as session:
            return write(session)


IDS: BindParameter[int] = bindparam("ids", expanding=True)
"""In a statement for `rows_of`: some ids."""


def rows_of(session: Session, statement: Select[*Columns], ids: Iterable[int]) -> Sequence[Row[*Columns]]:
    """The rows of a statement of columns with these `IDS`.

    For what requests wait for. A statement that is there once is read once, and a connection looks for no entities in
    its columns: together a third of the time of a statement that is built for a session.
    """
    return session.connection().execute(statement, {"ids": list(ids)}).all()


def _let_take_long(session: Session) -> None:
    """Lift the limit on statements for this transaction."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("SET LOCAL statement_timeout = 0"))


@contextmanager
def reading_one_moment(engine: Engine) -> Iterator[Connection]:
    """A transaction whose statements all read the same state, whatever others write meanwhile."""
    # SQLite reads one state of the database in every transaction.
    isolation = {"isolation_level": "REPEATABLE READ"} if engine.dialect.name == "postgresql" else {}
    with engine.connect().execution_options(**isolation) as connection:
        yield connection


def known_revisions() -> list[str]:
    """The revisions of the schema that this version of SeqRec knows, the newest first."""
    return [one.revision for one in ScriptDirectory.from_config(alembic_config()).walk_revisions()]


def upgrade(engine: Engine) -> bool:
    """Migrate the schema to the newest revision; True if it was behind. Creates a SQLite file and its folder."""
    if (file := sqlite_file(engine.url)) is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
    if current_revision(engine) == newest_revision():
        return False
    try:
        with engine.execution_options(**{WRITES: True}).begin() as connection:
            wait_for_turn(connection)
            if MigrationContext.configure(connection).get_current_revision() == newest_revision():
                return False
            config = alembic_config()
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    except CommandError as error:
        raise DatabaseError(
            f"The database {public_url(engine)} cannot be upgraded: {error}. "
            f"If a newer SeqRec created it, use that version."
        ) from error
    return True


def wait_for_turn(connection: Connection) -> None:
    """Until no other transaction migrates or fills the database; SQLite's has waited already, since it `WRITES`."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": TURN_LOCK})


def require_current(engine: Engine) -> None:
    """Raise `DatabaseError` unless the database answers and its schema serves this version; creates none.

    That is the newest schema that this version knows, or one that a newer version has only added to.
    """
    if (file := sqlite_file(engine.url)) is not None and not file.exists():
        raise DatabaseError(
            f"There is no database {public_url(engine)}. Is SEQREC_DATABASE_URL right? If so, it is still to be "
            f"created. Run: seqrec db upgrade"
        )
    current, newest = current_revision(engine), newest_revision()
    if current == newest:
        return
    if current is not None and not _is_known(current):
        _require_serves(engine, current)
        return
    state = f"at revision {current}" if current else "empty"
    raise DatabaseError(
        f"The database {public_url(engine)} is {state}, this version of SeqRec needs {newest}. Run: seqrec db upgrade"
    )


def require_newest(engine: Engine) -> None:
    """Raise `DatabaseError` unless the schema is the newest that this version knows: for jobs that read all of it."""
    require_current(engine)
    if (current := current_revision(engine)) != newest_revision():
        raise DatabaseError(
            f"The database {public_url(engine)} is at revision {current} of a newer SeqRec, and this version "
            f"knows only a part of it. Use the newer one."
        )


def _require_serves(engine: Engine, current: str) -> None:
    """Raise `DatabaseError` if the schema, which a newer version has made, no longer serves this one."""
    with engine.connect() as connection:
        oldest = connection.scalar(select(Revision.oldest_code))
    if oldest is None or not _is_known(oldest):
        raise DatabaseError(
            f"The database {public_url(engine)} is at revision {current} of a newer SeqRec, which no longer serves "
            f"this version. Update SeqRec, or take the schema back with the newer version: alembic downgrade"
        )


def require_room(engine: Engine) -> None:
    """Raise `StorageFull` if the disk of SQLite's file is all but full; PostgreSQL's is a matter of its own."""
    file = sqlite_file(engine.url)
    if file is not None and shutil.disk_usage(file.parent).free < LEAST_ROOM:
        raise StorageFull


def current_revision(engine: Engine) -> str | None:
    """The revision of the database's schema; None for an empty database."""
    try:
        with engine.connect() as connection:
            return MigrationContext.configure(connection).get_current_revision()
    except DBAPIError as error:
        raise DatabaseError(
            f"The database {public_url(engine)} does not answer: {error.orig}. Is it running, and is "
            f"SEQREC_DATABASE_URL right?"
        ) from error


def newest_revision() -> str | None:
    return ScriptDirectory.from_config(alembic_config()).get_current_head()


def _is_known(revision: str) -> bool:
    """Whether this version has such a migration."""
    try:
        return ScriptDirectory.from_config(alembic_config()).get_revision(revision) is not None
    except CommandError:
        return False


def alembic_config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    return config


def public_url(engine: Engine) -> str:
    """The engine's address without its passwords."""
    return engine.url.difference_update_query(PASSWORDS).render_as_string(hide_password=True)
