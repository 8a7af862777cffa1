"""The branches of SeqRec: one entity each, one small class each.

A branch reads either users or movies and gives a vector for each; the output network reads the vectors of all
branches side by side. To add an entity, write a class and add one line to `BRANCHES`; the configuration of a network
lists its branches.
"""

from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from model.features.catalogue import UNKNOWN
from model.features.users import PROFILE_WIDTH
from model.network.batch import Users
from model.network.config import NetworkConfig
from model.network.recurrent import RECURRENT
from model.network.scale import level_indices


def graph_width(config: NetworkConfig) -> int:
    """Eigenvectors that the movie embedding is smoothed with."""
    return config.factorization.coordinates if config.graph_convolution else 0


class MovieTable(nn.Module):
    """What is known of each movie index; shared by all branches that read movies.

    The embedding is learned; genres and title vectors are given, and so is the number of ratings in training. Index 0
    is the unknown movie.

    With graph convolution, a movie's embedding is its own plus those of its neighbours in the graph of users and
    movies. Neighbours are weighed by their coordinates
    (`model.factorization.side_information`), the leading singular vectors of the graph, after the idea that a
    convolution is a low-pass filter (Shen et al. 2021, "How powerful is graph convolution for recommendation?").
    """

    genres: Tensor
    titles: Tensor
    graph: Tensor
    ratings: Tensor

    def __init__(self, config: NetworkConfig, genres: Tensor, titles: Tensor) -> None:
        """``genres`` has shape (movies, genres), ``titles`` shape (movies, title width)."""
        super().__init__()
        self.unknown_rate = config.unknown_rate
        self.embedding = nn.Embedding(len(genres), config.embedding)
        nn.init.normal_(self.embedding.weight, std=0.1)
        self.register_buffer("genres", genres, persistent=False)
        self.register_buffer("titles", titles, persistent=False)
        self.register_buffer("graph", torch.zeros(len(genres), graph_width(config)))
        self.register_buffer("ratings", torch.zeros(len(genres), dtype=torch.long))

    def __len__(self) -> int:
        return len(self.genres)

    def embed(self, indices: Tensor) -> Tensor:
        """Embeddings of movie indices; in training, some of them are shown as the unknown movie."""
        if self.training and self.unknown_rate:
            hidden = torch.rand(indices.shape, device=indices.device) < self.unknown_rate
            indices = indices.masked_fill(hidden, UNKNOWN)
        embedded: Tensor = self.embedding(indices)
        if self.graph.shape[1]:
            embedded = embedded + self.graph[indices] @ (self.graph.T @ self.embedding.weight) / len(self)
        return embedded

    @torch.no_grad()
    def reset(self, indices: Tensor) -> None:
        """Make these indices equal to the unknown movie: they had no rating to learn from."""
        self.embedding.weight[indices] = self.embedding.weight[UNKNOWN].clone()


class Branch(nn.Module):
    """One entity's part of the network.

    A subclass sets ``side`` to what it reads, sets ``width`` to the length of its vectors, and in ``forward``
    gives a tensor of shape (users or movies, width). On side ``user`` it reads `Users` and what the prior leaves open
    of each of their ratings, in stars, shape (ratings,); on side ``movie``, movie indices of shape (movies,).
    """

    side: ClassVar[Literal["user", "movie"]]
    width: int


def feed_forward(inputs: int, layers: tuple[int, ...], dropout: float) -> nn.Sequential:
    """Linear, ReLU and dropout for each of the layers."""
    modules: list[nn.Module] = []
    for width in layers:
        modules += [nn.Linear(inputs, width), nn.ReLU(), nn.Dropout(dropout)]
        inputs = width
    return nn.Sequential(*modules)


class HistoryBranch(Branch):
    """User history: the latest ratings, as (movie embedding, rating), through the recurrent layer.

    Departs from the publication in two ways. The rating enters at its own scale, where the published code divides
    it by 1.155 x 110 until nothing of it is left. And no padding is read: the history starts at the first step
    and the state is taken after its last one; an empty history is a zero vector.

    For a distribution over stars it also reads which level of stars was given, and gives the mean of the states and
    the length of the history beside the last state: how a user spreads the stars is not a matter of the last rating.
    """

    side = "user"

    def __init__(self, config: NetworkConfig, movies: MovieTable) -> None:  # noqa: ARG002 - one signature for all
        super().__init__()
        self.limit = config.history_length
        self.scale = config.residual_divisor
        self.rating_scale = config.rating_scale
        self.whole = config.likelihood == "categorical"
        hidden = config.embedding + 1
        self.width = 2 * hidden + 1 if self.whole else hidden
        inputs = hidden + len(self.rating_scale) if self.whole else hidden
        self.recurrent = RECURRENT[config.recurrent](inputs, hidden)

    def forward(self, users: Users, residuals: Tensor, movies: MovieTable) -> Tensor:
        latest = users.latest(self.limit)
        if not len(latest.places):
            return users.profiles.new_zeros(len(users.lengths), self.width)
        states = self._states(users, residuals, movies, latest.places)
        if not self.whole:
            return latest.last(states)
        return torch.cat([latest.last(states), latest.mean(states), torch.log1p(users.lengths).unsqueeze(-1) / 4], -1)

    def _states(self, users: Users, residuals: Tensor, movies: MovieTable, places: Tensor) -> Tensor:
        """After each of the ratings at ``places`` (time, users), shape (time, users, hidden)."""
        inputs = [movies.embed(users.movies[places]), residuals[places].unsqueeze(-1) / self.scale]
        if self.whole:
            levels = level_indices(users.stars[places], self.rating_scale)
            inputs.append(nn.functional.one_hot(levels, len(self.rating_scale)))
        states: Tensor = self.recurrent(torch.cat(inputs, dim=-1))
        return states


class ProfileBranch(Branch):
    """User information: gender, age and occupation."""

    side = "user"

    def __init__(self, config: NetworkConfig, movies: MovieTable) -> None:  # noqa: ARG002 - one signature for all
        super().__init__()
        self.width = config.profile_layers[-1]
        self.layers = feed_forward(PROFILE_WIDTH, config.profile_layers, config.dropout)

    def forward(self, users: Users, residuals: Tensor, movies: MovieTable) -> Tensor:  # noqa: ARG002 - as above
        vectors: Tensor = self.layers(users.profiles)
        return vectors


class MovieBranch(Branch):
    """Movie information: the embedding that the history reads too, and the genres."""

    side = "movie"

    def __init__(self, config: NetworkConfig, movies: MovieTable) -> None:
        super().__init__()
        self.width = config.movie_layers[-1]
        inputs = config.embedding + movies.genres.shape[1]
        self.layers = feed_forward(inputs, config.movie_layers, config.dropout)

    def forward(self, indices: Tensor, movies: MovieTable) -> Tensor:
        vectors: Tensor = self.layers(torch.cat([movies.embed(indices), movies.genres[indices]], dim=-1))
        return vectors


class TitleBranch(Branch):
    """Movie title: its sentence embedding, computed once before training."""

    side = "movie"

    def __init__(self, config: NetworkConfig, movies: MovieTable) -> None:
        super().__init__()
        self.width = config.title_layers[-1]
        self.layers = feed_forward(movies.titles.shape[1], config.title_layers, config.dropout)

    def forward(self, indices: Tensor, movies: MovieTable) -> Tensor:
        vectors: Tensor = self.layers(movies.titles[indices])
        return vectors


BRANCHES: dict[str, type[Branch]] = {
    "history": HistoryBranch,
    "profile": ProfileBranch,
    "movie": MovieBranch,
    "title": TitleBranch,
}
