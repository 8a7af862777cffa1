"""The branches of SeqRec: one entity each, one small class each.

A branch reads either users or movies and gives a vector for each; the output network reads the vectors of all
branches side by side. To add an entity, write a class and add one line to `BRANCHES`; the configuration of a network
lists its branches.
"""

from typing import ClassVar, Literal, NamedTuple

import torch
from torch import Tensor, nn

from model.config import NetworkConfig
from model.errors import NoRelevanceError
from model.features import PROFILE_WIDTH, UNKNOWN, nearest_levels
from model.history import HORIZONS, HistoryEncoder
from model.recurrent import RECURRENT


class Users(NamedTuple):
    """A batch of users as the network reads them; histories one after the other, each oldest first.

    Attributes:
        profiles: shape (users, 24).
        movies: catalogue rows of the rated movies, shape (ratings,).
        stars: shape (ratings,).
        lengths: ratings of each user, shape (users,).
    """

    profiles: Tensor
    movies: Tensor
    stars: Tensor
    lengths: Tensor

    def to(self, device: torch.device) -> "Users":
        return Users(*(tensor.to(device, non_blocking=True) for tensor in self))

    @property
    def owners(self) -> Tensor:
        """The user of each rating, shape (ratings,)."""
        return torch.repeat_interleave(torch.arange(len(self.lengths), device=self.lengths.device), self.lengths)


def graph_width(config: NetworkConfig) -> int:
    """Eigenvectors that the movie embedding is smoothed with."""
    return config.factorisation.places if config.graph_convolution else 0


SPREAD_SHRINKAGE = 10
"""Ratings that say nothing, which everyone has beforehand."""


class MovieVectors(NamedTuple):
    """Movies as the relevance head reads them.

    Attributes:
        vectors: shape (movies, width).
        popularity: what is added to a movie's score for everyone, shape (movies, horizons).
    """

    vectors: Tensor
    popularity: Tensor


class MovieTable(nn.Module):
    """What is known of each catalogue row; shared by all branches that read movies.

    The embedding is learned; genres and title vectors are given, and so is the number of ratings in training. Row 0 is
    the unknown movie. In a network that ranks, a movie's vector is its embedding plus a linear function of genres and
    of the principal components of the title's vector, so that a movie that nobody has rated yet has a vector too.

    With graph convolution, a movie's embedding is its own plus those of its neighbours in the graph of users and
    movies. Neighbours are weighed by their coordinates (`model.side_information`), the leading singular vectors of
    the graph, after the idea that a convolution is a low-pass filter (Shen et al. 2021, "How powerful is graph
    convolution for recommendation?").
    """

    genres: Tensor
    titles: Tensor
    graph: Tensor
    ratings: Tensor
    title_mean: Tensor
    title_axes: Tensor

    def __init__(self, config: NetworkConfig, genres: Tensor, titles: Tensor) -> None:
        """``genres`` has shape (rows, genres), ``titles`` shape (rows, title width)."""
        super().__init__()
        self.unknown_rate = config.unknown_rate
        self.embedding = nn.Embedding(len(genres), config.embedding)
        nn.init.normal_(self.embedding.weight, std=0.1)
        self.register_buffer("genres", genres, persistent=False)
        self.register_buffer("titles", titles, persistent=False)
        self.register_buffer("graph", torch.zeros(len(genres), graph_width(config)))
        self.register_buffer("ratings", torch.zeros(len(genres), dtype=torch.long))
        self.content: nn.Linear | None = None
        if config.relevance:
            components = config.relevance.title_components
            self.content = nn.Linear(genres.shape[1] + components, config.embedding, bias=False)
            nn.init.normal_(self.content.weight, std=0.02)
            self.popularity = nn.Parameter(torch.zeros(len(genres), len(HORIZONS)))
            self.register_buffer("title_mean", torch.zeros(titles.shape[1]))
            self.register_buffer("title_axes", torch.zeros(titles.shape[1], components))

    def __len__(self) -> int:
        return len(self.genres)

    def embed(self, rows: Tensor) -> Tensor:
        """Embeddings of catalogue rows; in training, some of them are shown as the unknown movie."""
        content = rows
        if self.training and self.unknown_rate:
            rows = self._with_unknown(rows)
        embedded: Tensor = self.embedding(rows)
        if self.content is not None:
            embedded = embedded + self._content_of(content)
        if self.graph.shape[1]:
            embedded = embedded + self.graph[rows] @ (self.graph.T @ self.embedding.weight) / len(self)
        return embedded

    def vectors(self) -> MovieVectors:
        """Of all rows, for a network that ranks; in training, some movies have but their genres and title."""
        rows = torch.arange(len(self), device=self.genres.device)
        content = self._content_of(rows)
        if self.training and self.unknown_rate:
            rows = self._with_unknown(rows)
        return MovieVectors(self.embedding(rows) + content, self.popularity[rows])

    def _with_unknown(self, rows: Tensor) -> Tensor:
        hidden = torch.rand(rows.shape, device=rows.device) < self.unknown_rate
        return rows.masked_fill(hidden, UNKNOWN)

    def _content_of(self, rows: Tensor) -> Tensor:
        """What genres and title add to the vectors of these rows, shape (..., width)."""
        if self.content is None:
            raise NoRelevanceError
        titles = self.titles[rows]
        known = titles.any(-1, keepdim=True)  # a title that was never read is no extreme one
        components = known * ((titles - self.title_mean) @ self.title_axes)
        content: Tensor = self.content(torch.cat([self.genres[rows], components], dim=-1))
        return content

    @torch.no_grad()
    def fit_titles(self) -> None:
        """Find the principal components of the titles, scaled to unit size all together."""
        if self.content is None:
            return
        titles = self.titles[self.titles.any(-1)]
        self.title_mean.copy_(titles.mean(0))
        centred = titles - self.title_mean
        directions = torch.linalg.svd(centred, full_matrices=False).Vh[: self.title_axes.shape[1]]
        axes = directions.T / (centred @ directions.T).std()
        self.title_axes[:, : axes.shape[1]] = axes

    @torch.no_grad()
    def forget(self, rows: Tensor) -> None:
        """Make these rows equal to the unknown movie: they had no rating to learn from."""
        self.embedding.weight[rows] = self.embedding.weight[UNKNOWN].clone()
        if self.content is not None:
            self.popularity[rows] = self.popularity[UNKNOWN].clone()


