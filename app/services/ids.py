"""Ids that requests and imports name: looked up once, so that all that follows knows the service's own ids alone."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol

from sqlalchemy.orm import Session

from app.storage import ids
from app.storage.database import Database
from app.storage.tables import Movie, User
from seqrec.errors import MovieExists, MovieNotFound, UserExists, UserNotFound
from seqrec.ids import AnyId


class OwnIds(NamedTuple):
    """The service's own ids of the users and movies that a request names by external ids; unknown ones are missing."""

    users: Mapping[AnyId, int] = {}
    movies: Mapping[AnyId, int] = {}

    def of_users(self, named: Sequence[AnyId]) -> list[int]:
        """Own ids in the order of these; `UserNotFound` names external ones that are unknown."""
        own_ids, unknown = _translate(named, self.users)
        if unknown:
            raise UserNotFound(unknown)
        return own_ids

    def of_movies(self, named: Sequence[AnyId]) -> list[int]:
        """As `of_users`; `MovieNotFound`."""
        own_ids, unknown = _translate(named, self.movies)
        if unknown:
            raise MovieNotFound(unknown)
        return own_ids

    def of_known_movies(self, named: Sequence[AnyId]) -> list[int]:
        """As `of_movies`, without the unknown ones."""
        own_ids, _ = _translate(named, self.movies)
        return own_ids


def _translate(named: Sequence[AnyId], found: Mapping[AnyId, int]) -> tuple[list[int], list[AnyId]]:
    """Own ids in the order of these, and the external ones that are unknown; whether an own id exists is not asked."""
    own_ids: list[int] = []
    unknown: dict[AnyId, None] = {}
    for id_ in named:
        if isinstance(id_, int):
            own_ids.append(id_)
        elif id_ in found:
            own_ids.append(found[id_])
        else:
            unknown[id_] = None
    return own_ids, list(unknown)


class ExternalIds:
    """The external ids of the database."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def look_up(self, users: Collection[str] = (), movies: Collection[str] = ()) -> OwnIds:
        """Own ids of these external ones, as of one transaction."""
        with self.database.reads() as session:
            return OwnIds(ids.find(session, User, users), ids.find(session, Movie, movies))


class UserAndMovie(Protocol):
    """What says by own or external ids that a user has to do with a movie."""

    @property
    def user_id(self) -> AnyId: ...

    @property
    def movie_id(self) -> AnyId: ...


class KnownIds:
    """Own ids by own and external ones that exist, remembered so that an import looks each up once."""

    def __init__(self) -> None:
        self.users: dict[AnyId, int] = {}
        self.movies: dict[AnyId, int] = {}

    def missing(self, session: Session, named: Sequence[UserAndMovie]) -> Iterator[tuple[int, str, str]]:
        """Index, field and message of those whose user or movie does not exist."""
        self.users |= ids.find(session, User, {one.user_id for one in named} - self.users.keys())
        self.movies |= ids.find(session, Movie, {one.movie_id for one in named} - self.movies.keys())
        for index, one in enumerate(named):
            if one.user_id not in self.users:
                yield index, "user_id", str(UserNotFound([one.user_id]))
            if one.movie_id not in self.movies:
                yield index, "movie_id", str(MovieNotFound([one.movie_id]))


def require_user(session: Session, user_id: int) -> str | None:
    """The user's external id; `UserNotFound`."""
    known = ids.external_ids(session, User, [user_id])
    if user_id not in known:
        raise UserNotFound([user_id])
    return known[user_id]


def require_free(session: Session, table: type[User | Movie], *wanted: object) -> None:
    """`UserExists` or `MovieExists` names an own or external id that is taken; None is none."""
    asked = [id_ for id_ in wanted if isinstance(id_, int | str)]
    for taken in ids.find(session, table, asked):
        raise UserExists(taken) if table is User else MovieExists(taken)
