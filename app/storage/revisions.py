"""Counters that tell each process what other processes have changed."""

from collections.abc import Collection
from typing import Any, NamedTuple, cast

from sqlalchemy import Engine, select, update
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from app.storage.tables import Revision, User


class Revisions(NamedTuple):
    """How many times the catalogue has changed, and how many reloads of the model were requested."""

    catalogue: int
    reloads: int


def read(session: Session) -> Revisions:
    return Revisions(*session.execute(select(Revision.catalogue, Revision.reloads)).one())


def read_with_user(session: Session, user_id: int) -> tuple[Revisions, int | None]:
    """The counters and the revision of a user, in one statement; None if there is no such user."""
    revisions, users = read_with_users(session, [user_id])
    return revisions, users.get(user_id)


def read_with_users(session: Session, user_ids: Collection[int]) -> tuple[Revisions, dict[int, int]]:
    """The counters and revisions by user id, in one statement; missing users are left out."""
    query = select(Revision.catalogue, Revision.reloads, User.id, User.revision).join_from(
        Revision, User, User.id.in_(user_ids), isouter=True
    )
    rows = session.execute(query).all()
    users = {user_id: revision for _, _, user_id, revision in rows if user_id is not None}
    return Revisions(rows[0].catalogue, rows[0].reloads), users


def count_reload(session: Session) -> int:
    """Count one more reload; returns their number."""
    return session.execute(
        update(Revision).values(reloads=Revision.reloads + 1).returning(Revision.reloads)
    ).scalar_one()


class RevisionReader:
    """Reads what `read_with_user` does, for every request: one statement straight to the driver, in no transaction."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._on_postgresql = engine.dialect.name == "postgresql"
        self._statement = _READ_WITH_USER.format("%s" if self._on_postgresql else "?")

    @property
    def is_immediate(self) -> bool:
        """Whether a read takes microseconds and waits for nobody: SQLite's readers do not wait for its writer."""
        return not self._on_postgresql

    def read(self, user_id: int) -> tuple[Revisions, int | None]:
        """The counters and the revision of a user; None if there is no such user."""
        try:
            catalogue, reloads, user = self._fetch(user_id)
        except self._engine.dialect.loaded_dbapi.Error as error:
            raise OperationalError(self._statement, None, error) from error
        return Revisions(catalogue, reloads), user

    def _fetch(self, user_id: int) -> tuple[int, int, int | None]:
        connection = self._engine.raw_connection()
        # SQLite's connections are in autocommit mode: `database.connect` leaves BEGIN to SQLAlchemy's transactions.
        driver: Any = connection.driver_connection
        try:
            if self._on_postgresql:
                driver.autocommit = True
            (row,) = driver.execute(self._statement, (user_id,)).fetchall()
            if self._on_postgresql:
                driver.autocommit = False
        except BaseException:
            connection.invalidate()
            raise
        connection.close()
        return cast(tuple[int, int, int | None], row)


_READ_WITH_USER = "SELECT catalogue, reloads, (SELECT revision FROM users WHERE id = {}) FROM revisions"
