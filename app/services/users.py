"""Users: sign up, change a profile, leave."""

from collections.abc import Mapping
from typing import NamedTuple

from sqlalchemy.orm import Session

from app.services.ids import require_free
from app.services.paging import decode_cursor, encode_cursor
from app.storage import ratings, users
from app.storage.database import Database
from app.storage.tables import User
from app.storage.users import StoredUser
from model.features.users import Profile
from seqrec.errors import UserNotFound


class UserRecord(NamedTuple):
    """A user and the number of the user's ratings; ``external_id`` is the id in another system, if there is one."""

    id: int
    profile: Profile
    ratings: int
    external_id: str | None = None


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
            page_ids = users.next_ids(session, after, limit + 1)
            found, counts = users.records(session, page_ids), ratings.counts(session, page_ids)
        # A user who was deleted between the queries is left out.
        page = [_record(id_, found[id_], counts.get(id_, 0)) for id_ in page_ids[:limit] if id_ in found]
        return page, encode_cursor((page_ids[limit - 1], 0)) if len(page_ids) > limit else None

    def add(self, user_id: int | None, profile: Profile, external_id: str | None = None) -> UserRecord:
        """Sign a user up, with a free id if none is given; `UserExists` if one of the ids is taken."""

        def insert(session: Session) -> int:
            require_free(session, User, user_id, external_id)
            chosen = users.free_id(session) if user_id is None else user_id
            users.add(session, chosen, profile, external_id)
            return chosen

        return UserRecord(self.database.write_with_free_id(insert), profile, 0, external_id)

    def change(self, user_id: int, fields: Mapping[str, object]) -> UserRecord:
        """Set some fields of the profile, or the external id; `UserNotFound`, or `UserExists` if that is taken."""
        with self.database.writes() as session:
            before = _require_user(session, user_id)
            if (external_id := fields.get("external_id")) != before.external_id:
                require_free(session, User, external_id)
            if fields:
                users.change(session, user_id, fields)
            return _require_user(session, user_id)

    def remove(self, user_id: int) -> None:
        """Delete the user with all ratings; does nothing if there is no such user."""
        with self.database.writes() as session:
            users.remove(session, user_id)


def _require_user(session: Session, user_id: int) -> UserRecord:
    user = users.records(session, [user_id]).get(user_id)
    if user is None:
        raise UserNotFound([user_id])
    return _record(user_id, user, ratings.count(session, user_id))


def _record(user_id: int, user: StoredUser, ratings: int) -> UserRecord:
    return UserRecord(user_id, user.profile, ratings, user.external_id)
