"""The discounts by which NDCG weighs the entries of a list, for models in evaluation and for lists that were served."""

import numpy as np
import numpy.typing as npt

from model.types import IntArray


def discounts(positions: IntArray) -> npt.NDArray[np.float64]:
    """``1 / log2(position + 2)`` of entries at these positions, 0 for the head (Järvelin and Kekäläinen 2002)."""
    return 1 / np.log2(positions + 2)
