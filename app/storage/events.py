"""Events, and the lists that they refer to."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from heapq import merge
from itertools import groupby
from operator import attrgetter, itemgetter
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Row,
    Subquery,
    TextClause,
    and_,
    case,
    delete,
    exists,
    false,
    func,
    null,
    or_,
    select,
    text,
    tuple_,
    union,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from app.storage import ratings
from app.storage.database import IDS, rows_of
from app.storage.tables import LASTING, Event, Rating, ServedList, SigningKey
from app.storage.unnest import unnested
from seqrec.schemas.events import PASSING_KINDS

OPPOSITES = {"like": "dislike", "dislike": "like"}
"""Kinds that replace each other, as well as earlier events of their own kind."""


class EventRecord(NamedTuple):
    """An event, with the id of the list that it happened in, in the form that callers know; None without."""

    event_id: str
    user_id: int
    movie_id: int
    kind: str
    occurred_at: int
    removed: bool = False
    share: float | None = None
    position: int | None = None
    recommendation_id: str | None = None


class ListRecord(NamedTuple):
    """A list that was served; ``served_at`` is in Unix seconds."""

    recommendation_id: str
    user_id: int
    model: str
    rank_by: str
    served_at: int


class Lasting(NamedTuple):
    """The part of a lasting event that says something of its user."""

    movie_id: int
    kind: str
    occurred_at: int
    removed: bool
    share: float | None


class Shown(NamedTuple):
    """A movie of a served list that the user has seen there; ``number`` is the list's."""

    number: int
    user_id: int
    movie_id: int
    position: int | None
    shown_at: int


class Hit(NamedTuple):
    """A sign that a user wanted a movie, and the number of the list that it names, if it names one."""

    user_id: int
    movie_id: int
    occurred_at: int
    number: int | None


ROWS_AT_ONCE = 10_000

COLUMNS = ("event_id", "user_id", "movie_id", "kind", "occurred_at", "removed", "share", "position", "list_id")


def put(session: Session, events: Sequence[EventRecord], lists: Mapping[str, ListRecord]) -> Counter[str]:
    """Insert events that are not there yet, by user and event id, and the lists that they name.

    ``lists`` has those of the events' recommendation ids that are known. Returns how many were inserted of each kind.
    """
    if not events:
        return Counter()
    # Lasting events count revisions up, as ratings do; of the others, two writers may have the same in another order.
    ratings.lock(session, {event.user_id for event in events})
    numbers = _put_lists(session, list(lists.values()))
    rows = [(*event[:-1], numbers.get(event.recommendation_id or "")) for event in events]
    if session.get_bind().dialect.name == "sqlite":
        into: Any = sqlite.insert(Event).on_conflict_do_nothing().returning(Event.kind)
        written = session.connection().execute(into, [dict(zip(COLUMNS, row, strict=True)) for row in rows])
    else:  # in one statement, after which the database counts each user up once
        into = postgresql.insert(Event).from_select(COLUMNS, unnested(Event, COLUMNS, rows)).on_conflict_do_nothing()
        written = session.connection().execute(into.returning(Event.kind))
    return Counter(written.scalars())


def _put_lists(session: Session, lists: Sequence[ListRecord]) -> dict[str, int]:
    """Numbers of the lists by recommendation id; those that are not there yet are inserted."""
    if not lists:
        return {}
    insert = sqlite.insert if session.get_bind().dialect.name == "sqlite" else postgresql.insert
    in_order = sorted(lists)  # so that two writers never wait for each other
    session.connection().execute(insert(ServedList).on_conflict_do_nothing(), [served._asdict() for served in in_order])
    ids = [served.recommendation_id for served in lists]
    query = select(ServedList.recommendation_id, ServedList.id).where(ServedList.recommendation_id.in_(ids))
    return dict(session.execute(query).all())


def lasting(session: Session, user_ids: Collection[int]) -> dict[int, list[Lasting]]:
    """Lasting events by user id, oldest first, those of one second as they came; users without any are left out."""
    return dict(_by_user(rows_of(session, _LASTING_OF, user_ids)))


def all_lasting(session: Session) -> Iterator[tuple[int, list[Lasting]]]:
    """The same of all users, one after the other, read in blocks."""
    yield from _by_user(session.execute(_LASTING.execution_options(yield_per=ROWS_AT_ONCE)))


_LASTING = (
    select(Event.user_id, Event.movie_id, Event.kind, Event.occurred_at, Event.removed, Event.share)
    .where(text(LASTING))
    .order_by(Event.user_id, Event.occurred_at, Event.id)
)


_LASTING_OF = _LASTING.where(Event.user_id.in_(IDS))


def _by_user(rows: Iterable[Row[int, int, str, int, bool, float | None]]) -> Iterator[tuple[int, list[Lasting]]]:
    for user_id, of_user in groupby(rows, key=itemgetter(0)):
        yield user_id, [Lasting(*row[1:]) for row in of_user]


def next_block(session: Session, after: int, size: int) -> tuple[list[EventRecord], int]:
    """The next ``size`` events that came after the one of this number, in their order; and the number of the last."""
    columns = [getattr(Event, name) for name in COLUMNS[:-1]]
    query = (
        select(Event.id, *columns, ServedList.recommendation_id)
        .join(ServedList, ServedList.id == Event.list_id, isouter=True)
        .where(Event.id > after)
        .order_by(Event.id)
        .limit(size)
    )
    rows = session.execute(query).all()
    return [EventRecord(*row[1:]) for row in rows], rows[-1].id if rows else after


