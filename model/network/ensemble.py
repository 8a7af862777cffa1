"""An ensemble of ranking networks, which is compared with movies as one network is."""

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor, nn

from model.network.batch import Users
from model.network.config import NetworkConfig, RankingConfig
from model.network.ranking import MovieVectors, RankingNetwork
from model.types import IntArray


class RankingEnsemble(nn.Module):
    """Several ranking networks; a movie's logit is the mean of theirs.

    They differ in their first weights and in what their dropout hides, and so in their errors, which the mean evens out
    (Lakshminarayanan et al. 2017, "Simple and scalable predictive uncertainty estimation using deep ensembles").

    A mean of dot products is a dot product itself: of the vectors of all members, one behind the other, and of their
    queries likewise, divided by the number of members. Whoever compares queries with movies takes an ensemble for a
    network with longer vectors.
    """

    def __init__(self, config: NetworkConfig, ranking: RankingConfig, genres: Tensor, titles: Tensor) -> None:
        """As for `RankingNetwork`, of which ``ranking.members`` are built."""
        super().__init__()
        self.config = ranking
        self.networks = nn.ModuleList(RankingNetwork(config, ranking, genres, titles) for _ in range(ranking.members))

    @property
    def members(self) -> tuple[RankingNetwork, ...]:
        return tuple(network for network in self.networks if isinstance(network, RankingNetwork))

    @property
    def vocabulary_size(self) -> int:
        return self.members[0].vocabulary_size

    def encode_movies(self) -> MovieVectors:
        """All movies; their width is that of all members together."""
        encoded = [member.encode_movies() for member in self.members]
        return MovieVectors(
            torch.cat([movies.vectors for movies in encoded], dim=1),
            torch.stack([movies.popularity for movies in encoded]).mean(0),
        )

    def queries(self, users: Users, movies: MovieVectors) -> Tensor:
        """As `RankingNetwork.queries`."""
        return joined(member.queries(users, own) for member, own in self._each(movies))

    def queries_without_each(self, user: Users, movies: MovieVectors, left_out: IntArray) -> Tensor:
        """As `RankingNetwork.queries_without_each`."""
        return joined(member.queries_without_each(user, own, left_out) for member, own in self._each(movies))

    def _each(self, movies: MovieVectors) -> Iterator[tuple[RankingNetwork, MovieVectors]]:
        """Each member with the movies as it has encoded them."""
        for member, vectors in zip(self.members, own_vectors(movies, len(self.networks)), strict=True):
            yield member, MovieVectors(vectors, movies.popularity)


Ranking = RankingNetwork | RankingEnsemble
"""What makes lists."""


def build_ranking(config: NetworkConfig, genres: Tensor, titles: Tensor) -> Ranking | None:
    """As the configuration says; None for a network that predicts stars alone."""
    if config.ranking is None:
        return None
    kind = RankingNetwork if config.ranking.members == 1 else RankingEnsemble
    return kind(config, config.ranking, genres, titles)


def own_vectors(movies: MovieVectors, members: int) -> tuple[Tensor, ...]:
    """The vectors of each member, shape (..., width), of movies that so many have encoded."""
    return movies.vectors.chunk(members, dim=-1)


def joined(queries: Iterable[Tensor]) -> Tensor:
    """What to compare movies of all members with, of the queries of each, shape (users, horizons, width)."""
    of_members = list(queries)
    return torch.cat(of_members, dim=-1) / len(of_members)
