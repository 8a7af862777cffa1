"""Counters that tell each process what other processes have changed."""

import sqlite3
from collections.abc import Collection
from typing import NamedTuple

from sqlalchemy import Engine, event, select, update
from sqlalchemy.orm import Session

from app.storage.database import IDS, rows_of
from app.storage.tables import Revision, User


class Revisions(NamedTuple):
    """How many times the catalogue has changed, and how many reloads of the model were requested."""

    catalogue: int
    reloads: int


class UserRevision(NamedTuple):
    """The revision of a user, and the user's external id, if there is one."""

    revision: int
    external_id: str | None


_COUNTERS = select(Revision.catalogue, Revision.reloads)


def read(session: Session) -> Revisions:
    return Revisions(*session.connection().execute(_COUNTERS).one())


def read_with_user(session: Session, user_id: int) -> tuple[Revisions, UserRevision | None]:
    """The counters and the revision of a user, in one statement; None if there is no such user."""
    revisions, users = read_with_users(session, [user_id])
    return revisions, users.get(user_id)


_WITH_USERS = select(Revision.catalogue, Revision.reloads, User.id, User.revision, User.external_id).join_from(
    Revision, User, User.id.in_(IDS), isouter=True
)


def read_with_users(session: Session, user_ids: Collection[int]) -> tuple[Revisions, dict[int, UserRevision]]:
    """The counters and revisions by user id, in one statement; missing users are left out."""
    rows = rows_of(session, _WITH_USERS, user_ids)
    users = {id_: UserRevision(revision, external) for _, _, id_, revision, external in rows if id_ is not None}
    return Revisions(rows[0].catalogue, rows[0].reloads), users


def count_reload(session: Session) -> int:
    """Count one more reload; returns their number."""
    return session.execute(
        update(Revision).values(reloads=Revision.reloads + 1).returning(Revision.reloads)
    ).scalar_one()


class RevisionReader:
    """Reads what `read_with_user` does, from SQLite, in microseconds and without waiting for anyone.

    So the thread that all requests share may do it. The connection is the reader's own, outside the pool, which may be
    empty; and a database that is locked for a moment is given up at once.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._connection: sqlite3.Connection | None = None
        event.listen(engine, "engine_disposed", self._disconnect)

    def read(self, user_id: int) -> tuple[Revisions, UserRevision | None] | None:
        """The counters and the revision of a user, which is None if there is no such user.

        None in place of both if they cannot be read at once: on PostgreSQL, or after an error.
        """
        if self._engine.dialect.name != "sqlite":
            return None
        try:
            if self._connection is None:
                self._connection = self._connect()
            ((catalogue, reloads, revision, external_id),) = self._connection.execute(
                _READ_WITH_USER, (user_id,)
            ).fetchall()
        except sqlite3.Error:
            self._disconnect()
            return None
        return Revisions(catalogue, reloads), None if revision is None else UserRevision(revision, external_id)

    def _connect(self) -> sqlite3.Connection:
        address, options = self._engine.dialect.create_connect_args(self._engine.url)
        # Autocommit: the end of each statement is the end of its transaction, so none sees an old state.
        options.update(timeout=0, isolation_level=None, check_same_thread=False)
        connection: sqlite3.Connection = self._engine.dialect.loaded_dbapi.connect(*address, **options)
        return connection

    def _disconnect(self, _: Engine | None = None) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


_READ_WITH_USER = (
    "SELECT catalogue, reloads, users.revision, external_id FROM revisions LEFT JOIN users ON users.id = ?"
)
