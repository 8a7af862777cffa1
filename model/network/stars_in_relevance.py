"""How many stars a movie would get, as a part of its relevance."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from model.network.config import RankingConfig
from model.network.prior import FactorizationPrior, MovieFactors, Prior
from model.network.ranking import HORIZONS, MovieVectors

RELEVANCE = HORIZONS.index("relevance")


class StarsInRelevance(nn.Module):
    """Adds the stars that the prior predicts to the logits of relevance, by a weight.

    A movie is relevant if the user will rate it and will like it. The ranking network is good at the former; the
    factorization, which reads every rating of the history, is better at the latter.

    Both scores are dot products of a user's and a movie's vector, so their sum is one of longer vectors. The prior's
    vectors, those of all its samples together, have a thousand entries; here they are replaced by their coordinates on
    the principal axes of the movies' vectors.

    Buffers:
        axes: principal axes, orthogonal and of length 1, shape (prior width, components).
    """

    axes: Tensor

    def __init__(self, weight: float, width: int, components: int) -> None:
        """``width`` is that of the prior's vectors. The axes are placeholders until they are loaded or fitted."""
        super().__init__()
        self.weight = weight
        self.register_buffer("axes", torch.zeros(width, min(components, width)))

    @classmethod
    def of(cls, config: RankingConfig | None, prior: Prior) -> "StarsInRelevance | None":
        """As the configuration says; None where it gives stars no weight, or the prior has no movies to tell apart."""
        if config is None or not config.stars_weight or not isinstance(prior, FactorizationPrior):
            return None
        samples, _, width = prior.movies.shape
        return cls(config.stars_weight, samples * width, config.stars_components)

    @torch.no_grad()
    def fit(self, parts: Iterable[MovieFactors]) -> None:
        """Find the axes of all movies of the prior, which come in parts."""
        # In double precision: where movies have equal vectors, single precision does not converge.
        vectors = (part.vectors.double() for part in parts)
        products = sum((part.T @ part for part in vectors), start=self.axes.new_zeros((), dtype=torch.double))
        directions = torch.linalg.eigh(products).eigenvectors  # those of the largest eigenvalues come last
        self.axes.copy_(directions[:, -self.axes.shape[1] :])

    def movies(self, movies: MovieVectors, parts: Iterable[MovieFactors]) -> MovieVectors:
        """Movies of the ranking network with their stars, shape (movies, width + components); those of ``fit``."""
        stars = [MovieFactors(part.vectors @ self.axes, part.offsets) for part in parts]
        popularity = movies.popularity.clone()
        popularity[:, RELEVANCE] += self.weight * torch.cat([part.offsets for part in stars])
        vectors = torch.cat([part.vectors for part in stars])
        return MovieVectors(torch.cat([movies.vectors, vectors], dim=1), popularity)

    def queries(self, queries: Tensor, users: Tensor) -> Tensor:
        """Queries of the ranking network for these movies, shape (users, horizons, width + components).

        ``queries`` have shape (users, horizons, width), ``users`` are their vectors by the prior, shape
        (users, prior width).
        """
        stars = queries.new_zeros(*queries.shape[:2], self.axes.shape[1])
        stars[:, RELEVANCE] = self.weight * (users @ self.axes)
        return torch.cat([queries, stars], dim=-1)
