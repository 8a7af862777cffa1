"""Reads every table of a database, and writes rows in the database's fastest way.

A new table takes part by itself: nothing here knows the tables by name, but for those that a database has of its own.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, cast

import polars as pl
import psycopg
from alembic import command
from alembic.runtime.migration import MigrationContext
from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Connection,
    Engine,
    Float,
    Integer,
    LargeBinary,
    String,
    Table,
    column,
    func,
    inspect,
    select,
    table,
    text,
    update,
)
from sqlalchemy import cast as cast_

from app.errors import DatabaseError
from app.storage.database import (
    WRITES,
    alembic_config,
    known_revisions,
    newest_revision,
    public_url,
    sqlite_file,
    wait_for_turn,
)
from app.storage.locks import bulk_writing
from app.storage.tables import Base, Dataset, Revision

ROWS_AT_ONCE = 50_000

COUNTERS = Revision.__tablename__
"""The one table that stays behind: it counts what has changed in its own database."""

OF_ITSELF = ("served_models", "retrainings", "signing_keys")
"""Tables that hold rows though no user was there yet, by a migration or the start of a service; these rows give way."""

TYPES: dict[type, pl.DataType] = {
    BigInteger: pl.Int64(),
    Integer: pl.Int64(),
    Float: pl.Float64(),
    String: pl.String(),
    Boolean: pl.Boolean(),
    LargeBinary: pl.Binary(),
    JSON: pl.String(),
}
"""A column's type in a frame, by its type in `app.storage.tables`."""


def tables() -> list[Table]:
    """All that move, each after those that it refers to."""
    return [one for one in Base.metadata.sorted_tables if one.name != COUNTERS]


def schema(of: Table) -> dict[str, pl.DataType]:
    """Types of the table's columns; `TypeError` for one that `TYPES` lacks."""
    return {own.name: _type(own) for own in of.columns}


def _type(own: Column[Any]) -> pl.DataType:
    for kind in type(own.type).__mro__:
        if kind in TYPES:
            return TYPES[kind]
    raise TypeError(f"No backup holds columns of the type of {own}: {own.type!r}. Add it to TYPES.")


def count(connection: Connection, of: Table) -> int:
    return connection.scalar(select(func.count()).select_from(of)) or 0


def read(connection: Connection, of: Table) -> Iterator[pl.DataFrame]:
    """The rows of a table in the order of its key, in parts."""
    columns = [cast_(own, String) if isinstance(own.type, JSON) else own for own in of.columns]
    query = select(*columns).order_by(*of.primary_key.columns)
    rows = connection.execution_options(yield_per=ROWS_AT_ONCE).execute(query)
    for part in rows.partitions():
        yield pl.DataFrame([tuple(row) for row in part], schema=schema(of), orient="row")


def write(connection: Connection, name: str, parts: Iterable[pl.DataFrame]) -> Iterator[int]:
    """Write rows into a table; yields the number written so far."""
    written = 0
    for part in parts:
        columns = ", ".join(f'"{one}"' for one in part.columns)
        if connection.dialect.name == "postgresql":
            cursor = cast(psycopg.Cursor, connection.connection.cursor())
            with cursor, cursor.copy(f'COPY "{name}" ({columns}) FROM STDIN (FORMAT csv)'.encode()) as copy:
                copy.write(_with_bytes_in_hexadecimal(part).write_csv(include_header=False))
        else:
            places = ", ".join("?" * part.width)
            connection.exec_driver_sql(f'INSERT INTO "{name}" ({columns}) VALUES ({places})', part.rows())  # noqa: S608 - names of tables
        written += len(part)
        yield written


def _with_bytes_in_hexadecimal(part: pl.DataFrame) -> pl.DataFrame:
    binary = [name for name, kind in part.schema.items() if kind == pl.Binary]
    return part.with_columns((pl.lit("\\x") + pl.col(name).bin.encode("hex")).alias(name) for name in binary)


@contextmanager
def filling(engine: Engine, revision: str, pinned: str | None) -> Iterator[Connection]:
    """A transaction that fills an empty database with rows of this revision's schema, and then upgrades it.

    It creates what is not there yet. ``pinned`` is the model that was pinned in the other database. `DatabaseError` if
    the database is not empty; an error leaves it as it was.
    """
    if (file := sqlite_file(engine.url)) is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
    with bulk_writing(engine), engine.execution_options(**{WRITES: True}).begin() as connection:
        wait_for_turn(connection)
        require_empty(connection, engine)
        _migrate(connection, revision)
        for name in set(OF_ITSELF) & set(inspect(connection).get_table_names()):
            connection.execute(table(name).delete())
        with at_once(connection):
            yield connection
        _continue_ids(connection)
        _migrate(connection, newest_revision() or revision)
        _carry_pin(connection, pinned)
        connection.exec_driver_sql("ANALYZE")


