"""Ids: those that exist, and free ones."""

from collections.abc import Collection, Iterator, Sequence
from heapq import merge
from typing import TypeVar

from sqlalchemy import func, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from app.storage.tables import Movie, User
from seqrec.errors import Conflict
from seqrec.ids import AnyId
from seqrec.limits import LARGEST_ID

T = TypeVar("T")

CHOICE_LOCK = 7_365_717_266
"""Key of PostgreSQL's advisory lock; a number that nobody else is likely to choose."""

IDS_AT_ONCE = 10_000
"""Well below the limit of parameters in one statement: 32,766 in SQLite, 65,535 in PostgreSQL."""


def find(session: Session, table: type[User | Movie], ids: Collection[AnyId]) -> dict[AnyId, int]:
    """The service's own id of each of these ids that belongs to a row of the table; the others are left out."""
    own_ids = {id_ for id_ in ids if isinstance(id_, int)}
    external = {id_ for id_ in ids if isinstance(id_, str)}
    found: dict[AnyId, int] = {}
    for own_part in _parts(own_ids):
        found |= {id_: id_ for id_ in session.scalars(select(table.id).where(table.id.in_(own_part)))}
    for part in _parts(external):
        rows = session.execute(select(table.external_id, table.id).where(table.external_id.in_(part)))
        found |= {external_id: id_ for external_id, id_ in rows if external_id is not None}
    return found


def external_ids(session: Session, table: type[User | Movie], ids: Collection[int]) -> dict[int, str | None]:
    """The external id by own id, None where there is none; ids without a row of the table are left out."""
    found: dict[int, str | None] = {}
    for part in _parts(ids):
        found |= dict(session.execute(select(table.id, table.external_id).where(table.id.in_(part))).all())
    return found


def _parts(ids: Collection[T]) -> Iterator[Sequence[T]]:
    """The ids, each part few enough for one statement."""
    listed = list(ids)
    return (listed[start : start + IDS_AT_ONCE] for start in range(0, len(listed), IDS_AT_ONCE))


def choose_free_id(
    session: Session,
    column: InstrumentedAttribute[int],
    greatest: InstrumentedAttribute[int],
    known: Collection[int] = (),
) -> int:
    """One more than all ids that the column ever had, and ``known`` ones; once that is too large, what is free below.

    That is one more than all of them but those at the very end, up to `LARGEST_ID`. `Conflict` if none is free.
    ``greatest`` is the column of `Revision` that remembers the greatest id. Until the transaction ends, no other one
    chooses.
    """
    if session.get_bind().dialect.name == "postgresql":  # SQLite has one writer anyway
        session.execute(select(func.pg_advisory_xact_lock(CHOICE_LOCK)))
    highest = max(session.scalars(select(greatest)).one(), max(known, default=0))
    if highest < LARGEST_ID:
        return highest + 1
    query = select(column).order_by(column.desc()).execution_options(yield_per=IDS_AT_ONCE)
    free_below = LARGEST_ID + 1
    with session.scalars(query) as present:
        for id_ in merge(present, sorted(known, reverse=True), [0], reverse=True):
            if id_ + 1 < free_below:
                return id_ + 1
            free_below = id_
    raise Conflict
