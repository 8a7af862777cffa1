"""Users: sign up, change a profile, leave."""

from collections.abc import Mapping
from typing import NamedTuple

from sqlalchemy.orm import Session

from app.services.paging import decode_cursor, encode_cursor
from app.storage import ratings, users
from app.storage.database import Database
from model.features.users import Profile
from seqrec.errors import UserExists, UserNotFound


class UserRecord(NamedTuple):
    """A user and the number of the user's ratings."""

    id: int
    profile: Profile
    ratings: int


class Users:
    """The users of the database."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def get(self, user_id: int) -> UserRecord:
        """A user; `UserNotFound`."""
        with self.database.reads() as session:
            return _require_user(session, user_id)

    def page(self, limit: int, cursor: str | None) -> tuple[list[UserRecord], str | None]:
        """A page of all users, by id, and the next page's cursor."""
        after, _ = decode_cursor(cursor) or (0, 0)
        with self.database.reads() as session:
            ids = users.next_ids(session, after, limit + 1)
            profiles, counts = users.profiles(session, ids), ratings.counts(session, ids)
        # A user who was deleted between the queries is left out.
        page = [UserRecord(id_, profiles[id_], counts.get(id_, 0)) for id_ in ids[:limit] if id_ in profiles]
        return page, encode_cursor((ids[limit - 1], 0)) if len(ids) > limit else None

    def add(self, user_id: int | None, profile: Profile) -> UserRecord:
        """Sign a user up, with a free id if none is given; `UserExists` if the id is taken."""

        def insert(session: Session) -> int:
            if user_id is not None and users.existing(session, [user_id]):
                raise UserExists(user_id)
            chosen = users.free_id(session) if user_id is None else user_id
            users.add(session, chosen, profile)
            return chosen

        return UserRecord(self.database.write_with_free_id(insert), profile, 0)

    def change(self, user_id: int, fields: Mapping[str, object]) -> UserRecord:
        """Set some fields of the profile; `UserNotFound`."""
        with self.database.writes() as session:
            _require_user(session, user_id)
            if fields:
                users.change(session, user_id, fields)
            return _require_user(session, user_id)

    def remove(self, user_id: int) -> None:
        """Delete the user with all ratings; does nothing if there is no such user."""
        with self.database.writes() as session:
            users.remove(session, user_id)


def _require_user(session: Session, user_id: int) -> UserRecord:
    profile = users.profiles(session, [user_id]).get(user_id)
    if profile is None:
        raise UserNotFound([user_id])
    return UserRecord(user_id, profile, ratings.count(session, user_id))
