"""Heads: from the outputs of the last layer to predicted stars, and the loss for training.

Both heads combine the outputs with the prior's prediction. The predicted stars are always the mean of the predicted
distribution, because RMSE, the published metric, is smallest for the mean.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from model.network.config import NetworkConfig
from model.network.scale import level_indices
from model.rating_scale import WHOLE_STARS, RatingScale, liked_levels

INITIAL_LOG_PRECISION = 0.3
"""Precision 1.35, a standard deviation of 0.86 stars: about the test error of a factorization on MovieLens."""


class Stars(NamedTuple):
    """Predicted ratings.

    Attributes:
        mean: expected stars, which may lie outside the rating scale, shape (...).
        probabilities: of each level of the rating scale, shape (..., levels); None from a head for the mean alone.
    """

    mean: Tensor
    probabilities: Tensor | None

    @classmethod
    def joined(cls, parts: Sequence["Stars"]) -> "Stars":
        """Those of several users for one segment of the movies after the other, shape (users, movies)."""
        probabilities = [part.probabilities for part in parts if part.probabilities is not None]
        means = torch.cat([part.mean for part in parts], dim=1)
        return cls(means, torch.cat(probabilities, dim=1) if probabilities else None)

    def like_probability(self, scale: RatingScale) -> Tensor | None:
        """How likely the user is to like the movie, shape (...); see `liked_levels`."""
        if self.probabilities is None:
            return None
        return self.probabilities[..., liked_levels(scale)].sum(-1)


class NormalHead(nn.Module):
    """Predicts the mean alone, as published: the prior's prediction plus one output. The loss is the squared error."""

    outputs = 1

    def stars(self, outputs: Tensor, base: Tensor) -> Stars:
        """Predictions for ``outputs`` (..., 1) and the prior's prediction ``base`` (...), in stars."""
        return Stars(base + outputs.squeeze(-1), None)

    def losses(self, outputs: Tensor, base: Tensor, targets: Tensor) -> Tensor:
        """Squared error for each of the ``targets``, in stars; all of shape (...)."""
        # In single precision also under autocast: differences of a tenth of a star are squared.
        return nn.functional.mse_loss(self.stars(outputs, base).mean.float(), targets, reduction="none")


class CategoricalHead(nn.Module):
    """Predicts a probability for every level of the rating scale. The loss is the cross-entropy.

    With outputs of zero, the distribution is a normal one around the prior's prediction, restricted to the levels::

        logit_k = output_k - precision / 2 * (level_k - base)^2

    An output for each level can shift the mean, and can also express that a user gives only the highest and the lowest
    level, which no normal distribution does.
    """

    levels: Tensor

    def __init__(self, levels: RatingScale = WHOLE_STARS) -> None:
        super().__init__()
        self.rating_scale = levels
        self.outputs = len(levels)
        # The logarithm is learned, so that the precision stays positive.
        self.log_precision = nn.Parameter(torch.tensor(INITIAL_LOG_PRECISION))
        self.register_buffer("levels", torch.tensor(levels), persistent=False)

    def stars(self, outputs: Tensor, base: Tensor) -> Stars:
        """Predictions for ``outputs`` (..., levels) and the prior's prediction ``base`` (...), in stars."""
        probabilities = self._logits(outputs, base).softmax(-1)  # (..., levels)
        return Stars(probabilities @ self.levels, probabilities)

    def losses(self, outputs: Tensor, base: Tensor, targets: Tensor) -> Tensor:
        """Cross-entropy for each of the ``targets``, in stars, shape (ratings,)."""
        levels = level_indices(targets, self.rating_scale)
        return nn.functional.cross_entropy(self._logits(outputs, base), levels, reduction="none")

    def _logits(self, outputs: Tensor, base: Tensor) -> Tensor:
        distances = self.levels - base.unsqueeze(-1)  # (..., levels)
        return outputs.float() - 0.5 * self.log_precision.exp() * distances.square()


Head = NormalHead | CategoricalHead


def build_head(config: NetworkConfig) -> Head:
    return CategoricalHead(config.rating_scale) if config.likelihood == "categorical" else NormalHead()