class Branch(nn.Module):
    """One entity's part of the network.

    A subclass sets ``side`` to what it reads, sets ``width`` to the length of its vectors, and in ``forward``
    gives a tensor of shape (users or movies, width). On side ``user`` it reads `Users` and what the path leaves open
    of each of their ratings, in stars, shape (ratings,); on side ``movie``, catalogue rows of shape (movies,).
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
    In a network that ranks, an encoder that has learned which movie comes next stands in place of the recurrent layer
    alone. The vector begins with the last state.
    """

    side = "user"

    def __init__(self, config: NetworkConfig, movies: MovieTable) -> None:  # noqa: ARG002 - one signature for all
        super().__init__()
        self.limit = config.history_length
        self.scale = config.rating_scale
        self.star_levels = config.star_levels
        self.whole = config.likelihood == "categorical"
        hidden = config.relevance.hidden if config.relevance else config.embedding + 1
        self.width = 2 * hidden + 1 if self.whole else hidden
        if config.relevance:
            self.width += len(self.star_levels) + 2
        self.encoder = HistoryEncoder(config, config.relevance) if config.relevance else None
        if self.encoder is None:
            inputs = hidden + len(self.star_levels) if self.whole else hidden
            self.recurrent = RECURRENT[config.recurrent](inputs, hidden)

    def forward(self, users: Users, residuals: Tensor, movies: MovieTable) -> Tensor:
        lengths = users.lengths.clamp(max=self.limit)
        steps = int(lengths.max()) if len(lengths) else 0
        if steps == 0:
            return users.profiles.new_zeros(len(lengths), self.width)
        ends = users.lengths.cumsum(0)
        time = torch.arange(steps, device=ends.device).unsqueeze(1)  # (time, 1)
        # Beyond a user's last rating the position is whatever: no state from there is ever taken.
        positions = (ends - lengths + time).clamp(max=len(users.movies) - 1)  # (time, users)
        states = self._states(users, residuals, movies, positions)
        summary = states[(lengths - 1).clamp(min=0), torch.arange(len(lengths), device=ends.device)]
        if self.whole:
            read = (time < lengths).unsqueeze(-1)
            mean = (states * read).sum(0) / lengths.clamp(min=1).unsqueeze(-1)
            summary = torch.cat([summary, mean, torch.log1p(users.lengths).unsqueeze(-1) / 4], dim=-1)
        if self.encoder is not None:
            summary = torch.cat([summary, self._spread(users, residuals)], dim=-1)
        read_anything: Tensor = lengths > 0
        return torch.where(read_anything.unsqueeze(-1), summary, 0.0)

    def _spread(self, users: Users, residuals: Tensor) -> Tensor:
        """How each user spreads the stars, shape (users, levels + 2): shares of the levels, mean residual and square.

        Shrunk towards nothing where the history is short. The encoder, which learned which movies are picked, need not
        have kept it.
        """
        known = torch.cat(
            [self._levels(users).float(), residuals.unsqueeze(-1), residuals.square().unsqueeze(-1)], dim=-1
        )
        sums = known.new_zeros(len(users.lengths), known.shape[1]).index_add_(0, users.owners, known)
        return sums / (users.lengths + SPREAD_SHRINKAGE).unsqueeze(-1)

    def _states(self, users: Users, residuals: Tensor, movies: MovieTable, positions: Tensor) -> Tensor:
        """After each of the ratings at ``positions`` (time, users), shape (time, users, hidden)."""
        embedded = movies.embed(users.movies[positions])
        if self.encoder is not None:
            encoded: Tensor = self.encoder(embedded, users.stars[positions])
            return encoded
        inputs = [embedded, residuals[positions].unsqueeze(-1) / self.scale]
        if self.whole:
            inputs.append(self._levels(users)[positions])
        states: Tensor = self.recurrent(torch.cat(inputs, dim=-1))
        return states

    def _levels(self, users: Users) -> Tensor:
        """The level of stars of each rating, one-hot, shape (ratings, levels)."""
        return nn.functional.one_hot(nearest_levels(users.stars, self.star_levels), len(self.star_levels))


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

    def forward(self, rows: Tensor, movies: MovieTable) -> Tensor:
        vectors: Tensor = self.layers(torch.cat([movies.embed(rows), movies.genres[rows]], dim=-1))
        return vectors


class TitleBranch(Branch):
    """Movie title: its sentence embedding, computed once before training."""

    side = "movie"

    def __init__(self, config: NetworkConfig, movies: MovieTable) -> None:
        super().__init__()
        self.width = config.title_layers[-1]
        self.layers = feed_forward(movies.titles.shape[1], config.title_layers, config.dropout)

    def forward(self, rows: Tensor, movies: MovieTable) -> Tensor:
        vectors: Tensor = self.layers(movies.titles[rows])
        return vectors


BRANCHES: dict[str, type[Branch]] = {
    "history": HistoryBranch,
    "profile": ProfileBranch,
    "movie": MovieBranch,
    "title": TitleBranch,
}
