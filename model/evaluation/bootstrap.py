"""Confidence intervals of the difference between two models."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from model.rating_scale import WHOLE_STARS, RatingScale
from model.types import FloatArray, IntArray, clip

RESAMPLES = 2000
LEVEL = 0.95


class Difference(NamedTuple):
    """RMSE of a model minus that of another, in stars, and the ends of its 95 % interval."""

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
    """Compare two models' stars for the same targets by a paired bootstrap over users, with a percentile interval.

    The errors of one user are correlated, and so are those of two models on one target. Users are therefore drawn with
    replacement, each with all targets, and both models are scored on the same draw. A draw is a vector of counts per
    user, so that one matrix product gives all resamples; `scipy.stats.bootstrap` draws other numbers from a seed, and
    published intervals would change.

    Args:
        first: stars of the first model, not clipped, shape (targets,).
        second: stars of the second, likewise.
        actual: the stars given, shape (targets,).
        users: the user of each target, from 0, shape (targets,).
        resamples: number of draws.
        seed: of the draws.
        levels: the rating scale.
    """
    totals = np.stack(
        [_squares(first, actual, users, levels), _squares(second, actual, users, levels), np.bincount(users)]
    )  # (3, users)
    draws = _draws(totals.shape[1], resamples, seed)
    return Difference(float(_difference(totals.sum(axis=1))), *_ends(_difference(totals @ draws.T)))


class MeanDifference(NamedTuple):
    """Mean over users of one model's figure minus another's, and the ends of its 95 % interval."""

    mean: float
    low: float
    high: float


def paired_mean_difference(
    first: npt.NDArray[np.floating], second: npt.NDArray[np.floating], resamples: int = RESAMPLES, seed: int = 0
) -> MeanDifference:
    """As `paired_difference`, for figures that each user has one of, as NDCG; both have the shape (users,)."""
    differences = first.astype(np.float64) - second
    count = len(differences)
    means = _draws(count, resamples, seed) @ differences / count
    return MeanDifference(float(differences.mean()), *_ends(means))


def interval_of_mean(
    values: npt.NDArray[np.floating], users: IntArray | None = None, seed: int = 0
) -> tuple[float, float]:
    """Ends of the 95 % interval of a mean, by the same draws of users, each with all values.

    Args:
        values: shape (values,).
        users: the user of each value, from 0, shape (values,); None where each user has one.
        seed: of the draws.
    """
    if users is None:
        users = np.arange(len(values))
    sums, counts = np.bincount(users, values), np.bincount(users)
    draws = _draws(len(sums), RESAMPLES, seed)
    return _ends((draws @ sums) / (draws @ counts))


def _draws(users: int, resamples: int, seed: int) -> IntArray:
    """How often each user is drawn, shape (resamples, users)."""
    return np.random.default_rng(seed).multinomial(users, np.full(users, 1 / users), size=resamples)


def _ends(resampled: npt.NDArray[np.float64]) -> tuple[float, float]:
    """Of the interval that holds `LEVEL` of a figure's resamples."""
    low, high = np.quantile(resampled, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def _squares(predicted: FloatArray, actual: FloatArray, users: IntArray, scale: RatingScale) -> npt.NDArray[np.float64]:
    """Each user's sum of squared errors, shape (users,)."""
    squares = np.square(clip(predicted, scale) - actual, dtype=np.float64)
    return np.bincount(users, weights=squares).astype(np.float64)


def _difference(totals: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """From both sums of squares and the number of targets, shape (3, ...), to the difference of RMSE, shape (...)."""
    first, second, targets = totals
    difference: npt.NDArray[np.float64] = np.sqrt(first / targets) - np.sqrt(second / targets)
    return difference
