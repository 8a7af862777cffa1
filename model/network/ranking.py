"""The ranking network: movie vectors, an encoder of the history, and a head for queries."""

from collections.abc import Collection
from typing import NamedTuple

import torch
from torch import Tensor, nn

from model.features.catalogue import UNKNOWN
from model.features.users import PROFILE_WIDTH
from model.network.batch import Users
from model.network.config import NetworkConfig, RankingConfig
from model.network.recurrent import RECURRENT, last_states
from model.network.scale import level_indices
from model.types import IntArray

HORIZONS = ("next", "relevance")
"""What a score predicts: that the user rates this movie next; or that the user gives it 4 or more stars, at any later
time."""

PROFILE_DROPOUT = 0.1
"""Share of users without a profile in a training step, so that the network can also serve users without one."""

LEAST_COMPONENT = 1e-6
"""Of a title vector, whose length is 1, that is more than rounding."""


class MovieVectors(NamedTuple):
    """Movies, encoded: all of them, unless a training step needs but some.

    Attributes:
        vectors: shape (movies, width).
        popularity: the part of a movie's logit that is the same for all users, shape (movies, horizons).
    """

    vectors: Tensor
    popularity: Tensor

    @property
    def rows(self) -> int:
        """The number of movies."""
        return len(self.vectors)

    def take(self, indices: Tensor) -> "MovieVectors":
        """A copy of the movies at these indices, which may repeat."""
        return MovieVectors(self.vectors[indices], self.popularity[indices])

    def put(self, places: Tensor, others: "MovieVectors") -> None:
        """Write others over the movies of a mask, in place."""
        for own, new in zip(self, others, strict=True):
            own[places] = new


class RankingNetwork(nn.Module):
    """Scores movies for a user: a movie's logit is the dot product of a query with its vector, plus its popularity.

    A recurrent layer reads the history, each movie with its stars. Its last state and the profile make one query for
    each of `HORIZONS`.

    It shares no weights with the branches that predict stars. What it learns, which movies its training users rated
    next, holds less for other users, and stars predicted from its states had a larger error.
    """

    def __init__(self, config: NetworkConfig, ranking: RankingConfig, genres: Tensor, titles: Tensor) -> None:
        """``genres`` (movies, genres) and ``titles`` (movies, title width); index 0 is the unknown movie."""
        super().__init__()
        self.config = ranking
        self.movies = MovieEncoder(ranking, genres, titles)
        self.encoder = HistoryEncoder(config, ranking)
        self.head = QueryHead(ranking)

    @property
    def members(self) -> tuple["RankingNetwork", ...]:
        """This one alone; a `model.network.ensemble.RankingEnsemble` has several."""
        return (self,)

    @property
    def vocabulary_size(self) -> int:
        """Movies, the unknown one among them."""
        return len(self.movies)

    def encode_movies(self, indices: Tensor | None = None) -> MovieVectors:
        """The movies at these different indices, shape (movies,), or all."""
        encoded: MovieVectors = self.movies(indices)
        return encoded

    def forward(self, profiles: Tensor, movies: Tensor, stars: Tensor, table: Tensor) -> Tensor:
        """Queries at every step, from the ratings before it, shape (time, users, horizons, width).

        Args:
            profiles: shape (users, 24).
            movies: rows of ``table``, shape (time, users), from each user's first rating on.
            stars: of these movies, shape (time, users).
            table: movie vectors, shape (movies, width).
        """
        # The query at step t must not know rating t: the states are shifted by one step, and the first one is zeros.
        states = self.encoder(table[movies[:-1]], stars[:-1])  # (time - 1, users, hidden)
        queries: Tensor = self.head(torch.cat([states.new_zeros(1, *states.shape[1:]), states]), profiles)
        return queries

    def queries(self, users: Users, movies: MovieVectors) -> Tensor:
        """Queries from whole histories, shape (users, horizons, width); ``movies`` from `encode_movies`."""
        indices, lengths = users.since(self.config.window_start(users.lengths))  # (time, users), (users,)
        states = self.encoder.last(movies.vectors[users.movies[indices]], users.stars[indices], lengths)
        queries: Tensor = self.head(states, users.profiles)
        return queries

    def queries_without_each(self, user: Users, movies: MovieVectors, left_out: IntArray) -> Tensor:
        """Queries of one user without one of the ratings, for each of some, shape (left out, horizons, width).

        They explain a list: a rating is a reason for a movie if the movie's score falls without it. ``left_out`` are
        positions in the history, ascending, of ratings that `queries` reads.
        """
        # The window of a history with one rating less, which may begin earlier.
        start = self.config.window_start(len(user.movies) - 1)
        states = self.encoder.without_each(
            movies.vectors[user.movies[start:]], user.stars[start:], (left_out - start).tolist()
        )
        queries: Tensor = self.head(states, user.profiles.expand(len(left_out), -1))
        return queries

    @staticmethod
    def logits(queries: Tensor, movies: MovieVectors, horizon: str) -> Tensor:
        """Logits of all movies on one of `HORIZONS`, shape (users, movies); queries (users, horizons, width)."""
        column = HORIZONS.index(horizon)
        if len(queries) == 1:  # a matrix and a vector, for which `addmm` takes twice as long
            return torch.addmv(movies.popularity[:, column], movies.vectors, queries[0, column]).unsqueeze(0)
        return torch.addmm(movies.popularity[:, column], queries[:, column], movies.vectors.T)


