"""Counters by which processes see what others have changed."""

from typing import NamedTuple

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app.storage.tables import Revision


class Revisions(NamedTuple):
    """How often the catalogue was changed, and how often a reload of the model was asked for."""

    catalogue: int
    reloads: int


def read(session: Session) -> Revisions:
    return Revisions(*session.execute(select(Revision.catalogue, Revision.reloads)).one())


def count_reload(session: Session) -> int:
    """One more reload; their number."""
    return session.execute(
        update(Revision).values(reloads=Revision.reloads + 1).returning(Revision.reloads)
    ).scalar_one()
