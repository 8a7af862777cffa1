"""SeqRec: branches, output network and, where configured, the bias path in front."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from model.bias import Bias
from model.branches import BRANCHES, Branch, MovieTable, Users, feed_forward
from model.config import NetworkConfig


@dataclass(frozen=True)
class Side:
    """Users or movies, encoded as far as one can go without the other.

    Attributes:
        hidden: this side's share of the first output layer, before the activation, shape (n, width).
        bias: this side's share of the bias path in stars, shape (n,).
    """

    hidden: Tensor
    bias: Tensor

    def take(self, index: Tensor) -> "Side":
        """Some of the users or movies, any of them more than once."""
        return Side(self.hidden[index], self.bias[index])


class SeqRec(nn.Module):
    """Predicts the stars that a user would give a movie.

    The paper concatenates all branches and sends them through the output network. The first layer of that network
    is linear, so its share from the user and its share from the movie are computed apart and added: a movie's
    share is the same for every user, and a user's share the same for every movie.

    Without a bias path the output starts from the mean of the training ratings. With it, the output is added to
    ``mean + movie bias + user bias``, and the history branch reads residuals in place of stars.
    """

    mean: Tensor
    movie_bias: Tensor
    user_shrinkage: Tensor

    def __init__(self, config: NetworkConfig, genres: Tensor, titles: Tensor, bias: Bias | None = None) -> None:
        """``genres`` (rows, genres) and ``titles`` (rows, title width) in catalogue order, row 0 the unknown movie.

        ``bias`` holds what was fitted to the training ratings; without it the values are zeros, to be loaded.
        """
        super().__init__()
        self.config = config
        bias = bias or Bias(0.0, torch.zeros(len(genres)).numpy())
        self.register_buffer("mean", torch.tensor(bias.mean))
        self.register_buffer("movie_bias", torch.as_tensor(bias.movies))
        self.register_buffer("user_shrinkage", torch.tensor(bias.user_shrinkage))
        self.movies = MovieTable(config, genres, titles)
        self.branches = nn.ModuleDict({name: BRANCHES[name](config, self.movies) for name in config.branches})
        user_width, movie_width = (sum(b.width for b in self._side(side)) for side in ("user", "movie"))
        self.user_width = user_width
        self.first = nn.Linear(user_width + movie_width, config.output_layers[0])
        self.rest = nn.Sequential(
            nn.ReLU(),
            nn.Dropout(config.dropout),
            *feed_forward(config.output_layers[0], config.output_layers[1:], config.dropout),
            nn.Linear(config.output_layers[-1], 1),
        )

    def _side(self, side: str) -> list[Branch]:
        return [branch for branch in self.branches.values() if isinstance(branch, Branch) and branch.side == side]

    def encode_users(self, users: Users) -> Side:
        """Encode a batch of users from profile and history."""
        bias = self.user_bias(users)
        levels = self.mean + (self.movie_bias[users.movies] + bias[users.owners] if self.config.bias_path else 0.0)
        residuals = users._replace(stars=users.stars - levels)
        vectors = [branch(residuals, self.movies) for branch in self._side("user")]
        weight = self.first.weight[:, : self.user_width]
        hidden = nn.functional.linear(torch.cat(vectors, dim=-1), weight, self.first.bias)
        return Side(hidden, bias)

    def encode_movies(self, rows: Tensor) -> Side:
        """Encode the movies at these catalogue rows, shape (movies,)."""
        vectors = [branch(rows, self.movies) for branch in self._side("movie")]
        hidden = nn.functional.linear(torch.cat(vectors, dim=-1), self.first.weight[:, self.user_width :])
        return Side(hidden, self.movie_bias[rows])

    def score(self, users: Side, movies: Side) -> Tensor:
        """Stars, not clipped, for pairs; a side of one row is paired with every row of the other."""
        stars: Tensor = self.rest(users.hidden + movies.hidden).squeeze(-1) + self.mean
        return stars + users.bias + movies.bias if self.config.bias_path else stars

    def user_bias(self, users: Users) -> Tensor:
        """The closed form of `model.bias.Bias.user` for a batch, shape (users,)."""
        residuals = users.stars - self.mean - self.movie_bias[users.movies]
        totals = residuals.new_zeros(len(users.lengths)).index_add(0, users.owners, residuals)
        return totals / (users.lengths + self.user_shrinkage)
