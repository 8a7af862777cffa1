"""What both heads know of a history: the state after each rating; and the head that ranks."""

import torch
from torch import Tensor, nn

from model.config import NetworkConfig, RelevanceConfig
from model.features import PROFILE_WIDTH, nearest_levels
from model.recurrent import RECURRENT

HORIZONS = ("next", "later")
"""What a movie may be relevant for: that it comes next; or that the user will like it, sooner or later."""

PROFILES_LEFT_OUT = 0.1
"""Share of users, in training."""


class HistoryEncoder(nn.Module):
    """Reads rated movies one after the other; what was disliked is read as such.

    Each step reads the vector of a movie plus a vector for the stars that it got.
    """

    def __init__(self, config: NetworkConfig, relevance: RelevanceConfig) -> None:
        super().__init__()
        self.hidden = relevance.hidden
        self.star_levels = config.star_levels
        self.stars = nn.Embedding(len(config.star_levels), config.embedding)
        nn.init.normal_(self.stars.weight, std=0.02)
        self.dropout = LockedDropout(relevance.input_dropout)
        self.recurrent = RECURRENT[config.recurrent](config.embedding, relevance.hidden)

    def forward(self, movies: Tensor, stars: Tensor) -> Tensor:
        """States after every step, shape (time, users, hidden).

        ``movies`` are vectors, shape (time, users, width), and ``stars`` what they got, shape (time, users).
        """
        states: Tensor = self.recurrent(self.dropout(self._inputs(movies, stars)))
        return states

    def _inputs(self, movies: Tensor, stars: Tensor) -> Tensor:
        inputs: Tensor = movies + self.stars(nearest_levels(stars, self.star_levels))
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


class RelevanceHead(nn.Module):
    """How relevant each movie is: the dot product of a query with the movie's vector.

    There is a query for each of `HORIZONS`. It comes from the state of the history and from the profile, which is all
    there is before the first rating.
    """

    def __init__(self, config: NetworkConfig, relevance: RelevanceConfig) -> None:
        super().__init__()
        self.hidden = relevance.hidden
        self.query = nn.Linear(relevance.hidden, len(HORIZONS) * config.embedding)
        self.profile = nn.Linear(PROFILE_WIDTH, len(HORIZONS) * config.embedding, bias=False)
        self.dropout = LockedDropout(relevance.output_dropout)

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