class MovieEncoder(nn.Module):
    """A movie's vector: its embedding plus a linear function of its genres and of its title's principal components.

    So a movie without ratings has a vector too. The principal components are those of all titles in the catalogue.
    """

    genres: Tensor
    titles: Tensor
    title_mean: Tensor
    title_axes: Tensor

    def __init__(self, config: RankingConfig, genres: Tensor, titles: Tensor) -> None:
        super().__init__()
        self.unknown_rate = config.unknown_rate
        self.embedding = nn.Embedding(len(genres), config.embedding)
        self.content = nn.Linear(genres.shape[1] + config.title_components, config.embedding, bias=False)
        self.popularity = nn.Parameter(torch.zeros(len(genres), len(HORIZONS)))
        nn.init.normal_(self.embedding.weight, std=0.1)
        # Content starts small beside the embedding.
        nn.init.normal_(self.content.weight, std=0.02)
        self.register_buffer("genres", genres, persistent=False)
        self.register_buffer("titles", titles, persistent=False)
        self.register_buffer("title_mean", torch.zeros(titles.shape[1]))
        self.register_buffer("title_axes", torch.zeros(titles.shape[1], config.title_components))

    def __len__(self) -> int:
        return len(self.genres)

    def forward(self, movies: Tensor | None = None) -> MovieVectors:
        """Encodes the movies at these different indices, shape (movies,), or all; in training, some by content only."""
        chosen = slice(None) if movies is None else movies
        genres, titles = self.genres[chosen], self.titles[chosen]
        indices = torch.arange(len(self), device=self.genres.device)[chosen]
        if self.training and self.unknown_rate:
            hidden = torch.rand(indices.shape, device=indices.device) < self.unknown_rate
            indices = indices.masked_fill(hidden, UNKNOWN)
        # A movie without a title (zeros) gets the components of an average title, which are zeros too. Without the mask
        # it would get those of -title_mean, an extreme title.
        known = titles.any(-1, keepdim=True)  # (movies, 1)
        components = known * ((titles - self.title_mean) @ self.title_axes)
        content = self.content(torch.cat([genres, components], dim=-1))
        return MovieVectors(self.embedding(indices) + content, self.popularity[indices])

    @torch.no_grad()
    def fit_titles(self) -> None:
        """Compute the principal components of all titles, by one factor scaled to a standard deviation of 1.

        Titles with one and the same vector have none.
        """
        titles = self.titles[self.titles.any(-1)]
        self.title_mean.copy_(titles.mean(0))
        centred = titles - self.title_mean
        # Rows of Vh are orthogonal directions, those of the largest variance first.
        directions = torch.linalg.svd(centred, full_matrices=False).Vh[: self.title_axes.shape[1]]
        components = centred @ directions.T
        if (components.abs() > LEAST_COMPONENT).any():
            axes = directions.T / components.std()  # (title width, components)
            self.title_axes[:, : axes.shape[1]] = axes  # with fewer titles than components, the others stay zeros

    @torch.no_grad()
    def reset(self, indices: Tensor) -> None:
        """Give these movies the embedding and popularity of the unknown movie: they had no ratings to learn from."""
        self.embedding.weight[indices] = self.embedding.weight[UNKNOWN].clone()
        self.popularity[indices] = self.popularity[UNKNOWN].clone()


