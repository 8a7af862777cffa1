"""How sure a difference between two models is."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from model.rating_scale import WHOLE_STARS, RatingScale
from model.types import FloatArray, IntArray, clip

RESAMPLES = 2000
LEVEL = 0.95


class Difference(NamedTuple):
    """RMSE of a model minus that of another, in stars, with the ends of the interval that holds 95 % of resamples."""

    rmse: float
    low: float
    high: float


def paired_difference(
    first: FloatArray,
    second: FloatArray,
    actual: FloatArray,
    users: IntArray,
    resamples: int = RESAMPLES,
    seed: int = 0,
    levels: RatingScale = WHOLE_STARS,
) -> Difference:
    """Compare two models' stars for the same targets by a bootstrap over users.

    The errors of one user hang together and those of two models on one target do too: so users are drawn, with
    replacement, each with all of their targets, and both models are judged on the same draw. Percentile interval.

    Args:
        first: stars of the first model, not clipped, shape (targets,).
        second: stars of the second, likewise.
        actual: the stars given, shape (targets,).
        users: the user of each target, from 0, shape (targets,).
        resamples: how many times users are drawn.
        seed: what draws them.
        levels: what users can give.
    """
    totals = np.stack(
        [_squares(first, actual, users, levels), _squares(second, actual, users, levels), np.bincount(users)]
    )
    people = totals.shape[1]
    draws = np.random.default_rng(seed).multinomial(people, np.full(people, 1 / people), size=resamples)
    low, high = np.quantile(_difference(totals @ draws.T), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Difference(float(_difference(totals.sum(axis=1))), float(low), float(high))


def _squares(
    predicted: FloatArray, actual: FloatArray, users: IntArray, levels: RatingScale
) -> npt.NDArray[np.float64]:
    """Each user's sum of squared errors, shape (users,)."""
    squares = np.square(clip(predicted, levels) - actual, dtype=np.float64)
    return np.bincount(users, weights=squares).astype(np.float64)


def _difference(totals: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """From both sums of squares and the number of targets, shape (3, ...), to the difference of RMSE, shape (...)."""
    first, second, targets = totals
    difference: npt.NDArray[np.float64] = np.sqrt(first / targets) - np.sqrt(second / targets)
    return difference
