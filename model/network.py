"""SeqRec: a path in closed form, branches, and the output network."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from model.branches import BRANCHES, Branch, MovieTable, Users, feed_forward
from model.config import NetworkConfig
from model.paths import MoviePath, Path, empty_path


@dataclass(frozen=True)
class EncodedUsers:
    """Users, encoded as far as one can go without a movie.

    Attributes:
        hidden: their share of the first output layer, before the activation, shape (users, hidden).
        vectors: their vectors on the path, shape (users, width).
    """

    hidden: Tensor
    vectors: Tensor

    def take(self, index: Tensor) -> "EncodedUsers":
        """Some of the users, any of them more than once."""
        return EncodedUsers(self.hidden[index], self.vectors[index])


@dataclass(frozen=True)
class EncodedMovies:
    """Movies, encoded as far as one can go without a user.

    Attributes:
        hidden: their share of the first output layer, before the activation, shape (movies, hidden).
        path: their side of the path.
    """

    hidden: Tensor
    path: MoviePath

    def take(self, index: Tensor) -> "EncodedMovies":
        """Some of the movies, any of them more than once."""
        return EncodedMovies(self.hidden[index], MoviePath(self.path.vectors[index], self.path.offsets[index]))


class SeqRec(nn.Module):
    """Predicts the stars that a user would give a movie.

    The paper concatenates all branches and sends them through the output network. The first layer of that network
    is linear, so its share from the user and its share from the movie are computed apart and added: a movie's
    share is the same for every user, and a user's share the same for every movie.

    The output is added to the prediction of a path in closed form (`model.paths`), and the history branch reads what
    that path's biases leave unexplained in place of stars. As published, the path is the mean of all ratings.
    """

    def __init__(self, config: NetworkConfig, genres: Tensor, titles: Tensor) -> None:
        """``genres`` (rows, genres) and ``titles`` (rows, title width) in catalogue order, row 0 the unknown movie.

        The path's values are zeros, to be loaded.
        """
        super().__init__()
        self.config = config
        self.path = empty_path(config, len(genres))
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

    def encode_users(self, users: Users, path: Path | None = None) -> EncodedUsers:
        """Encode a batch of users from profile and history; ``path`` stands in for the network's own in training."""
        path = path or self.path
        with _full_precision(users.stars):
            vectors = path.encode_users(users)
        unexplained = users._replace(stars=path.unexplained(users, vectors))
        outputs = [branch(unexplained, self.movies) for branch in self._side("user")]
        weight = self.first.weight[:, : self.user_width]
        return EncodedUsers(nn.functional.linear(torch.cat(outputs, dim=-1), weight, self.first.bias), vectors)

    def encode_movies(self, rows: Tensor, path: Path | None = None) -> EncodedMovies:
        """Encode the movies at these catalogue rows, shape (movies,)."""
        outputs = [branch(rows, self.movies) for branch in self._side("movie")]
        weight = self.first.weight[:, self.user_width :]
        hidden = nn.functional.linear(torch.cat(outputs, dim=-1), weight)
        return EncodedMovies(hidden, (path or self.path).encode_movies(rows))

    def score(self, users: EncodedUsers, movies: EncodedMovies) -> Tensor:
        """Stars, not clipped, for pairs; a side of one row is paired with every row of the other."""
        residuals: Tensor = self.rest(users.hidden + movies.hidden).squeeze(-1)
        with _full_precision(users.vectors):
            explained: Tensor = torch.linalg.vecdot(users.vectors, movies.path.vectors) + movies.path.offsets
        return explained + residuals


def _full_precision(tensor: Tensor) -> torch.autocast:
    """The path is exact to the last digits of a star: mixed precision is for the network only."""
    return torch.autocast(tensor.device.type, enabled=False)
