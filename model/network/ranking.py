"""The part of the network that ranks: movies' vectors, an encoder of the history, and the head that joins them."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from model.features.catalogue import UNKNOWN
from model.features.users import PROFILE_WIDTH
from model.network.batch import Users
from model.network.config import NetworkConfig, RankingConfig
from model.network.recurrent import RECURRENT
from model.network.scale import level_indices

HORIZONS = ("next", "relevance")
"""What a movie may be relevant for: that it comes next; or that the user will like it, sooner or later."""

PROFILES_LEFT_OUT = 0.1
"""Share of users, in training."""


class MovieVectors(NamedTuple):
    """All movies as the head reads them.

    Attributes:
        vectors: shape (movies, width).
        popularity: what is added to a movie's score for everyone, shape (movies, horizons).
    """

    vectors: Tensor
    popularity: Tensor


class RankingNetwork(nn.Module):
    """How relevant each movie is to a user: the dot product of a query with the movie's vector.

    There is a query for each of `HORIZONS`. A multiplicative LSTM reads the history, movie after movie with the stars
    that each got; its last state and the profile make the queries. It level_shares nothing with the branches that
    stars are predicted from: what it learns of its training users, which movies they came to next, is less true of
    others, and stars that are predicted from its state are the worse for it.
    """

    def __init__(self, config: NetworkConfig, ranking: RankingConfig, genres: Tensor, titles: Tensor) -> None:
        """``genres`` (movies, genres) and ``titles`` (movies, title width); index 0 is the unknown movie."""
        super().__init__()
        self.config = ranking
        self.movies = MovieEncoder(ranking, genres, titles)
        self.encoder = HistoryEncoder(config, ranking)
        self.head = QueryHead(ranking)

    def forward(self, profiles: Tensor, movies: Tensor, stars: Tensor, table: Tensor) -> Tensor:
        """Queries for each step, from what was rated before it, shape (time, users, horizons, width).

        ``profiles`` have shape (users, 24); ``movies`` are movie indices and ``stars`` what they got, shape
        (time, users), from the first rating on; ``table`` the vectors of all indices.
        """
        states = self.encoder(table[movies[:-1]], stars[:-1])
        queries: Tensor = self.head(torch.cat([states.new_zeros(1, *states.shape[1:]), states]), profiles)
        return queries

    def queries(self, users: Users, movies: MovieVectors) -> Tensor:
        """Of users as they are now, shape (users, horizons, width); ``movies`` as `MovieEncoder` gives them."""
        latest = users.latest(self.config.history_length)
        read = latest.places
        if len(read):
            states = latest.last(self.encoder(movies.vectors[users.movies[read]], users.stars[read]))
        else:
            states = users.profiles.new_zeros(len(users.lengths), self.encoder.hidden)
        queries: Tensor = self.head(states, users.profiles)
        return queries

    def queries_without_each(self, user: Users, movies: MovieVectors, latest: int) -> Tensor:
        """The queries of one user if one rating were missing, for each of the ``latest``, oldest first.

        Shape (latest, horizons, width).
        """
        # One rating more than is read of a whole history: it moves up where another one is missing.
        read = slice(-(self.config.history_length + 1), None)
        states = self.encoder.without_each(movies.vectors[user.movies[read]], user.stars[read], latest)
        queries: Tensor = self.head(states, user.profiles.expand(latest, -1))
        return queries

    @staticmethod
    def logits(queries: Tensor, movies: MovieVectors, horizon: str) -> Tensor:
        """Of each movie's relevance on one of `HORIZONS`, shape (users, movies), for `queries` of some users."""
        place = HORIZONS.index(horizon)
        return torch.addmm(movies.popularity[:, place], queries[:, place], movies.vectors.T)


