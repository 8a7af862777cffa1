"""Events: written in batches, imported, exported and, after a time, forgotten."""

import logging
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import islice
from tempfile import TemporaryFile
from typing import IO, BinaryIO, NamedTuple, cast

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from app.observability import metrics
from app.services.feedback.kinds import DAY
from app.services.feedback.recommendation_ids import RecommendationIds
from app.services.feedback.watchlist import watchlist
from app.services.ids import KnownIds, require_user
from app.services.json_lines import read_blocks
from app.services.paging import decode_cursor, encode_cursor
from app.services.ratings import now
from app.storage import events, ids, movies, ratings
from app.storage.database import Database
from app.storage.events import EventRecord, ListRecord
from app.storage.movies import MovieRecord
from app.storage.tables import Movie, User
from seqrec.errors import InvalidField, InvalidRequest, ServiceError
from seqrec.ids import AnyId
from seqrec.schemas.common import TEXT_MAY_BE_NUMBER
from seqrec.schemas.events import NewEvent

logger = logging.getLogger(__name__)

EVENTS_AT_ONCE = 5_000
"""Events that an import or export reads or writes together."""

USERS_AT_ONCE = 100
"""Users whose old events are forgotten together."""

RETENTION_DAYS = 365

SECONDS_BETWEEN_REMOVALS = 3600.0
"""How often a process that writes events forgets old ones."""


class Written(NamedTuple):
    """How many events were written, and how many had been there before."""

    written: int
    known: int


class ListedMovie(NamedTuple):
    """A movie of a watch list, and when it was put there in Unix seconds."""

    movie: MovieRecord
    added_at: int


class NamedEvent(NamedTuple):
    """An event, with the ids that its user and movie are named by."""

    event: EventRecord
    user_id: AnyId
    movie_id: AnyId


class WatchlistPage(NamedTuple):
    """A page of a watch list, the user's external id, and the next page's cursor."""

    movies: list[ListedMovie]
    user_external_id: str | None
    next_cursor: str | None


