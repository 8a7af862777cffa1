"""What a prediction of stars is judged by."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from model.rating_scale import WHOLE_STARS, RatingScale
from model.types import FloatArray, IntArray, clip

CALIBRATION_BINS = 15


class Predicted(NamedTuple):
    """A model's answer for some targets.

    Attributes:
        stars: not clipped, shape (targets,).
        probabilities: of each level of stars, shape (targets, levels); None where the model gives stars alone.
    """

    stars: FloatArray
    probabilities: FloatArray | None = None


def rmse(predicted: FloatArray, actual: FloatArray, levels: RatingScale = WHOLE_STARS) -> float:
    """Root mean squared error in stars; predictions are clipped first."""
    return float(np.sqrt(np.mean(np.square(clip(predicted, levels) - actual, dtype=np.float64))))


def accuracy(predicted: FloatArray, actual: FloatArray, levels: RatingScale = WHOLE_STARS) -> float:
    """Share of predictions, clipped, that round to the given level (half to even)."""
    step = levels[1] - levels[0]
    return float(np.mean(np.rint(clip(predicted, levels) / step) * step == actual))


def mode_accuracy(probabilities: FloatArray, actual: FloatArray, levels: RatingScale = WHOLE_STARS) -> float:
    """Share of targets whose likeliest level, of probabilities of shape (targets, levels), is the given one."""
    return float(np.mean(_likeliest(probabilities, levels) == actual))


def _likeliest(probabilities: FloatArray, levels: RatingScale) -> FloatArray:
    likeliest: FloatArray = np.array(levels, dtype=np.float32)[probabilities.argmax(axis=1)]
    return likeliest


class Reliability(NamedTuple):
    """How often stars came true, by the probability that they were given.

    Attributes:
        probability: mean probability in each bin that is not empty, ascending, shape (bins,).
        frequency: share of the bin's levels that were the given one, shape (bins,).
        counts: (target, level) pairs in each bin, shape (bins,).
    """

    probability: npt.NDArray[np.float64]
    frequency: npt.NDArray[np.float64]
    counts: IntArray


def reliability(probabilities: FloatArray, actual: FloatArray, levels: RatingScale = WHOLE_STARS) -> Reliability:
    """Compare the probability of every level of every target with how often it came true, in bins of equal width."""
    happened = actual[:, None] == np.array(levels, dtype=np.float32)
    bins = np.minimum((probabilities * CALIBRATION_BINS).astype(np.int64), CALIBRATION_BINS - 1).ravel()
    counts = np.bincount(bins, minlength=CALIBRATION_BINS)
    used = counts > 0
    sums = np.bincount(bins, weights=probabilities.ravel(), minlength=CALIBRATION_BINS)[used]
    hits = np.bincount(bins, weights=happened.ravel(), minlength=CALIBRATION_BINS)[used]
    return Reliability(sums / counts[used], hits / counts[used], counts[used])


def calibration_error(probabilities: FloatArray, actual: FloatArray, levels: RatingScale = WHOLE_STARS) -> float:
    """Expected calibration error of the likeliest level (Guo et al. 2017, equation 3), in bins of equal width."""
    confidence = probabilities.max(axis=1)
    hit = _likeliest(probabilities, levels) == actual
    bins = np.minimum((confidence * CALIBRATION_BINS).astype(np.int64), CALIBRATION_BINS - 1)
    gaps = np.bincount(bins, weights=confidence - hit, minlength=CALIBRATION_BINS)
    return float(np.abs(gaps).sum() / len(actual))