def _carry_pin(connection: Connection, pinned: str | None) -> None:
    """Pin the model that was pinned in the other database, and let every process that serves this one look again."""
    connection.execute(update(Revision).values(pinned=pinned, reloads=Revision.reloads + 1))


def require_empty(connection: Connection, engine: Engine) -> None:
    """Raise `DatabaseError` if the database holds anything but what it has of itself."""
    for name in set(inspect(connection).get_table_names()) - {*OF_ITSELF, COUNTERS, "alembic_version"}:
        if connection.scalar(select(text("1")).select_from(table(name)).limit(1)):
            raise DatabaseError(occupied(connection, engine))


def occupied(connection: Connection, engine: Engine) -> str:
    names = connection.scalars(select(Dataset.name).order_by(Dataset.loaded_at)).all()
    content = f"the data set {', '.join(names)}" if names else "users or movies"
    return (
        f"The database {public_url(engine)} already holds {content}, and a database holds one data set only. "
        f"Name an empty one, for example SEQREC_DATABASE_URL=sqlite:///data/another.db, or move this one away."
    )


def _migrate(connection: Connection, revision: str) -> None:
    """Move the schema of a database forward or, where it holds nothing, back to this revision.

    `DatabaseError` if a newer version of SeqRec has created it.
    """
    config = alembic_config()
    config.attributes["connection"] = connection
    current = MigrationContext.configure(connection).get_current_revision()
    newest_first = known_revisions()
    if current is not None and current not in newest_first:
        raise DatabaseError(
            f"The database {public_url(connection.engine)} is at revision {current}: a "
            f"newer SeqRec created it. Use that version, or an empty database."
        )
    if current is not None and newest_first.index(current) < newest_first.index(revision):
        command.downgrade(config, revision)
    elif current != revision:
        command.upgrade(config, revision)


def _continue_ids(connection: Connection) -> None:
    """Let ids that PostgreSQL gives begin above those that were written; SQLite does so by itself."""
    if connection.dialect.name != "postgresql":
        return
    own = inspect(connection)
    for name in own.get_table_names():
        if "id" in {one["name"] for one in own.get_columns(name)}:
            sequence = connection.scalar(text("SELECT pg_get_serial_sequence(:name, 'id')"), {"name": name})
            if sequence is not None:
                highest = select(text("coalesce(max(id), 0)")).select_from(table(name, column("id")))
                connection.execute(
                    text("SELECT setval(:sequence, :next, false)"),
                    {"sequence": sequence, "next": connection.scalar(highest) + 1},
                )


@contextmanager
def at_once(connection: Connection) -> Iterator[None]:
    """Within it, ratings are written without counters, look-ups and index, which are made up for at the end."""
    with _uncounted(connection), _checked_afterwards(connection), _indexed_afterwards(connection):
        yield


@contextmanager
def _indexed_afterwards(connection: Connection) -> Iterator[None]:
    """Drop the ratings' index and create it at the end: over all rows at once, that takes a fraction of the time."""
    if connection.dialect.name == "postgresql":
        query = (
            "SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index "
            "WHERE indrelid = 'ratings'::regclass AND NOT indisunique"
        )
    else:
        query = "SELECT name, sql FROM sqlite_schema WHERE type = 'index' AND tbl_name = 'ratings' AND sql IS NOT NULL"
    indexes = connection.exec_driver_sql(query).all()
    for name, _ in indexes:
        connection.exec_driver_sql(f"DROP INDEX {name}")
    yield
    for _, definition in indexes:
        connection.exec_driver_sql(definition)


@contextmanager
def _checked_afterwards(connection: Connection) -> Iterator[None]:
    """Have PostgreSQL check the ratings' foreign keys at the end, by one join, not by a look-up for each rating."""
    if connection.dialect.name != "postgresql":
        yield
        return
    keys = connection.exec_driver_sql(
        "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint "
        "WHERE conrelid = 'ratings'::regclass AND contype = 'f'"
    ).all()
    for name, _ in keys:
        connection.exec_driver_sql(f"ALTER TABLE ratings DROP CONSTRAINT {name}")
    yield
    for name, definition in keys:
        connection.exec_driver_sql(f"ALTER TABLE ratings ADD CONSTRAINT {name} {definition}")


@contextmanager
def _uncounted(connection: Connection) -> Iterator[None]:
    """Leave out the triggers that count users' revisions up: nobody has seen users that begin in this transaction."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("ALTER TABLE ratings DISABLE TRIGGER USER")
        yield
        connection.exec_driver_sql("ALTER TABLE ratings ENABLE TRIGGER USER")
        return
    triggers = connection.exec_driver_sql(
        "SELECT name, sql FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = 'ratings'"
    ).all()
    for name, _ in triggers:
        connection.exec_driver_sql(f"DROP TRIGGER {name}")
    yield
    for _, statement in triggers:
        connection.exec_driver_sql(statement)
