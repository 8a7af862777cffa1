"""Array types that all packages share."""

import numpy as np
import numpy.typing as npt

from model.rating_scale import WHOLE_STARS, RatingScale

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]


def clip(stars: FloatArray, levels: RatingScale = WHOLE_STARS) -> FloatArray:
    """Predictions limited to the rating scale, as metrics and answers need them."""
    return np.clip(stars, levels[0], levels[-1])
