"""Metrics of predicted stars."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from sklearn.calibration import calibration_curve

from model.rating_scale import WHOLE_STARS, RatingScale
from model.types import FloatArray, IntArray, clip

CALIBRATION_BINS = 15


class Predicted(NamedTuple):
    """A model's answers for some targets.

    Attributes:
        stars: not clipped, shape (targets,).
        probabilities: of each rating of the scale, shape (targets, levels); None where the model gives stars alone.
    """

    stars: FloatArray
    probabilities: FloatArray | None = None


def rmse(predicted: FloatArray, actual: FloatArray, scale: RatingScale = WHOLE_STARS) -> float:
    """Root mean squared error in stars; predictions are clipped first."""
    return float(np.sqrt(np.mean(np.square(clip(predicted, scale) - actual, dtype=np.float64))))


def accuracy(predicted: FloatArray, actual: FloatArray, scale: RatingScale = WHOLE_STARS) -> float:
    """Share of predictions, clipped, that round to the actual rating (half to even)."""
    step = scale[1] - scale[0]
    return float(np.mean(np.rint(clip(predicted, scale) / step) * step == actual))


def mode_accuracy(probabilities: FloatArray, actual: FloatArray, scale: RatingScale = WHOLE_STARS) -> float:
    """Share of targets whose most probable rating is the actual one; ``probabilities`` is (targets, levels)."""
    return float(np.mean(_modes(probabilities, scale) == actual))


def _modes(probabilities: FloatArray, scale: RatingScale) -> FloatArray:
    """The most probable rating of each target, shape (targets,)."""
    modes: FloatArray = np.array(scale, dtype=np.float32)[probabilities.argmax(axis=1)]
    return modes


class Reliability(NamedTuple):
    """How often ratings occurred, by the probability that they were given.

    Attributes:
        probability: mean probability in each bin that is not empty, ascending, shape (bins,).
        frequency: share of the bin's (target, rating) pairs that occurred, shape (bins,).
        counts: pairs in each bin, shape (bins,).
    """

    probability: npt.NDArray[np.float64]
    frequency: npt.NDArray[np.float64]
    counts: IntArray


def reliability(probabilities: FloatArray, actual: FloatArray, scale: RatingScale = WHOLE_STARS) -> Reliability:
    """Compare the probability of every rating of every target with how often it occurred, in bins of equal width."""
    occurred = (actual[:, None] == np.array(scale, dtype=np.float32)).ravel()
    predicted = probabilities.ravel().astype(np.float64)
    frequency, probability = calibration_curve(occurred, predicted, n_bins=CALIBRATION_BINS)
    counts, _ = np.histogram(predicted, bins=CALIBRATION_BINS, range=(0, 1))
    return Reliability(probability, frequency, counts[counts > 0])


def calibration_error(probabilities: FloatArray, actual: FloatArray, scale: RatingScale = WHOLE_STARS) -> float:
    """Expected calibration error of the most probable rating (Guo et al. 2017, equation 3), in bins of equal width."""
    confidence = probabilities.max(axis=1)
    correct = _modes(probabilities, scale) == actual
    bins = np.minimum((confidence * CALIBRATION_BINS).astype(np.int64), CALIBRATION_BINS - 1)
    gaps = np.bincount(bins, weights=confidence - correct, minlength=CALIBRATION_BINS)
    return float(np.abs(gaps).sum() / len(actual))