class Events:
    """The events of the database."""

    def __init__(self, database: Database, ids: RecommendationIds, retention: float = RETENTION_DAYS) -> None:
        """``retention`` is how many days impressions, clicks and what was replaced are kept."""
        self.database = database
        self.ids = ids
        self.retention = retention
        self._removed_at = time.monotonic()

    def put_all(self, given: Sequence[NewEvent]) -> Written:
        """Write all events or none, with an `InvalidRequest` that names bad ones by index.

        An event whose id its user has sent before is not written again.
        """
        known = KnownIds()
        with self.database.writes() as session:
            problems = [
                InvalidField(field=f"body.events.{index}.{field}", message=message)
                for index, field, message in known.missing(session, given)
            ]
            if problems:
                raise InvalidRequest(problems)
            records = [record_of(event, known) for event in given]
            written = self.put_records(session, records)
        _record(written)
        self._remove_expired_sometimes()
        return Written(written.total(), len(records) - written.total())

    def watchlist(self, user_id: int, limit: int, cursor: str | None) -> WatchlistPage:
        """A page of a user's watch list, what was added last first; `UserNotFound`."""
        before = decode_cursor(cursor)
        with self.database.reads() as session:
            external_id = require_user(session, user_id)
            entries = [entry for entry in watchlist(session, user_id) if before is None or entry < before]
            records = movies.records(session, [movie_id for _, movie_id in entries[:limit]])
        page = [ListedMovie(records[id_], added_at) for added_at, id_ in entries[:limit] if id_ in records]
        next_cursor = encode_cursor(entries[limit - 1]) if len(entries) > limit else None
        return WatchlistPage(page, external_id, next_cursor)

    def export(self) -> Iterator[EventRecord]:
        """All events in the order in which they came, read in blocks, each in a transaction of its own."""
        after = 0
        while True:
            with self.database.reads() as session:
                block, after = events.next_block(session, after, EVENTS_AT_ONCE)
            if not block:
                return
            yield from block

    def export_by_external_ids(self) -> Iterator[NamedEvent]:
        """The same with the external ids of those users and movies that have one."""
        export = self.export()
        while block := list(islice(export, EVENTS_AT_ONCE)):
            with self.database.reads() as session:
                users = ids.external_ids(session, User, {event.user_id for event in block})
                movies = ids.external_ids(session, Movie, {event.movie_id for event in block})
            for event in block:
                user, movie = users.get(event.user_id), movies.get(event.movie_id)
                yield NamedEvent(event, user or event.user_id, movie or event.movie_id)

    def import_lines(self, file: BinaryIO) -> Written:
        """Write events, one JSON object a line, all or, with an `InvalidRequest` that names the bad lines, none.

        Memory use does not grow with the number of lines. All of them are read and checked before the transaction
        begins, so that other writers wait as short as can be.
        """
        written, lines = Counter[str](), 0
        problems: list[InvalidField] = []
        with TemporaryFile() as checked:
            known = self._check_lines(file, checked)
            checked.seek(0)
            with self.database.writes(long=True) as session:
                ratings.lock_all(session)  # the lines come in any order of users
                for block in _read_blocks(cast(BinaryIO, checked), problems):
                    records = [record_of(event, known) for _, event in block]
                    written += self.put_records(session, records)
                    lines += len(records)
                if problems:  # the copy is not what was checked: nothing is written
                    raise InvalidRequest(problems)
        _record(written)
        return Written(written.total(), lines - written.total())

    def remove_expired(self) -> int:
        """Forget impressions, clicks and replaced events that are older than the retention; returns how many."""
        before = int(now() - self.retention * DAY)
        with self.database.reads(long=True) as session:
            user_ids = events.users_with_expired(session, before)
        removed = 0
        for first in range(0, len(user_ids), USERS_AT_ONCE):
            with self.database.writes(long=True) as session:  # one for each part: others write in between
                removed += events.remove_expired(session, before, user_ids[first : first + USERS_AT_ONCE])
        return removed

    def put_records(self, session: Session, records: Sequence[EventRecord]) -> Counter[str]:
        """Write the events that are not there yet, each with its list if the service gave its user one of that id.

        Returns how many of each kind. Their users and movies are there.
        """
        self.ids.prepare(session)
        attributed: list[EventRecord] = []
        lists: dict[str, ListRecord] = {}
        for record in records:
            served = self.ids.read(record.recommendation_id or "", record.user_id)
            attributed.append(record._replace(recommendation_id=served and served.recommendation_id))
            if served is not None:
                lists[served.recommendation_id] = served
        return events.put(session, attributed, lists)

    def _check_lines(self, file: BinaryIO, checked: IO[bytes]) -> KnownIds:
        """Copy the lines; `InvalidRequest` if one is not an event of a user and a movie that exist."""
        problems: list[InvalidField] = []
        known = KnownIds()
        for block in _read_blocks(file, problems):
            given = [event for _, event in block]
            with self.database.reads() as session:
                missing = list(known.missing(session, given))
            problems += [
                InvalidField(field=f"line {block[index][0]}.{field}", message=message)
                for index, field, message in missing
            ]
            checked.writelines(f"{event.model_dump_json()}\n".encode() for event in given)
        if problems:
            raise InvalidRequest(problems)
        return known

    def _remove_expired_sometimes(self) -> None:
        """In the background: whoever has sent an event does not wait for it."""
        if time.monotonic() - self._removed_at >= SECONDS_BETWEEN_REMOVALS:
            self._removed_at = time.monotonic()
            threading.Thread(target=self._remove_expired_quietly, name="forget", daemon=True).start()

    def _remove_expired_quietly(self) -> None:
        try:
            self.remove_expired()
        except (SQLAlchemyError, ServiceError) as error:
            logger.warning("old events are still there: %s", error)


def _read_blocks(file: BinaryIO, problems: list[InvalidField]) -> Iterator[list[tuple[int, NewEvent]]]:
    read = partial(NewEvent.model_validate_json, context=TEXT_MAY_BE_NUMBER)
    return read_blocks(file, read, EVENTS_AT_ONCE, problems)


def record_of(event: NewEvent, known: KnownIds) -> EventRecord:
    """An event with an id and a time, by own ids; its user and movie are among the known ones."""
    return EventRecord(
        event.event_id or uuid.uuid4().hex,
        known.users[event.user_id],
        known.movies[event.movie_id],
        event.kind,
        now() if event.occurred_at is None else event.occurred_at,
        event.removed,
        1.0 if event.kind == "watch" and event.share is None else event.share,
        event.position,
        event.recommendation_id,
    )


def _record(written: Counter[str]) -> None:
    for kind, count in written.items():
        metrics.events_written.labels(kind).inc(count)
