"""Measures of the served lists, with intervals by a bootstrap over users."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Generic, NamedTuple, TypeVar

import numpy as np

from app.services.feedback.attribution import AttributedList
from app.services.feedback.bootstrap import RESAMPLES, Estimate, Numbers, Statistic, estimate, median, ratio
from model.discounts import discounts
from model.types import IntArray

KeyT = TypeVar("KeyT")


class OnlineScore(NamedTuple):
    """The measures of some lists; see `seqrec.schemas.online.OnlineScore`."""

    users: int
    lists: int
    impressions: int
    hit_rate: Estimate | None
    list_hit_rate: Estimate | None
    ndcg: Estimate | None
    popularity: Estimate | None
    seconds_to_hit: Estimate | None
    coverage: float


class Sums(NamedTuple):
    """What the measures of some lists are made of: sums by user, shape (users,), and times, which cannot be added up.

    Attributes:
        users: their ids, ascending.
        hits: among the shown movies; ``with_hit`` is the number of lists that have one.
        gains: of the lists, see `ndcg`.
        ratings: of the shown movies, all that they have.
        seconds: to the first hit, of the lists that have one, shape (lists,).
        user_index: of each of these, into ``users``.
    """

    users: IntArray
    lists: Numbers
    impressions: Numbers
    hits: Numbers
    with_hit: Numbers
    gains: Numbers
    ratings: Numbers
    seconds: Numbers
    user_index: IntArray


def sums_of(attributed: Sequence[AttributedList], ratings: Mapping[int, int]) -> Sums:
    """Adds up lists; ``ratings`` has the number of ratings by movie id."""
    ids = np.array([one.served.user_id for one in attributed], dtype=np.int64)
    users, user_index = np.unique(ids, return_inverse=True)
    hit = np.array([one.seconds_to_hit is not None for one in attributed], dtype=bool)

    def by_user(values: Iterable[float]) -> Numbers:
        weights = np.fromiter(values, dtype=np.float64)
        return np.bincount(user_index, weights=weights, minlength=len(users)).astype(np.float64)

    return Sums(
        users=users,
        lists=by_user(1 for _ in attributed),
        impressions=by_user(len(one.movies) for one in attributed),
        hits=by_user(len(one.hits) for one in attributed),
        with_hit=by_user(hit),
        gains=by_user(ndcg(one.hits) for one in attributed),
        ratings=by_user(sum(ratings.get(id_, 0) for id_ in one.movies) for one in attributed),
        seconds=np.array(
            [one.seconds_to_hit for one in attributed if one.seconds_to_hit is not None], dtype=np.float64
        ),
        user_index=user_index[hit],
    )


class Group:
    """Lists that are measured together, added up part by part; each part has all of its users' lists."""

    def __init__(self) -> None:
        self._parts: list[Sums] = []
        self._movies: IntArray = np.array([], dtype=np.int64)

    def add(self, attributed: Sequence[AttributedList], ratings: Mapping[int, int]) -> None:
        self._parts.append(sums_of(attributed, ratings))
        self._movies = np.union1d(self._movies, [id_ for one in attributed for id_ in one.movies])

    def sums(self) -> Sums:
        """Of all parts; their users come one part after the other."""
        parts = self._parts or [sums_of([], {})]
        before = np.cumsum([0, *(len(part.users) for part in parts[:-1])])
        moved = [part._replace(user_index=part.user_index + first) for part, first in zip(parts, before, strict=True)]
        return Sums(*map(np.concatenate, zip(*moved, strict=True)))

    def coverage(self, movies: IntArray) -> float:
        """Share of these movies that was shown, 0 of none; others that were shown do not count."""
        return float(np.isin(movies, self._movies).sum()) / max(len(movies), 1)


class Grouping(Generic[KeyT]):
    """Sorts lists into groups by a key of each; those whose key is None are in no group."""

    def __init__(self, key: Callable[[AttributedList], KeyT | None]) -> None:
        self._key = key
        self.groups: defaultdict[KeyT, Group] = defaultdict(Group)

    def add(self, attributed: Iterable[AttributedList], ratings: Mapping[int, int]) -> None:
        """Add a part, which has all lists of its users, to the groups; see `sums_of`."""
        by_key: dict[KeyT, list[AttributedList]] = defaultdict(list)
        for one in attributed:
            if (key := self._key(one)) is not None:
                by_key[key].append(one)
        for key, lists in by_key.items():
            self.groups[key].add(lists, ratings)

    def scores(self, movies: IntArray, resamples: int = RESAMPLES) -> dict[KeyT, OnlineScore]:
        """The measures of each group; see `score_of`."""
        return {key: score_of(group, movies, resamples) for key, group in self.groups.items()}


def score_of(group: Group, movies: IntArray, resamples: int = RESAMPLES) -> OnlineScore:
    """The measures of a group, where these movie ids can be recommended; without resamples there are no intervals."""
    sums = group.sums()

    def estimated(statistic: Statistic) -> Estimate | None:
        return estimate(len(sums.users), statistic, resamples)

    return OnlineScore(
        users=len(sums.users),
        lists=int(sums.lists.sum()),
        impressions=int(sums.impressions.sum()),
        **{name: estimated(rate) for name, rate in rates(sums).items()},
        popularity=estimated(ratio(sums.ratings, sums.impressions)),
        seconds_to_hit=estimated(median(sums.seconds, sums.user_index)),
        coverage=group.coverage(movies),
    )


def rates(sums: Sums) -> dict[str, Statistic]:
    """What tells better lists from worse ones, by the names of `OnlineScore`."""
    return {
        "hit_rate": ratio(sums.hits, sums.impressions),
        "list_hit_rate": ratio(sums.with_hit, sums.lists),
        "ndcg": ratio(sums.gains, sums.lists),
    }


def ndcg(hits: Sequence[int]) -> float:
    """The discounted gain of hits at these positions, from 0, as a share of that at the head; 0 without any."""
    if not hits:
        return 0.0
    return float(discounts(np.array(sorted(hits))).sum() / discounts(np.arange(len(hits))).sum())
