"""What a prediction of stars is judged by."""

import numpy as np

from model.features import FloatArray

LOWEST_STARS, HIGHEST_STARS = 1.0, 5.0


def clip(stars: FloatArray) -> FloatArray:
    """Predictions as they are shown and judged: between 1 and 5 stars."""
    return np.clip(stars, LOWEST_STARS, HIGHEST_STARS)


def rmse(predicted: FloatArray, actual: FloatArray) -> float:
    """Root mean squared error in stars; predictions are clipped first."""
    return float(np.sqrt(np.mean(np.square(clip(predicted) - actual, dtype=np.float64))))


def accuracy(predicted: FloatArray, actual: FloatArray) -> float:
    """Share of predictions, clipped, that round to the given star (half to even)."""
    return float(np.mean(np.rint(clip(predicted)) == actual))
