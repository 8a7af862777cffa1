"""Reads every table of a database, and writes rows in the database's fastest way.

A new table takes part by itself: nothing here knows the tables by name, but for those that a database has of its own.
"""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple, cast

import polars as pl
import psycopg
from alembic import command
from alembic.runtime.migration import MigrationContext
from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
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
from app.storage.tables import (
    Base,
    Dataset,
    Event,
    MovieChange,
    Rating,
    Retraining,
    Revision,
    ServedModel,
    SigningKey,
)

ROWS_AT_ONCE = 50_000

COUNTERS = (Revision.__tablename__, MovieChange.__tablename__)
"""Tables that stay behind, but for what is `Carried`: they count what has changed in their own database."""

OWN = (ServedModel.__tablename__, Retraining.__tablename__, SigningKey.__tablename__)
"""What the schema or a service that starts writes into an empty database; those of the other one take its place."""

BULKY = (Rating.__tablename__, Event.__tablename__)
"""Tables with most of the rows."""

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


class Carried(NamedTuple):
    """What moves of the `COUNTERS`: the pinned model, and the greatest ids that a movie and a user have ever had."""

    pinned: str | None
    greatest_movie_id: int
    greatest_user_id: int


def carried(connection: Connection) -> Carried:
    columns = Revision.pinned, Revision.greatest_movie_id, Revision.greatest_user_id
    return Carried(*connection.execute(select(*columns)).one())


def tables() -> list[Table]:
    """All that move, each after those that it refers to."""
    return [one for one in Base.metadata.sorted_tables if one.name not in COUNTERS]


def schema(of: Table) -> dict[str, pl.DataType]:
    """Types of the table's columns; `TypeError` for one that `TYPES` lacks."""
    return {column.name: _type(column) for column in of.columns}


def _type(column: Column[Any]) -> pl.DataType:
    for kind in type(column.type).__mro__:
        if kind in TYPES:
            return TYPES[kind]
    raise TypeError(f"No backup holds columns of the type of {column}: {column.type!r}. Add it to TYPES.")


def count(connection: Connection, of: Table) -> int:
    return connection.scalar(select(func.count()).select_from(of)) or 0


def read(connection: Connection, of: Table) -> Iterator[pl.DataFrame]:
    """The rows of a table in the order of its key, in parts."""
    query = select(*(_as_text(column) for column in of.columns)).order_by(*of.primary_key.columns)
    rows = connection.execution_options(yield_per=ROWS_AT_ONCE).execute(query)
    for part in rows.partitions():
        yield pl.DataFrame([tuple(row) for row in part], schema=schema(of), orient="row")


def _as_text(column: Column[Any]) -> ColumnElement[Any]:
    """JSON as the database has it, any other column as it is."""
    return column.cast(String).label(column.name) if isinstance(column.type, JSON) else column


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
def filling(engine: Engine, revision: str, carried: Carried) -> Iterator[Connection]:
    """A transaction that fills an empty database with rows of this revision's schema, and then upgrades it.

    It creates what is not there yet. ``carried`` are counters of the other database. `DatabaseError` if the database is
    not empty; an error leaves it as it was.
    """
    if (file := sqlite_file(engine.url)) is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
    with bulk_writing(engine), engine.execution_options(**{WRITES: True}).begin() as connection:
        wait_for_turn(connection)
        require_empty(connection, engine)
        _migrate(connection, revision)
        _clear_own(connection)
        with at_once(connection):
            yield connection
        _continue_ids(connection)
        _migrate(connection, newest_revision() or revision)
        _carry(connection, carried)
        connection.exec_driver_sql("ANALYZE")


def _carry(connection: Connection, carried: Carried) -> None:
    """Write what was carried, and let every process that serves this database look again at what is pinned."""
    connection.execute(update(Revision).values(pinned=carried.pinned, reloads=Revision.reloads + 1))
    for name in ("greatest_movie_id", "greatest_user_id"):
        column, greatest = getattr(Revision, name), getattr(carried, name)
        connection.execute(update(Revision).where(column < greatest).values({name: greatest}))


