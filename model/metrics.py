"""What a prediction of stars is judged by."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from model.features import FloatArray, IntArray

LOWEST_STARS, HIGHEST_STARS = 1.0, 5.0

CALIBRATION_BINS = 15


class Predicted(NamedTuple):
    """A model's answer for some targets.

    Attributes:
        stars: not clipped, shape (targets,).
        probabilities: of 1, 2, ..., 5 stars, shape (targets, 5); None where the model gives stars alone.
    """

    stars: FloatArray
    probabilities: FloatArray | None = None


def clip(stars: FloatArray) -> FloatArray:
    """Predictions as they are shown and judged: between 1 and 5 stars."""
    return np.clip(stars, LOWEST_STARS, HIGHEST_STARS)


def rmse(predicted: FloatArray, actual: FloatArray) -> float:
    """Root mean squared error in stars; predictions are clipped first."""
    return float(np.sqrt(np.mean(np.square(clip(predicted) - actual, dtype=np.float64))))


def accuracy(predicted: FloatArray, actual: FloatArray) -> float:
    """Share of predictions, clipped, that round to the given star (half to even)."""
    return float(np.mean(np.rint(clip(predicted)) == actual))


def mode_accuracy(probabilities: FloatArray, actual: FloatArray) -> float:
    """Share of targets whose likeliest star, of probabilities of shape (targets, 5), is the given one."""
    return float(np.mean(probabilities.argmax(axis=1) + LOWEST_STARS == actual))


class Reliability(NamedTuple):
    """How often stars came true, by the probability that they were given.

    Attributes:
        probability: mean probability in each bin that is not empty, ascending, shape (bins,).
        frequency: share of the bin's stars that were the given one, shape (bins,).
        counts: (target, star) pairs in each bin, shape (bins,).
    """

    probability: npt.NDArray[np.float64]
    frequency: npt.NDArray[np.float64]
    counts: IntArray


def reliability(probabilities: FloatArray, actual: FloatArray) -> Reliability:
    """Compare the probability of every star of every target with how often it came true, in bins of equal width."""
    happened = actual[:, None] == np.arange(1, probabilities.shape[1] + 1)
    bins = np.minimum((probabilities * CALIBRATION_BINS).astype(np.int64), CALIBRATION_BINS - 1).ravel()
    counts = np.bincount(bins, minlength=CALIBRATION_BINS)
    used = counts > 0
    sums = np.bincount(bins, weights=probabilities.ravel(), minlength=CALIBRATION_BINS)[used]
    hits = np.bincount(bins, weights=happened.ravel(), minlength=CALIBRATION_BINS)[used]
    return Reliability(sums / counts[used], hits / counts[used], counts[used])


def calibration_error(probabilities: FloatArray, actual: FloatArray) -> float:
    """Expected calibration error of the likeliest star (Guo et al. 2017, equation 3), in bins of equal width."""
    confidence = probabilities.max(axis=1)
    hit = probabilities.argmax(axis=1) + LOWEST_STARS == actual
    bins = np.minimum((confidence * CALIBRATION_BINS).astype(np.int64), CALIBRATION_BINS - 1)
    gaps = np.bincount(bins, weights=confidence - hit, minlength=CALIBRATION_BINS)
    return float(np.abs(gaps).sum() / len(actual))
