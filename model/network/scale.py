"""Stars as levels of the rating scale."""

import torch
from torch import Tensor

from model.rating_scale import RatingScale


def level_indices(stars: Tensor, levels: RatingScale) -> Tensor:
    """Index of the nearest level, the lower of two equally near ones; of the shape of ``stars``."""
    scale = stars.new_tensor(levels)
    # Boundaries lie half-way between neighbouring levels; `bucketize` puts a value on a boundary below it.
    return torch.bucketize(stars, (scale[1:] + scale[:-1]) / 2)