def users_with_expired(session: Session, before: int) -> list[int]:
    """Users, ascending, of whom `remove_expired` deletes something."""
    passing = select(Event.user_id).where(Event.kind.in_(PASSING_KINDS), Event.occurred_at < before)
    lasting = select(_expired(before, text(LASTING)).c.user_id)
    lists = select(ServedList.user_id).where(_left_over(before))
    return sorted(session.scalars(union(passing, lasting, lists)))


def remove_expired(session: Session, before: int, user_ids: Collection[int]) -> int:
    """Delete what of these users happened before this time and says nothing any more; returns how many events.

    These are impressions and clicks, and lasting events that a later one has replaced. What a user's watch list and
    history are made of stays. Lists of which nothing is left go too.
    """
    ratings.lock(session, user_ids)  # deletions lock events first and their users later, as writers do not
    expired = select(_expired(before, Event.user_id.in_(user_ids)).c.id)
    apart = {"synchronize_session": False}
    removed = session.connection().execute(delete(Event).where(Event.id.in_(expired)), execution_options=apart).rowcount
    lists = delete(ServedList).where(ServedList.user_id.in_(user_ids), _left_over(before))
    session.execute(lists, execution_options=apart)
    return removed


def _expired(before: int, of: ColumnElement[bool] | TextClause) -> Subquery:
    """Ids and users of the expired ones among these events: all of some users, or all lasting ones.

    What replaces an event is looked for among its user's events of its movie alone.
    """
    of_movie, in_time = (Event.user_id, Event.movie_id), (Event.occurred_at, Event.id)
    opinion = case((Event.kind.in_(OPPOSITES), "opinion"), else_=Event.kind)
    next_of_kind = func.lead(Event.id).over(partition_by=(*of_movie, Event.kind), order_by=in_time)
    later_and_kept = (
        func.count().filter(~Event.removed).over(partition_by=(*of_movie, opinion), order_by=in_time, rows=(1, None))
    )
    replaced = or_(next_of_kind.is_not(None), later_and_kept > 0)
    events = (
        select(Event.id, Event.user_id, Event.kind, Event.occurred_at, replaced.label("replaced")).where(of).subquery()
    )
    return (
        select(events.c.id, events.c.user_id)
        .where(events.c.occurred_at < before, or_(events.c.kind.in_(PASSING_KINDS), events.c.replaced))
        .subquery()
    )


def _left_over(before: int) -> ColumnElement[bool]:
    """Of a list: served before this time, and named by no event."""
    return and_(ServedList.served_at < before, ~exists().where(Event.list_id == ServedList.id))


def lists_since(session: Session, since: int) -> Iterator[tuple[int, ListRecord]]:
    """Lists that were served at or after this time (Unix seconds), each with its number, by user; read in blocks."""
    query = (
        select(
            ServedList.id,
            ServedList.recommendation_id,
            ServedList.user_id,
            ServedList.model,
            ServedList.rank_by,
            ServedList.served_at,
        )
        .where(ServedList.served_at >= since)
        .order_by(ServedList.user_id)
    )
    for row in session.execute(query.execution_options(yield_per=ROWS_AT_ONCE)):
        yield row.id, ListRecord(*row[1:])


def shown_since(session: Session, since: int) -> Iterator[Shown]:
    """What was shown of the lists that were served at or after this time, by user, in the order in which it came."""
    query = (
        select(ServedList.id, Event.user_id, Event.movie_id, Event.position, Event.occurred_at)
        .join(Event, ServedList.id == Event.list_id)
        .where(ServedList.served_at >= since, Event.kind == "impression")
        .order_by(Event.user_id, Event.id)
    )
    for row in session.execute(query.execution_options(yield_per=ROWS_AT_ONCE)):
        yield Shown(*row)


def hits_since(session: Session, since: int, least_shares: Mapping[str, float], least_stars: float) -> Iterator[Hit]:
    """Events of these kinds at or after this time, and ratings of ``least_stars`` or more, of movies shown to the user.

    They come by user. ``least_shares`` has the kinds, each with the least share of a movie that has to be watched; 0
    for kinds without.
    """
    seen = (
        select(Event.user_id, Event.movie_id)
        .where(Event.kind == "impression", Event.list_id.is_not(None), Event.occurred_at >= since)
        .distinct()
        .subquery()
    )
    wanted = [
        and_(Event.kind == kind, func.coalesce(Event.share, 1.0) >= share) for kind, share in least_shares.items()
    ]
    # Not a join: SQLite would search all events of its movie for each pair.
    events = (
        select(Event.user_id, Event.movie_id, Event.occurred_at, Event.list_id)
        .where(
            Event.occurred_at >= since,
            ~Event.removed,
            or_(false(), *wanted),
            tuple_(Event.user_id, Event.movie_id).in_(select(seen.c.user_id, seen.c.movie_id)),
        )
        .order_by(Event.user_id)
    )
    rated = (
        select(Rating.user_id, Rating.movie_id, Rating.rated_at, null())
        .join(seen, and_(Rating.user_id == seen.c.user_id, Rating.movie_id == seen.c.movie_id))
        .where(Rating.rated_at >= since, Rating.stars >= least_stars)
        .order_by(Rating.user_id)
    )
    found = (session.execute(query.execution_options(yield_per=ROWS_AT_ONCE)) for query in (events, rated))
    return merge(*(map(Hit._make, rows) for rows in found), key=attrgetter("user_id"))


def signing_key(session: Session) -> bytes:
    return session.scalars(select(SigningKey.key)).one()
