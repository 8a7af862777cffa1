"""The branches of SeqRec. Each encodes one entity: user history, user profile, movie, title.

A branch reads either users or movies and outputs one vector for each. The output network reads the concatenated
vectors of all branches. To add a branch, write a class and add one line to `BRANCHES`; a network's configuration names
its branches.
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

LOG_LENGTH_SCALE = 4
"""Divides the logarithm of a history's length: MovieLens users have a median of about 100 ratings, log 100 = 4.6, so
the quotient is near 1, as large as the other inputs of the output network."""


def graph_width(config: NetworkConfig) -> int:
    """Number of singular vectors for graph convolution; 0 without it."""
    return config.factorization.coordinates if config.graph_convolution else 0


class MovieTable(nn.Module):
    """Data and embedding of each movie index, shared by all branches that read movies. Index 0 is the unknown movie.

    The embedding is learned, and is there in networks that predict stars. Genres, title vectors and the number of
    training ratings are data.

    With graph convolution, the embeddings of a movie's neighbours in the graph of users and movies are added to its
    own. The weights of neighbours come from their coordinates (`model.factorization.side_information`), which are the
    leading singular vectors of the graph: a convolution is a low-pass filter (Shen et al. 2021, "How powerful is graph
    convolution for recommendation?").
    """

    genres: Tensor
    titles: Tensor
    graph: Tensor
    ratings: Tensor

    def __init__(self, config: NetworkConfig, genres: Tensor, titles: Tensor) -> None:
        """``genres`` has shape (movies, genres), ``titles`` shape (movies, title width)."""
        super().__init__()
        self.unknown_rate = config.unknown_rate
        if config.predicts_stars:
            self.embedding = nn.Embedding(len(genres), config.embedding)
            nn.init.normal_(self.embedding.weight, std=0.1)
        # Genres and titles are in files of their own in the artifact, and not among the weights.
        self.register_buffer("genres", genres, persistent=False)
        self.register_buffer("titles", titles, persistent=False)
        self.register_buffer("graph", torch.zeros(len(genres), graph_width(config)))
        self.register_buffer("ratings", torch.zeros(len(genres), dtype=torch.long))

    def __len__(self) -> int:
        return len(self.genres)

    @property
    def rating_counts(self) -> Tensor:
        """Number of training ratings of each movie, shape (movies,); ``ratings`` is its name in every artifact."""
        return self.ratings

    def embed(self, indices: Tensor) -> Tensor:
        """Embeddings of movie indices, shape (..., embedding).

        In training, some movies are replaced by the unknown movie: otherwise its embedding would never be learned, and
        it stands for every movie without ratings.
        """
        if self.training and self.unknown_rate:
            hidden = torch.rand(indices.shape, device=indices.device) < self.unknown_rate
            indices = indices.masked_fill(hidden, UNKNOWN)
        embedded: Tensor = self.embedding(indices)
        if self.graph.shape[1]:
            # From right to left: (coordinates, embedding) is small, a (movies, movies) matrix of weights is not.
            embedded = embedded + self.graph[indices] @ (self.graph.T @ self.embedding.weight) / len(self)
        return embedded

    @torch.no_grad()
    def reset(self, indices: Tensor) -> None:
        """Give these movies the embedding of the unknown movie: without ratings, their own is still random."""
        self.embedding.weight[indices] = self.embedding.weight[UNKNOWN].clone()


class Branch(nn.Module):
    """One part of the network, for one entity.

    A subclass sets ``side``, the input it reads, and ``width``, the length of its vectors. ``forward`` outputs shape
    (users or movies, width). On side ``user`` it reads `Users` and the residuals of their ratings after the prior, in
    stars, shape (ratings,); on side ``movie`` it reads movie indices, shape (movies,).
    """

    side: ClassVar[Literal["user", "movie"]]
    width: int


def feed_forward(inputs: int, layers: tuple[int, ...], dropout: float) -> nn.Sequential:
    """Linear, ReLU and dropout for each width in ``layers``."""
    modules: list[nn.Module] = []
    for width in layers:
        modules += [nn.Linear(inputs, width), nn.ReLU(), nn.Dropout(dropout)]
        inputs = width
    return nn.Sequential(*modules)


class HistoryBranch(Branch):
    """User history: the latest ratings, as (movie embedding, residual), through the recurrent layer.

    It differs from the publication in two ways. The rating enters at its own scale; the published code divides it by
    1.155 x 110, which leaves it too small to have an effect. And there is no padding: the first step is the oldest
    rating, and the output is the state after the latest one; an empty history gives zeros.

    For a distribution over stars, the branch also reads the level of each rating, and outputs the mean of all states
    and the length of the history beside the last state: a user's distribution shows in all ratings, not in the latest.
    """

    side = "user"

    def __init__(self, config: NetworkConfig, movies: MovieTable) -> None:  # noqa: ARG002 - one signature for all
        super().__init__()
        self.limit = config.history_length
        self.scale = config.residual_divisor
        self.rating_scale = config.rating_scale
        self.for_distribution = config.likelihood == "categorical"
        self.residual_column = config.embedding
        hidden = config.embedding + 1  # as published: as wide as its input, the embedding and the rating
        self.width = 2 * hidden + 1 if self.for_distribution else hidden
        inputs = hidden + len(self.rating_scale) if self.for_distribution else hidden
        self.recurrent = RECURRENT[config.recurrent](inputs, hidden)

    def forward(self, users: Users, residuals: Tensor, movies: MovieTable) -> Tensor:
        latest = users.latest(self.limit)
        if not len(latest.indices):  # all histories are empty
            return users.profiles.new_zeros(len(users.lengths), self.width)
        states = self.recurrent(self.inputs(users, residuals, movies, latest.indices))
        return self.join(latest.last(states), latest.mean(states), users.lengths)

    def inputs(self, users: Users, residuals: Tensor, movies: MovieTable, indices: Tensor) -> Tensor:
        """What the recurrent layer reads of the ratings at ``indices`` (time, users), shape (time, users, inputs).

        The column `residual_column` is linear in the residuals, and no other column depends on them.
        """
        inputs = [movies.embed(users.movies[indices]), residuals[indices].unsqueeze(-1) / self.scale]
        if self.for_distribution:
            levels = level_indices(users.stars[indices], self.rating_scale)
            inputs.append(nn.functional.one_hot(levels, len(self.rating_scale)))
        return torch.cat(inputs, dim=-1)

    def join(self, last: Tensor, mean: Tensor, lengths: Tensor) -> Tensor:
        """The branch's vectors from last and mean states, shape (users, hidden), and the histories' lengths (users,).

        Without a distribution over stars it is the last state alone.
        """
        if not self.for_distribution:
            return last
        return torch.cat([last, mean, torch.log1p(lengths).to(last.device).unsqueeze(-1) / LOG_LENGTH_SCALE], -1)


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
    """Movie information: the embedding, which the history branch reads too, and the genres."""

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
    """Movie title: its sentence vector, computed once before training (`model.features.titles`)."""

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
