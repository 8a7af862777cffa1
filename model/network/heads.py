"""What the output network says of a rating, and the loss that it learns from.

A head turns the outputs of the last layer and the prior's prediction into stars. The prediction is always the mean.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from model.network.config import NetworkConfig
from model.network.scale import level_indices
from model.rating_scale import WHOLE_STARS, RatingScale


class Stars(NamedTuple):
    """What a network says of some ratings.

    Attributes:
        mean: expected stars, maybe beyond the levels that there are, shape (...).
        probabilities: of each level of stars, shape (..., levels); None where the network does not give any.
    """

    mean: Tensor
    probabilities: Tensor | None


class NormalHead(nn.Module):
    """The mean alone, as published: the prior's prediction and one output; learns from the squared error."""

    outputs = 1

    def stars(self, outputs: Tensor, base: Tensor) -> Stars:
        """Of ``outputs`` (..., 1) and ``base`` (...), the prior's prediction in stars."""
        return Stars(base + outputs.squeeze(-1), None)

    def losses(self, outputs: Tensor, base: Tensor, given: Tensor) -> Tensor:
        """Of each rating of ``given`` stars, shape (...)."""
        return nn.functional.mse_loss(self.stars(outputs, base).mean.float(), given, reduction="none")


class CategoricalHead(nn.Module):
    """A probability for every level of stars; learns from the cross-entropy.

    Without the network it is a normal distribution around the prior's prediction, history_length into the levels: the
    logit of a level is minus its squared distance times half a precision. The network adds an output to each logit,
    so it can move the mean and also say that this user gives nothing but fives and ones.
    """

    levels: Tensor

    def __init__(self, levels: RatingScale = WHOLE_STARS) -> None:
        super().__init__()
        self.rating_scale = levels
        self.outputs = len(levels)
        self.log_precision = nn.Parameter(torch.tensor(0.3))
        self.register_buffer("levels", torch.tensor(levels), persistent=False)

    def stars(self, outputs: Tensor, base: Tensor) -> Stars:
        """Of ``outputs`` (..., levels) and ``base`` (...), the prior's prediction in stars."""
        probabilities = self._logits(outputs, base).softmax(-1)
        return Stars(probabilities @ self.levels, probabilities)

    def losses(self, outputs: Tensor, base: Tensor, given: Tensor) -> Tensor:
        """Of each rating of ``given`` stars, shape (ratings,)."""
        levels = level_indices(given, self.rating_scale)
        return nn.functional.cross_entropy(self._logits(outputs, base), levels, reduction="none")

    def _logits(self, outputs: Tensor, base: Tensor) -> Tensor:
        distances = self.levels - base.unsqueeze(-1)
        return outputs.float() - 0.5 * self.log_precision.exp() * distances.square()


Head = NormalHead | CategoricalHead


def head_of(config: NetworkConfig) -> Head:
    return CategoricalHead(config.rating_scale) if config.likelihood == "categorical" else NormalHead()
