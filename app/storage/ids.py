"""Ids that are free."""

from sqlalchemy import func, select
from sqlalchemy.orm import InstrumentedAttribute, Session, aliased

from seqrec.errors import Conflict
from seqrec.limits import LARGEST_ID


def free(session: Session, column: InstrumentedAttribute[int]) -> int:
    """One more than the greatest id of the column, or, where that is the largest there can be, one from a gap."""
    highest = session.scalar(select(func.max(column))) or 0
    if highest < LARGEST_ID:
        return highest + 1
    other = aliased(column.class_)
    follows = select(other.id).where(other.id == column + 1).exists()
    gap = session.scalar(select(func.min(column + 1)).where(column < LARGEST_ID, ~follows))
    if gap is None:
        raise Conflict
    return gap
