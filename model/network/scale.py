"""Stars as levels of the rating scale."""

import torch
from torch import Tensor

from model.rating_scale import RatingScale


def level_indices(stars: Tensor, levels: RatingScale) -> Tensor:
    """Index into ``levels`` of the nearest one, the lower one of two, of the shape of ``stars``."""
    known = stars.new_tensor(levels)
    return torch.bucketize(stars, (known[1:] + known[:-1]) / 2)
