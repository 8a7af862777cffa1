"""SeqRec: a prior in closed form, branches, and the output network."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from model.errors import NoRelevanceError
from model.network.batch import Users
from model.network.branches import BRANCHES, Branch, MovieTable, feed_forward
from model.network.config import NetworkConfig
from model.network.heads import Stars, head_of
from model.network.prior import MovieFactors, Prior, empty_prior
from model.network.ranking import RankingNetwork


@dataclass(frozen=True)
class EncodedUsers:
    """Users, encoded as far as one can go without a movie.

    Attributes:
        hidden: their share of the first output layer, before the activation, shape (users, hidden).
        vectors: their vectors on the prior, shape (users, width).
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
        prior: their side of the prior.
    """

    hidden: Tensor
    prior: MovieFactors

    def take(self, index: Tensor) -> "EncodedMovies":
        """Some of the movies, any of them more than once."""
        return EncodedMovies(self.hidden[index], MovieFactors(self.prior.vectors[index], self.prior.offsets[index]))


class SeqRec(nn.Module):
    """Predicts the stars that a user would give a movie.

    The paper concatenates all branches and sends them through the output network. The first layer of that network
    is linear, so its share from the user and its share from the movie are computed apart and added: a movie's
    share is the same for every user, and a user's share the same for every movie.

    In front of the network stands a prediction in closed form (`model.network.prior`); the network adds to it, and the
    history branch reads what that prior's biases leave residuals in place of stars. As published, the prior is the mean
    of all ratings. Behind the network stands a head (`model.network.heads`). For a distribution over stars it does not
    do to know their mean: the output network then also reads the prior's prediction, and how each movie's stars are
    spread.

    A network that makes lists has a second part beside all this, which says how relevant each movie is
    (`model.network.ranking`).
    """

    def __init__(self, config: NetworkConfig, genres: Tensor, titles: Tensor) -> None:
        """``genres`` (movies, genres) and ``titles`` (movies, title width); index 0 is the unknown movie.

        The prior's values are zeros, to be loaded.
        """
        super().__init__()
        self.config = config
        self.prior = empty_prior(config, len(genres))
        self.movies = MovieTable(config, genres, titles)
        self.branches = nn.ModuleDict({name: BRANCHES[name](config, self.movies) for name in config.branches})
        self.head = head_of(config)
        self.reads_prior = config.likelihood == "categorical"
        self.user_width, self.movie_width = (
            sum(b.width for b in self._side(side).values()) for side in ("user", "movie")
        )
        if self.reads_prior:
            self.movie_width += self.prior.feature_width
        self.first = nn.Linear(self.user_width + self.movie_width + self.reads_prior, config.output_layers[0])
        self.rest = nn.Sequential(
            nn.ReLU(),
            nn.Dropout(config.dropout),
            *feed_forward(config.output_layers[0], config.output_layers[1:], config.dropout),
            nn.Linear(config.output_layers[-1], self.head.outputs),
        )
        # Built last, so that stars begin with the same random weights with and without it.
        self.ranking = RankingNetwork(config, config.ranking, genres, titles) if config.ranking else None

    def _side(self, side: str) -> dict[str, Branch]:
        branches = ((name, branch) for name, branch in self.branches.items() if isinstance(branch, Branch))
        return {name: branch for name, branch in branches if branch.side == side}

    def require_ranking(self) -> RankingNetwork:
        """The part that ranks; `NoRelevanceError` in a network that predicts stars alone."""
        if self.ranking is None:
            raise NoRelevanceError
        return self.ranking

    def encode_users(self, users: Users, prior: Prior | None = None) -> EncodedUsers:
        """Encode a batch of users from profile and history; ``prior`` stands in for the network's own in training."""
        prior = prior or self.prior
        with _full_precision(users.stars):
            vectors = prior.encode_users(users)
        residuals = prior.residuals(users, vectors)
        outputs = [branch(users, residuals, self.movies) for branch in self._side("user").values()]
        weight = self.first.weight[:, : self.user_width]
        hidden = nn.functional.linear(torch.cat(outputs, dim=-1), weight, self.first.bias)
        return EncodedUsers(hidden, vectors)

    def encode_movies(self, indices: Tensor, prior: Prior | None = None) -> EncodedMovies:
        """Encode the movies at these movie indices, shape (movies,)."""
        prior = prior or self.prior
        outputs = [branch(indices, self.movies) for branch in self._side("movie").values()]
        if self.reads_prior:
            outputs.append(prior.movie_features(indices))
        weight = self.first.weight[:, self.user_width : self.user_width + self.movie_width]
        hidden = nn.functional.linear(torch.cat(outputs, dim=-1), weight)
        return EncodedMovies(hidden, prior.encode_movies(indices))

    def score(self, users: EncodedUsers, movies: EncodedMovies) -> Stars:
        """Stars for pairs; a side of one index is paired with every row of the other."""
        return self.head.stars(*self._outputs(users, movies))

    def losses(self, users: EncodedUsers, movies: EncodedMovies, given: Tensor) -> Tensor:
        """What training makes small: the head's loss of each pair that was given these stars, shape (pairs,)."""
        return self.head.losses(*self._outputs(users, movies), given)

    def _outputs(self, users: EncodedUsers, movies: EncodedMovies) -> tuple[Tensor, Tensor]:
        """Of the last layer, shape (pairs, outputs), and the prior's prediction, shape (pairs,)."""
        with _full_precision(users.vectors):
            base = _products(users.vectors, movies.prior.vectors) + movies.prior.offsets
        hidden = users.hidden + movies.hidden
        if self.reads_prior:
            hidden = hidden + (base - self.prior.mean).unsqueeze(-1) * self.first.weight[:, -1]
        return self.rest(hidden), base


def _products(users: Tensor, movies: Tensor) -> Tensor:
    """Dot product of each pair of indices, shape (pairs,); one user's with all movies need no copies of the user."""
    products: Tensor = movies @ users[0] if len(users) == 1 else torch.linalg.vecdot(users, movies)
    return products


def _full_precision(tensor: Tensor) -> torch.autocast:
    """The prior is exact to the last digits of a star: mixed precision is for the network only."""
    return torch.autocast(tensor.device.type, enabled=False)
