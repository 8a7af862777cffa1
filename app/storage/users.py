"""Users and their profiles."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from sqlalchemy import delete, insert, select, update
from sqlalchemy.orm import Session

from app.storage.database import IDS, rows_of
from app.storage.ids import choose_free_id
from app.storage.tables import Revision, User
from model.features.users import Profile


class StoredUser(NamedTuple):
    """A user's profile, and the id in another system; None for a user who has none."""

    profile: Profile
    external_id: str | None


_RECORDS = select(User.id, User.gender, User.age, User.occupation, User.external_id).where(User.id.in_(IDS))


def records(session: Session, user_ids: Iterable[int]) -> dict[int, StoredUser]:
    """Users by id; missing users are left out."""
    return {
        user_id: StoredUser(Profile(gender, age, occupation), external_id)
        for user_id, gender, age, occupation, external_id in rows_of(session, _RECORDS, set(user_ids))
    }


def profiles(session: Session, user_ids: Iterable[int]) -> dict[int, Profile]:
    """Profiles by user id; missing users are left out."""
    return {user_id: user.profile for user_id, user in records(session, user_ids).items()}


def next_ids(session: Session, after: int, limit: int) -> list[int]:
    """The ``limit`` smallest ids above ``after``, ascending."""
    return list(session.scalars(select(User.id).where(User.id > after).order_by(User.id).limit(limit)))


def ids_between(session: Session, first: int, last: int) -> list[int]:
    """All ids from ``first`` to ``last``, both included, ascending."""
    return list(session.scalars(select(User.id).where(User.id.between(first, last)).order_by(User.id)))


def free_id(session: Session) -> int:
    """An id above all that users have ever had: what is still sent for one who was deleted reaches nobody else.

    Once somebody has chosen the largest id, it is above those that users have now; see `choose_free_id`.
    """
    return choose_free_id(session, User.id, Revision.greatest_user_id)


def add(session: Session, user_id: int, profile: Profile, external_id: str | None = None) -> None:
    """Insert a user; SQLAlchemy's `IntegrityError` if one of the ids is taken."""
    fields = {"gender": profile.gender, "age": profile.age, "occupation": profile.occupation}
    session.execute(insert(User).values(id=user_id, external_id=external_id, **fields))


def change(session: Session, user_id: int, fields: Mapping[str, object]) -> None:
    session.execute(update(User).where(User.id == user_id).values(**fields))


def remove(session: Session, user_id: int) -> None:
    """Delete the user and, by the database's cascade, all ratings."""
    session.execute(delete(User).where(User.id == user_id))
