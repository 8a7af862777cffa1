"""Measures of the served lists, with intervals by a bootstrap over users."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple, TypeVar

import numpy as np

from app.services.feedback.bootstrap import RESAMPLES, Estimate, Numbers, Statistic, estimate, median, ratio
from app.services.feedback.judging import JudgedList

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


class SumsByUser:
    """Adds up values of lists by their users.

    Attributes:
        users: how many there are.
        owner: index of each list's user, shape (lists,).
    """

    def __init__(self, judged: Sequence[JudgedList]) -> None:
        users = np.array([one.served.user_id for one in judged], dtype=np.int64)
        _, self.owner = np.unique(users, return_inverse=True)
        self.users = int(self.owner.max(initial=-1)) + 1

    def of(self, values: Iterable[float]) -> Numbers:
        """Of one value for each list, by user, shape (users,)."""
        weights = np.fromiter(values, dtype=np.float64)
        return np.bincount(self.owner, weights=weights, minlength=self.users).astype(np.float64)


def rates(judged: Sequence[JudgedList]) -> dict[str, Statistic]:
    """What tells better lists from worse ones, by the names of `OnlineScore`."""
    sums = SumsByUser(judged)
    lists, shown = sums.of(1 for _ in judged), sums.of(len(one.movies) for one in judged)
    return {
        "hit_rate": ratio(sums.of(len(one.hits) for one in judged), shown),
        "list_hit_rate": ratio(sums.of(one.seconds_to_hit is not None for one in judged), lists),
        "ndcg": ratio(sums.of(ndcg(one.hits) for one in judged), lists),
    }


def ndcg(hits: Sequence[int]) -> float:
    """The discounted gain of hits at these positions, from 0, as a share of that at the head; 0 without any."""
    if not hits:
        return 0.0
    gains = 1 / np.log2(np.array(sorted(hits)) + 2)
    return float(gains.sum() / (1 / np.log2(np.arange(len(hits)) + 2)).sum())


class Scores:
    """Computes measures.

    ``ratings`` has the number of ratings by movie id, ``movies`` is how many can be recommended.
    """

    def __init__(self, ratings: Mapping[int, int], movies: int) -> None:
        self._ratings = ratings
        self._movies = movies

    def by(
        self, judged: Sequence[JudgedList], key: Callable[[JudgedList], KeyT], resamples: int = RESAMPLES
    ) -> dict[KeyT, OnlineScore]:
        """The measures of the lists of each key."""
        groups: dict[KeyT, list[JudgedList]] = defaultdict(list)
        for one in judged:
            groups[key(one)].append(one)
        return {name: self.of(group, resamples) for name, group in groups.items()}

    def of(self, judged: Sequence[JudgedList], resamples: int = RESAMPLES) -> OnlineScore:
        """The measures of some lists; without intervals, if there are no resamples."""
        sums = SumsByUser(judged)

        def estimated(statistic: Statistic) -> Estimate | None:
            return estimate(sums.users, statistic, resamples)

        shown = sums.of(len(one.movies) for one in judged)
        popularity = sums.of(sum(self._ratings.get(id_, 0) for id_ in one.movies) for one in judged)
        hit = np.array([one.seconds_to_hit is not None for one in judged], dtype=bool)
        seconds = np.array([one.seconds_to_hit for one in judged if one.seconds_to_hit is not None], dtype=np.float64)
        return OnlineScore(
            users=sums.users,
            lists=len(judged),
            impressions=int(shown.sum()),
            **{name: estimated(rate) for name, rate in rates(judged).items()},
            popularity=estimated(ratio(popularity, shown)),
            seconds_to_hit=estimated(median(seconds, sums.owner[hit])),
            coverage=len({id_ for one in judged for id_ in one.movies}) / max(self._movies, 1),
        )
