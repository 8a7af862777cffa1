"""Counters that tell each process what other processes have changed."""

from typing import NamedTuple

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app.storage.tables import Revision


class Revisions(NamedTuple):
    """How many times the catalogue has changed, and how many reloads of the model were requested."""

    catalogue: int
    reloads: int


def read(session: Session) -> Revisions:
    return Revisions(*session.execute(select(Revision.catalogue, Revision.reloads)).one())


def count_reload(session: Session) -> int:
    """Count one more reload; returns their number."""
    return session.execute(
        update(Revision).values(reloads=Revision.reloads + 1).returning(Revision.reloads)
    ).scalar_one()
