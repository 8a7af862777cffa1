"""Free ids."""

from sqlalchemy import func, select
from sqlalchemy.orm import InstrumentedAttribute, Session, aliased

from seqrec.errors import Conflict
from seqrec.limits import LARGEST_ID


def choose_free_id(session: Session, column: InstrumentedAttribute[int], above: int = 0) -> int:
    """One more than ``above`` and the column's greatest id, or, once that is `LARGEST_ID`, the smallest id of a gap."""
    highest = max(session.scalar(select(func.max(column))) or 0, above)
    if highest < LARGEST_ID:
        return highest + 1
    other = aliased(column.class_)
    follows = select(other.id).where(other.id == column + 1).exists()
    gap = session.scalar(select(func.min(column + 1)).where(column < LARGEST_ID, ~follows))
    if gap is None:
        raise Conflict
    return gap
