"""The catalogue's rows in memory."""

from collections.abc import Collection, Mapping
from typing import NamedTuple, TypeVar

from sqlalchemy.orm import Session

from app.storage import movies, ratings
from app.storage.movies import MovieRecord

T = TypeVar("T")


class Snapshot(NamedTuple):
    """The catalogue's rows as of one transaction.

    Attributes:
        revision: of the catalogue.
        movies: by id, in the order of the ids.
        title_vectors: by movie id, of movies that were added one by one.
        has_stars: whether ratings have stars; without, each is a like.
    """

    revision: int
    movies: dict[int, MovieRecord]
    title_vectors: dict[int, bytes]
    has_stars: bool = True

    @classmethod
    def read(cls, session: Session, revision: int) -> "Snapshot":
        """All rows; ``revision`` is that of the transaction."""
        records = {movie.id: movie for movie in movies.all_records(session)}
        return cls(revision, records, movies.title_vectors(session), ratings.have_stars(session))

    def brought_to(self, session: Session, revision: int) -> "Snapshot":
        """The rows at a later revision, that of the transaction. Of a few changed movies, those alone are read."""
        changed = movies.changed_since(session, self.revision)
        if changed is None:
            return Snapshot.read(session, revision)
        fresh = movies.records(session, changed)
        records = _replaced(self.movies, changed, fresh)
        last = next(reversed(self.movies), 0)
        if any(id_ < last for id_ in fresh.keys() - self.movies.keys()):
            records = dict(sorted(records.items()))  # later ones stand at the end already, in their order
        vectors = _replaced(self.title_vectors, changed, movies.title_vectors(session, changed))
        return Snapshot(revision, records, vectors, ratings.have_stars(session))


def _replaced(before: Mapping[int, T], changed: Collection[int], fresh: Mapping[int, T]) -> dict[int, T]:
    """What there was, but of the changed movies what is fresh; one of which nothing is fresh is left out."""
    replaced = {**before, **fresh}
    for id_ in changed:
        if id_ not in fresh:
            replaced.pop(id_, None)
    return replaced
