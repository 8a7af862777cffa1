"""Watch lists: what users mean to see."""

from sqlalchemy.orm import Session

from app.services.feedback.contexts import in_force
from app.services.paging import Position
from app.storage import events


def watchlist(session: Session, user_id: int) -> list[Position]:
    """Time and movie id of each entry of a user's watch list, what was added last first."""
    current = in_force(events.lasting(session, [user_id]).get(user_id, ()))
    entries = [(event.occurred_at, movie_id) for (movie_id, kind), event in current.items() if kind == "watchlist"]
    return sorted(entries, reverse=True)


def watchlist_ids(session: Session, user_id: int) -> list[int]:
    return [movie_id for _, movie_id in watchlist(session, user_id)]
