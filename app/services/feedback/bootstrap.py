"""Confidence intervals of what is measured on users, by a bootstrap over them.

What one user does in several lists is correlated, so users are drawn with replacement, each with all of their lists.
`model.evaluation.bootstrap` does the same for trained models; what serves does not import what trains.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from model.types import IntArray

RESAMPLES = 500
LEVEL = 0.95

Numbers = npt.NDArray[np.float64]

Statistic = Callable[[IntArray], float]
"""From how often each user counts, shape (users,), to the value; not a number where there is none."""


class Estimate(NamedTuple):
    """A value and the ends of its 95 % interval, which are None with fewer than two users, or if none is asked for."""

    value: float
    low: float | None
    high: float | None


def estimate(users: int, statistic: Statistic, resamples: int = RESAMPLES, seed: int = 0) -> Estimate | None:
    """The statistic over these users, with a percentile interval; None if it has no value."""
    value = statistic(np.ones(users, dtype=np.int64))
    if np.isnan(value):
        return None
    if users < 2 or not resamples:
        return Estimate(value, None, None)
    draws = np.random.default_rng(seed)
    drawn = [statistic(np.bincount(draws.integers(users, size=users), minlength=users)) for _ in range(resamples)]
    low, high = np.nanquantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Estimate(value, float(low), float(high))


def difference(
    users: tuple[int, int], statistics: tuple[Statistic, Statistic], resamples: int = RESAMPLES, seed: int = 0
) -> Estimate | None:
    """The second statistic less the first, of two groups of other users; None if one of them has no value."""
    before, after = (
        statistic(np.ones(count, dtype=np.int64)) for count, statistic in zip(users, statistics, strict=True)
    )
    if np.isnan(before) or np.isnan(after):
        return None
    if min(users) < 2 or not resamples:
        return Estimate(after - before, None, None)
    draws = np.random.default_rng(seed)
    drawn = [
        [statistic(np.bincount(draws.integers(count, size=count), minlength=count)) for _ in range(resamples)]
        for count, statistic in zip(users, statistics, strict=True)
    ]
    low, high = np.nanquantile(np.subtract(drawn[1], drawn[0]), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Estimate(after - before, float(low), float(high))


def ratio(numerators: Numbers, denominators: Numbers) -> Statistic:
    """The sum of the users' numerators over that of their denominators, both of shape (users,)."""

    def statistic(weights: IntArray) -> float:
        total = float(weights @ denominators)
        return float(weights @ numerators) / total if total else float("nan")

    return statistic


def median(values: Numbers, user_index: IntArray) -> Statistic:
    """The median of the values, each of the user of this index, both of shape (values,)."""
    order = np.argsort(values, kind="stable")
    ascending, sorted_index = values[order], user_index[order]

    def statistic(weights: IntArray) -> float:
        below = np.cumsum(weights[sorted_index])
        if not len(below) or not below[-1]:
            return float("nan")
        return float(ascending[np.searchsorted(below, below[-1] / 2)])

    return statistic
