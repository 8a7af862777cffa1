"""What an import of an export would write, and the writing."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from sqlalchemy.orm import Session

from app.observability import metrics
from app.services.catalogue.snapshot import Snapshot
from app.services.ids import require_user
from app.services.rating_import.files import texts_of
from app.services.rating_import.formats import Export, RatedTitle, read
from app.services.rating_import.matching import By, Candidate, TitleMatcher
from app.services.ratings import UNTIMED, put_with_times
from app.storage import ratings
from app.storage.database import Database
from app.storage.movies import MovieRecord
from app.storage.ratings import RatingRecord
from seqrec.errors import NoStars

MOST_COMPARED = 5_000
"""Titles of a file that are compared with all names of about their year. In a catalogue of 87,000 movies, a thousand of
them take some seconds."""


class MatchedRating(NamedTuple):
    """A rating whose movie was found by an id or by title; ``own_stars`` is what the user gave it before, or None."""

    given: RatedTitle
    movie: MovieRecord
    by: By
    own_stars: float | None


class DoubtfulRating(NamedTuple):
    """A rating that may be of any of these movies."""

    given: RatedTitle
    candidates: Sequence[Candidate]


class Preview(NamedTuple):
    """What an export holds, by whether the catalogue has the movie.

    Attributes:
        matched: each movie once, with its last rating.
        repeated: ratings in whose place a later one of the same movie stands.
    """

    export: Export
    matched: list[MatchedRating]
    doubtful: list[DoubtfulRating]
    not_found: list[RatedTitle]
    repeated: int


class RatingImport:
    """Imports what users have rated on other sites."""

    def __init__(self, database: Database, snapshot: Callable[[Session], Snapshot]) -> None:
        """``snapshot`` reads the catalogue, or has it in memory."""
        self.database = database
        self._snapshot = snapshot
        self._indexed: tuple[int, TitleMatcher] | None = None

    def preview(self, user_id: int, content: bytes, name: str = "") -> Preview:
        """What the file would write; it writes nothing. ``name`` is the file's, if it is known.

        `UserNotFound`, `NoStars`, or `InvalidRequest` for a file that is not an export.
        """
        with self.database.reads() as session:
            require_user(session, user_id)
            _require_stars(session)
            history = ratings.histories(session, [user_id])[user_id].history
            own_stars = {entry.movie_id: entry.stars for entry in history}
            snapshot = self._snapshot(session)
        return _preview(read(texts_of(content, name)), self._matcher(snapshot), own_stars)

    def write(self, user_id: int, chosen: Sequence[tuple[int, RatedTitle]]) -> int:
        """Write the ratings of these movies, all or none; those without a time are the user's newest, in their order.

        `UserNotFound` or `NoStars`; SQLAlchemy's `IntegrityError` if a movie has left the catalogue.
        """
        records = [
            RatingRecord(user_id, movie_id, given.stars, UNTIMED if given.rated_at is None else given.rated_at)
            for movie_id, given in chosen
        ]
        with self.database.writes() as session:
            require_user(session, user_id)
            _require_stars(session)
            put_with_times(session, records)
        metrics.ratings_written.inc(len(records))
        metrics.imports.inc()
        return len(records)

    def _matcher(self, snapshot: Snapshot) -> TitleMatcher:
        """The catalogue's titles, indexed once for each revision of it."""
        indexed = self._indexed
        if indexed is None or indexed[0] != snapshot.revision:
            indexed = self._indexed = snapshot.revision, TitleMatcher(snapshot.movies.values())
        return indexed[1]


def _require_stars(session: Session) -> None:
    """`NoStars` where ratings have none: what people bring are stars."""
    if not ratings.have_stars(session):
        raise NoStars


def _preview(export: Export, matcher: TitleMatcher, own_stars: dict[int, float]) -> Preview:
    matched: dict[int, MatchedRating] = {}
    doubtful: list[DoubtfulRating] = []
    not_found: list[RatedTitle] = []
    repeated = export.repeated
    for given in export.ratings:
        match = matcher.match(given, compare=len(doubtful) + len(not_found) < MOST_COMPARED)
        if match.movie is not None and match.by is not None:
            repeated += matched.pop(match.movie.id, None) is not None
            matched[match.movie.id] = MatchedRating(given, match.movie, match.by, own_stars.get(match.movie.id))
        elif match.candidates:
            doubtful.append(DoubtfulRating(given, match.candidates))
        else:
            not_found.append(given)
    return Preview(export, list(matched.values()), doubtful, not_found, repeated)