class MovieEncoder(nn.Module):
    """A movie's vector: its embedding plus a linear function of its genres and of what its title is about.

    So a movie that nobody has rated yet has a vector too. The title's part is the principal components of the title's
    vector, found once in all titles.
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
        nn.init.normal_(self.content.weight, std=0.02)
        self.register_buffer("genres", genres, persistent=False)
        self.register_buffer("titles", titles, persistent=False)
        self.register_buffer("title_mean", torch.zeros(titles.shape[1]))
        self.register_buffer("title_axes", torch.zeros(titles.shape[1], config.title_components))

    def __len__(self) -> int:
        return len(self.genres)

    def forward(self) -> MovieVectors:
        """Of all indices; in training, some movies have but their genres and title."""
        indices = torch.arange(len(self), device=self.genres.device)
        if self.training and self.unknown_rate:
            hidden = torch.rand(indices.shape, device=indices.device) < self.unknown_rate
            indices = indices.masked_fill(hidden, UNKNOWN)
        known = self.titles.any(-1, keepdim=True)  # a title that was never read is no extreme one
        components = known * ((self.titles - self.title_mean) @ self.title_axes)
        content = self.content(torch.cat([self.genres, components], dim=-1))
        return MovieVectors(self.embedding(indices) + content, self.popularity[indices])

    @torch.no_grad()
    def fit_titles(self) -> None:
        """Find the principal components of the titles, scaled to unit size all together."""
        titles = self.titles[self.titles.any(-1)]
        self.title_mean.copy_(titles.mean(0))
        centred = titles - self.title_mean
        directions = torch.linalg.svd(centred, full_matrices=False).Vh[: self.title_axes.shape[1]]
        axes = directions.T / (centred @ directions.T).std()
        self.title_axes[:, : axes.shape[1]] = axes

    @torch.no_grad()
    def reset(self, indices: Tensor) -> None:
        """Leave these indices nothing but genres and title: they had no rating to learn from."""
        self.embedding.weight[indices] = self.embedding.weight[UNKNOWN].clone()
        self.popularity[indices] = self.popularity[UNKNOWN].clone()


class HistoryEncoder(nn.Module):
    """Reads rated movies one after the other; what was disliked is read as such.

    Each step reads the vector of a movie plus a vector for the stars that it got.
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

        ``movies`` are vectors, shape (time, users, width), and ``stars`` what they got, shape (time, users).
        """
        states: Tensor = self.recurrent(self.dropout(self._inputs(movies, stars)))
        return states

    def _inputs(self, movies: Tensor, stars: Tensor) -> Tensor:
        inputs: Tensor = movies + self.stars(level_indices(stars, self.rating_scale))
        return inputs

    def without_each(self, movies: Tensor, stars: Tensor, latest: int) -> Tensor:
        """The last state of one history if one rating were not in it, for each of the ``latest``, oldest first.

        ``movies`` have shape (time, width) and ``stars`` shape (time,); the states, (latest, hidden). All that comes
        before a rating is read once for all.
        """
        state = self.recurrent.start(1)
        for step, inputs in enumerate(self._inputs(movies, stars).unsqueeze(1)):
            before = tuple(part[:1] for part in state)
            state = self.recurrent.advance(inputs, state)
            if step >= len(movies) - latest:  # one more that goes on from here as if there had been no such step
                state = torch.cat([state[0], before[0]]), torch.cat([state[1], before[1]])
        return state[0][1:]


class QueryHead(nn.Module):
    """Queries from the state of the history and from the profile, which is all there is before the first rating."""

    def __init__(self, config: RankingConfig) -> None:
        super().__init__()
        self.query = nn.Linear(config.hidden, len(HORIZONS) * config.embedding)
        self.profile = nn.Linear(PROFILE_WIDTH, len(HORIZONS) * config.embedding, bias=False)
        self.dropout = LockedDropout(config.output_dropout)

    def forward(self, states: Tensor, profiles: Tensor) -> Tensor:
        """Queries, shape (..., users, horizons, width), of states (..., users, hidden) and profiles (users, 24).

        In training, the profile of some users is left out, so that a query without one is known too.
        """
        if self.training:
            profiles = profiles * (torch.rand(len(profiles), 1, device=profiles.device) >= PROFILES_LEFT_OUT)
        queries: Tensor = self.dropout(self.query(states) + self.profile(profiles))
        return queries.view(*queries.shape[:-1], len(HORIZONS), -1)


class LockedDropout(nn.Module):
    """Dropout of the same entries at every step, for tensors of shape (time, users, width)."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, steps: Tensor) -> Tensor:
        if not self.training or not self.rate:
            return steps
        kept = torch.empty_like(steps[:1]).bernoulli_(1 - self.rate)
        return steps * (kept / (1 - self.rate))