class HistoryEncoder(nn.Module):
    """Reads a history, movie after movie.

    The input of a step is the movie's vector plus a vector for its level of stars, so that the encoder can tell liked
    movies from disliked ones.
    """

    def __init__(self, config: NetworkConfig, ranking: RankingConfig) -> None:
        super().__init__()
        self.hidden = ranking.hidden
        self.rating_scale = config.rating_scale
        self.stars = nn.Embedding(len(config.rating_scale), ranking.embedding)
        nn.init.normal_(self.stars.weight, std=0.02)
        self.dropout = LockedDropout(ranking.input_dropout)
        self.recurrent = RECURRENT[config.recurrent](ranking.embedding, ranking.hidden)

    def forward(self, movies: Tensor, stars: Tensor) -> Tensor:
        """States after every step, shape (time, users, hidden).

        ``movies`` are movies' vectors, shape (time, users, width), and ``stars`` those of each, shape (time, users).
        """
        states: Tensor = self.recurrent(self.dropout(self.inputs(movies, stars)))
        return states

    def last(self, movies: Tensor, stars: Tensor, lengths: Tensor) -> Tensor:
        """The state after each user's last rating, shape (users, hidden); zeros for an empty history.

        ``movies`` and ``stars`` are as for `forward`, ``lengths`` are the numbers of ratings, shape (users,).
        """
        return last_states(self.recurrent, self.inputs(movies, stars), lengths)

    def inputs(self, movies: Tensor, stars: Tensor) -> Tensor:
        """What the recurrent layer reads: of vectors (..., width) and stars (...), shape (..., width)."""
        inputs: Tensor = movies + self.stars(level_indices(stars, self.rating_scale))
        return inputs

    def without_each(self, movies: Tensor, stars: Tensor, left_out: Collection[int]) -> Tensor:
        """The last state of one history without one of its ratings, for each of these steps, ascending.

        ``movies`` have shape (time, width), ``stars`` shape (time,), and the states shape (left out, hidden).

        The batch grows while the history is read: its first element reads every rating, and each of the others leaves
        one out. They start from the state before the missing rating, so the ratings before it are read only once.
        """
        state = self.recurrent.start(1)
        for step, inputs in enumerate(self.inputs(movies, stars).unsqueeze(1)):
            before = tuple(part[:1] for part in state)
            state = self.recurrent.advance(inputs, state)
            if step in left_out:
                state = torch.cat([state[0], before[0]]), torch.cat([state[1], before[1]])
        return state[0][1:]


class QueryHead(nn.Module):
    """Queries from the state of the history and the profile; before the first rating, from the profile alone."""

    def __init__(self, config: RankingConfig) -> None:
        super().__init__()
        self.query = nn.Linear(config.hidden, len(HORIZONS) * config.embedding)
        self.profile = nn.Linear(PROFILE_WIDTH, len(HORIZONS) * config.embedding, bias=False)
        self.dropout = LockedDropout(config.output_dropout)

    def forward(self, states: Tensor, profiles: Tensor) -> Tensor:
        """Queries, shape (..., users, horizons, width), of states (..., users, hidden) and profiles (users, 24)."""
        if self.training:
            # All steps of a user have a profile or none has: a user without one has none at any time.
            profiles = profiles * (torch.rand(len(profiles), 1, device=profiles.device) >= PROFILE_DROPOUT)
        queries: Tensor = self.dropout(self.query(states) + self.profile(profiles))
        return queries.view(*queries.shape[:-1], len(HORIZONS), -1)


class LockedDropout(nn.Module):
    """Dropout of the same entries at every step, for tensors of shape (time, users, width) (Gal and Ghahramani 2016).

    With new entries at every step, the noise would add up in the recurrent state.
    """

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, steps: Tensor) -> Tensor:
        if not self.training or not self.rate:
            return steps
        mask = torch.empty_like(steps[:1]).bernoulli_(1 - self.rate)  # (1, users, width), the same for all steps
        return steps * (mask / (1 - self.rate))