def require_empty(connection: Connection, engine: Engine) -> None:
    """Raise `DatabaseError` if the database holds anything but what every one has of its `OWN`."""
    for name in inspect(connection).get_table_names():
        if name not in ("alembic_version", *COUNTERS, *OWN) and connection.scalar(
            select(text("1")).select_from(table(name)).limit(1)
        ):
            raise DatabaseError(occupied(connection, engine))


def _clear_own(connection: Connection) -> None:
    for name in set(OWN).intersection(inspect(connection).get_table_names()):
        connection.execute(table(name).delete())


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
            f"The database {public_url(connection.engine)} is at revision {current}: a newer SeqRec created it. "
            f"Use that version, or an empty database."
        )
    if current is not None and newest_first.index(current) < newest_first.index(revision):
        command.downgrade(config, revision)
    elif current != revision:
        command.upgrade(config, revision)


def _continue_ids(connection: Connection) -> None:
    """Let ids that PostgreSQL gives begin above those that were written; SQLite does so by itself."""
    if connection.dialect.name != "postgresql":
        return
    inspector = inspect(connection)
    for name in inspector.get_table_names():
        if "id" in {one["name"] for one in inspector.get_columns(name)}:
            sequence = connection.scalar(text("SELECT pg_get_serial_sequence(:name, 'id')"), {"name": name})
            if sequence is not None:
                highest = select(text("coalesce(max(id), 0)")).select_from(table(name, column("id")))
                connection.execute(
                    text("SELECT setval(:sequence, :next, false)"),
                    {"sequence": sequence, "next": connection.scalar(highest) + 1},
                )


@contextmanager
def at_once(connection: Connection) -> Iterator[None]:
    """Within it, rows of `BULKY` tables are written without counters, look-ups and indexes.

    Those are made up for at the end. The tables are empty before.
    """
    with ExitStack() as stack:
        for name in BULKY:
            for put_off in (_uncounted, _checked_afterwards, _indexed_afterwards):
                stack.enter_context(put_off(connection, name))
        yield


@contextmanager
def _indexed_afterwards(connection: Connection, name: str) -> Iterator[None]:
    """Drop a table's indexes and create them at the end: over all rows at once, that takes a fraction of the time."""
    if connection.dialect.name == "postgresql":
        query = (
            "SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index "
            "WHERE indrelid = CAST(:name AS regclass) AND NOT indisunique"
        )
    else:
        query = "SELECT name, sql FROM sqlite_schema WHERE type = 'index' AND tbl_name = :name AND sql IS NOT NULL"
    indexes = connection.execute(text(query), {"name": name}).all()
    for index, _ in indexes:
        connection.exec_driver_sql(f"DROP INDEX {index}")
    yield
    for _, definition in indexes:
        connection.exec_driver_sql(definition)


@contextmanager
def _checked_afterwards(connection: Connection, name: str) -> Iterator[None]:
    """Have PostgreSQL check a table's foreign keys at the end, by one join, not by a look-up for each row."""
    if connection.dialect.name != "postgresql":
        yield
        return
    query = (
        "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint "
        "WHERE conrelid = CAST(:name AS regclass) AND contype = 'f'"
    )
    keys = connection.execute(text(query), {"name": name}).all()
    for key, _ in keys:
        connection.exec_driver_sql(f"ALTER TABLE {name} DROP CONSTRAINT {key}")
    yield
    for key, definition in keys:
        connection.exec_driver_sql(f"ALTER TABLE {name} ADD CONSTRAINT {key} {definition}")


@contextmanager
def _uncounted(connection: Connection, name: str) -> Iterator[None]:
    """Leave out the triggers that count users' revisions up: nobody has seen users that begin in this transaction."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"ALTER TABLE {name} DISABLE TRIGGER USER")
        yield
        connection.exec_driver_sql(f"ALTER TABLE {name} ENABLE TRIGGER USER")
        return
    query = "SELECT name, sql FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = :name"
    triggers = connection.execute(text(query), {"name": name}).all()
    for trigger, _ in triggers:
        connection.exec_driver_sql(f"DROP TRIGGER {trigger}")
    yield
    for _, statement in triggers:
        connection.exec_driver_sql(statement)
