"""Events: written in batches, imported, exported and, after a time, forgotten."""

import logging
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from tempfile import TemporaryFile
from typing import BinaryIO, NamedTuple

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from app.observability import metrics
from app.services.feedback.recommendation_ids import RecommendationIds
from app.services.feedback.watchlist import watchlist
from app.services.paging import decode_cursor, encode_cursor
from app.services.rating_lines import read_blocks
from app.services.ratings import KnownIds, now
from app.storage import events, movies, ratings, users
from app.storage.database import Database
from app.storage.events import EventRecord, ListRecord
from app.storage.movies import MovieRecord
from seqrec.errors import Conflict, InvalidField, InvalidRequest, ServiceError, UserNotFound
from seqrec.schemas.events import NewEvent

logger = logging.getLogger(__name__)

EVENTS_AT_ONCE = 5_000
"""Events that an import or export reads or writes together."""

RETENTION_DAYS = 365
DAY = 86_400

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
        with self.database.writes() as session:
            known = KnownIds()
            problems = [
                InvalidField(field=f"body.events.{index}.{field}", message=message)
                for index, field, message in known.missing(session, given)
            ]
            if problems:
                raise InvalidRequest(problems)
            written = self.put_records(session, [record_of(event, known) for event in given])
        _record(written)
        self._remove_expired_sometimes()
        return Written(written.total(), len(given) - written.total())

    def watchlist(self, user_id: int, limit: int, cursor: str | None) -> tuple[list[ListedMovie], str | None]:
        """A page of a user's watch list, what was added last first, and the next page's cursor; `UserNotFound`."""
        before = decode_cursor(cursor)
        with self.database.reads() as session:
            if not users.existing(session, [user_id]):
                raise UserNotFound([user_id])
            entries = [entry for entry in watchlist(session, user_id) if before is None or entry < before]
            records = movies.records(session, [movie_id for _, movie_id in entries[:limit]])
        page = [ListedMovie(records[id_], added_at) for added_at, id_ in entries[:limit] if id_ in records]
        return page, encode_cursor(entries[limit - 1]) if len(entries) > limit else None

    def export(self) -> Iterator[EventRecord]:
        """All events in the order in which they came, read in blocks, each in a transaction of its own."""
        after = 0
        while True:
            with self.database.reads() as session:
                block, after = events.next_block(session, after, EVENTS_AT_ONCE)
            if not block:
                return
            yield from block

    def import_lines(self, file: BinaryIO) -> Written:
        """Write events, one JSON object a line, all or, with an `InvalidRequest` that names the bad lines, none.

        Memory use does not grow with the number of lines. All of them are read and checked before the transaction
        begins, so that other writers wait as short as can be.
        """
        written, lines = Counter[str](), 0
        with TemporaryFile() as checked:
            self._check_lines(file, checked)
            checked.seek(0)
            with self.database.writes(long=True) as session:
                ratings.lock_all(session)  # the lines come in any order of users
                known = KnownIds()
                for block in read_blocks(checked, NewEvent.model_validate_json, EVENTS_AT_ONCE, []):
                    given = [event for _, event in block]
                    if any(known.missing(session, given)):  # removed since the lines were checked
                        raise Conflict
                    written += self.put_records(session, [record_of(event, known) for event in given])
                    lines += len(given)
        _record(written)
        return Written(written.total(), lines - written.total())

    def remove_expired(self) -> int:
        """Forget impressions, clicks and replaced events that are older than the retention; returns how many."""
        with self.database.writes(long=True) as session:
            return events.remove_expired(session, int(now() - self.retention * DAY))

    def put_records(self, session: Session, records: Sequence[EventRecord]) -> Counter[str]:
        """Write the events that are not there yet, each with its list if the service gave its user one of that id.

        Returns how many of each kind. Their users and movies are there.
        """
        self.ids.prepare(session)
        named = {(record.recommendation_id, record.user_id) for record in records if record.recommendation_id}
        found = (self.ids.read(id_, user_id) for id_, user_id in named if id_)
        lists = {served.recommendation_id: served for served in found if served is not None}
        return events.put(session, [_of_own_list(record, lists) for record in records], lists)

    def _check_lines(self, file: BinaryIO, checked: BinaryIO) -> None:
        """Copy the lines; `InvalidRequest` if one is no event of a user and movie that are there."""
        problems: list[InvalidField] = []
        known = KnownIds()
        for block in read_blocks(file, NewEvent.model_validate_json, EVENTS_AT_ONCE, problems):
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


def record_of(event: NewEvent, known: KnownIds) -> EventRecord:
    """An event with an id and a time, of a user and a movie that are known."""
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


def _of_own_list(record: EventRecord, lists: Mapping[str, ListRecord]) -> EventRecord:
    """The event, without a list that is not its user's."""
    served = lists.get(record.recommendation_id or "")
    return record if served is None or served.user_id == record.user_id else record._replace(recommendation_id=None)


def _record(written: Counter[str]) -> None:
    for kind, count in written.items():
        metrics.events_written.labels(kind).inc(count)
