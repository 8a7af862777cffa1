"""Users and their profiles."""

from collections.abc import Collection, Iterable, Mapping

from sqlalchemy import delete, insert, select, update
from sqlalchemy.orm import Session

from app.storage.ids import choose_free_id
from app.storage.tables import User
from model.features.users import Profile


def profiles(session: Session, user_ids: Iterable[int]) -> dict[int, Profile]:
    """Profiles by user id; missing users are left out."""
    query = select(User.id, User.gender, User.age, User.occupation).where(User.id.in_(set(user_ids)))
    return {user_id: Profile(gender, age, occupation) for user_id, gender, age, occupation in session.execute(query)}


def existing(session: Session, user_ids: Collection[int]) -> set[int]:
    """The ids that belong to a user."""
    return set(session.scalars(select(User.id).where(User.id.in_(user_ids))))


def next_ids(session: Session, after: int, limit: int) -> list[int]:
    """The ``limit`` smallest ids above ``after``, ascending."""
    return list(session.scalars(select(User.id).where(User.id > after).order_by(User.id).limit(limit)))


def ids_between(session: Session, first: int, last: int) -> list[int]:
    """All ids from ``first`` to ``last``, both included, ascending."""
    return list(session.scalars(select(User.id).where(User.id.between(first, last)).order_by(User.id)))


def free_id(session: Session) -> int:
    return choose_free_id(session, User.id)


def add(session: Session, user_id: int, profile: Profile) -> None:
    """Insert a user; SQLAlchemy's `IntegrityError` if the id is taken."""
    session.execute(
        insert(User).values(id=user_id, gender=profile.gender, age=profile.age, occupation=profile.occupation)
    )


def change(session: Session, user_id: int, fields: Mapping[str, object]) -> None:
    session.execute(update(User).where(User.id == user_id).values(**fields))


def remove(session: Session, user_id: int) -> None:
    """Delete the user and, by the database's cascade, all ratings."""
    session.execute(delete(User).where(User.id == user_id))
