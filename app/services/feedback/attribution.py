"""What came of each list that was shown: which of its movies were wanted.

A list counts once an impression names it. A shown movie is a hit if its user gives a sign afterwards, within
`ATTRIBUTION_DAYS`, that it was wanted. A sign that names a list counts for that one; any other counts for the list that
showed the movie last.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from operator import attrgetter
from typing import Generic, NamedTuple, TypeVar

from app.services.feedback.kinds import DAY
from app.storage.events import Hit, ListRecord, Shown

RowT = TypeVar("RowT")

ATTRIBUTION_DAYS = 7

LISTS_AT_ONCE = 5000
"""Lists that are in memory together with what was shown of them, as far as they are not all of one user."""


class AttributedList(NamedTuple):
    """A list that was shown, and what came of it.

    Attributes:
        movies: in the order of the list, from what was shown of it.
        hits: their positions, from 0.
        seconds_to_hit: from the first impression to the first hit; None without one.
    """

    served: ListRecord
    movies: Sequence[int]
    hits: Sequence[int]
    seconds_to_hit: int | None


def attribute_in_parts(
    lists: Iterable[tuple[int, ListRecord]], shown: Iterable[Shown], hits: Iterable[Hit]
) -> Iterator[list[AttributedList]]:
    """As `attribute_hits`, in parts, each with all lists of its users; all three come by user, in ascending order."""
    listed, wanted = _ByUser(lists, lambda one: one[1].user_id), _ByUser(hits, lambda one: one.user_id)
    part: list[AttributedList] = []
    for user_id, shown_to_user in groupby(shown, key=attrgetter("user_id")):
        part += attribute_hits(dict(listed.of(user_id)), shown_to_user, wanted.of(user_id))
        if len(part) >= LISTS_AT_ONCE:
            yield part
            part = []
    yield part


class _ByUser(Generic[RowT]):
    """Rows that come in the order of their users."""

    def __init__(self, rows: Iterable[RowT], user_of: Callable[[RowT], int]) -> None:
        self._groups = groupby(rows, user_of)
        self._next = next(self._groups, None)

    def of(self, user_id: int) -> list[RowT]:
        """Those of a user who comes after all who were asked for before."""
        while self._next is not None and self._next[0] < user_id:
            self._next = next(self._groups, None)
        return list(self._next[1]) if self._next is not None and self._next[0] == user_id else []


def attribute_hits(
    lists: Mapping[int, ListRecord], shown: Iterable[Shown], hits: Iterable[Hit]
) -> list[AttributedList]:
    """What came of each of the lists of which something was shown; ``shown`` is in the order in which it came.

    Both may have been read one after the other: of a list that came in between, ``shown`` has a part, which counts when
    ``lists`` has it too.
    """
    entries: dict[int, dict[int, Shown]] = defaultdict(dict)
    lists_with: dict[tuple[int, int], list[Shown]] = defaultdict(list)
    for one in shown:
        if one.movie_id not in entries[one.number]:  # a movie that comes into sight again is the same entry
            entries[one.number][one.movie_id] = one
            lists_with[one.user_id, one.movie_id].append(one)
    first_hits: dict[tuple[int, int], int] = {}
    for hit in hits:
        showing = _showing(hit, lists_with[hit.user_id, hit.movie_id])
        if showing is not None:
            key = showing.number, showing.movie_id
            first_hits[key] = min(hit.occurred_at, first_hits.get(key, hit.occurred_at))
    return [
        _attributed(lists[number], number, movies, first_hits) for number, movies in entries.items() if number in lists
    ]


def _showing(hit: Hit, candidates: Sequence[Shown]) -> Shown | None:
    """Where the user saw the movie that is wanted now."""
    before = [one for one in candidates if one.shown_at <= hit.occurred_at <= one.shown_at + ATTRIBUTION_DAYS * DAY]
    if hit.number is not None:
        before = [one for one in before if one.number == hit.number]
    return max(before, key=lambda one: one.shown_at, default=None)


def _attributed(
    served: ListRecord, number: int, entries: Mapping[int, Shown], first_hits: Mapping[tuple[int, int], int]
) -> AttributedList:
    in_order = sorted(enumerate(entries.values(), start=1), key=lambda one: (one[1].position or one[0], one[0]))
    movies = [one.movie_id for _, one in in_order]
    times = {movie_id: first_hits[number, movie_id] for movie_id in movies if (number, movie_id) in first_hits}
    begun = min(one.shown_at for one in entries.values())
    places, place = [], -1
    for arrived, one in in_order:
        place = max((one.position or arrived) - 1, place + 1)  # a page may give two movies one position
        if one.movie_id in times:
            places.append(place)
    return AttributedList(served, movies, places, min(times.values()) - begun if times else None)
