"""What stands in front of the network: a prediction in closed form, to which the network adds what it leaves open.

Every path gives each user and each movie a vector and each movie an offset in stars, so that its prediction is one
dot product plus the offset, for one pair as for a user and the whole catalogue.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from model.features.users import PROFILE_FIELDS, PROFILE_WIDTH
from model.network.batch import Users
from model.network.config import NetworkConfig
from model.rating_scale import WHOLE_STARS, StarLevels

HISTORY_SHRINKAGE = 40.0
"""Average movies in every history beforehand, so that without ratings a user is an average one."""

SHARE_SHRINKAGE = 5.0
"""Average ratings that everyone and everything has beforehand when shares of stars are taken."""


class MoviePath(NamedTuple):
    """The movies' side of a path.

    Attributes:
        vectors: shape (movies, width).
        offsets: stars of each movie from a user without history, taste left out, shape (movies,).
    """

    vectors: Tensor
    offsets: Tensor


class MeanPath(nn.Module):
    """The mean of the training ratings for everything: the network alone, as published."""

    mean: Tensor
    described = 0

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(()))

    def encode_users(self, users: Users) -> Tensor:
        """Vectors of width 0, shape (users, 0)."""
        return users.profiles.new_zeros(len(users.lengths), 0)

    def encode_movies(self, rows: Tensor) -> MoviePath:
        return MoviePath(self.mean.new_zeros(len(rows), 0), self.mean.expand(len(rows)))

    def describe_movies(self, rows: Tensor) -> Tensor:
        """Nothing, shape (movies, 0)."""
        return self.mean.new_zeros(len(rows), 0)

    def unexplained(self, users: Users, vectors: Tensor) -> Tensor:  # noqa: ARG002 - one signature for all
        """What the ratings in the histories are beyond the mean, in stars, shape (ratings,)."""
        return users.stars - self.mean


class PosteriorPath(nn.Module):
    """Averages the user's posterior given the history over samples of a factorisation.

    For each sample, the user's vector has a normal prior around a linear function of profile and coordinates, and
    every rating in the history is a noisy linear observation of it; the posterior mean solves one small linear
    system. The samples' vectors are laid side by side, so that the average over all samples is one dot product.

    It also describes movies by how their stars are spread, which a prediction of the mean leaves out.

    Shapes: S samples, D = 1 + factors, the first value a bias; C coordinates; row 0 is the unknown movie. One sample
    without factors and coordinates is the bias model: `model.factorization.bias`.
    """

    mean: Tensor
    noise_precision: Tensor
    movies: Tensor
    user_mean: Tensor
    user_weights: Tensor
    user_precision: Tensor
    profile: Tensor
    places: Tensor
    shares: Tensor
    reception: Tensor

    def __init__(
        self, rows: int, samples: int, factors: int, places: int, star_levels: StarLevels = WHOLE_STARS
    ) -> None:
        """All values are to be loaded; ``places`` is the number of coordinates."""
        super().__init__()
        self.star_levels = star_levels
        self.described = len(star_levels) + 1  # the width of a description
        width = 1 + factors
        self.register_buffer("mean", torch.zeros(()))
        self.register_buffer("noise_precision", torch.zeros(samples))
        self.register_buffer("movies", torch.zeros(samples, rows, width))
        self.register_buffer("user_mean", torch.zeros(samples, width))
        self.register_buffer("user_weights", torch.zeros(samples, PROFILE_WIDTH + places, width))
        self.register_buffer("user_precision", torch.zeros(samples, width, width))
        self.register_buffer("profile", torch.zeros(PROFILE_WIDTH))
        self.register_buffer("places", torch.zeros(rows, places))
        self.register_buffer("shares", torch.full((len(star_levels),), 1 / len(star_levels)))
        self.register_buffer("reception", torch.zeros(rows, self.described))

    def encode_users(self, users: Users) -> Tensor:
        """Posterior means of all samples side by side, shape (users, S * D)."""
        gram = self.user_precision.new_zeros(len(users.lengths), *self.user_precision.shape)
        weighted = self.user_mean.new_zeros(len(users.lengths), *self.user_mean.shape)
        lengths = users.lengths.tolist()
        for user, (rows, stars) in enumerate(
            zip(torch.split(users.movies, lengths), torch.split(users.stars, lengths), strict=True)
        ):
            vectors = self.movies[:, rows]  # (S, ratings, D)
            residuals = (stars - self.mean - vectors[..., 0]).unsqueeze(-1)
            design = _with_ones(vectors)
            gram[user] = design.mT @ design
            weighted[user] = (design.mT @ residuals).squeeze(-1)
        noise = self.noise_precision.unsqueeze(-1)
        prior = (self.user_precision @ self._prior_means(users).unsqueeze(-1)).squeeze(-1)
        precision = noise.unsqueeze(-1) * gram + self.user_precision
        means = torch.cholesky_solve((noise * weighted + prior).unsqueeze(-1), torch.linalg.cholesky(precision))
        return means.flatten(1)

    def _prior_means(self, users: Users) -> Tensor:
        """Of each user's vector under each sample, shape (users, S, D)."""
        profiles = with_average_for_unknown(users.profiles, self.profile)
        known = user_columns(profiles, users.movies, users.owners, self.places)
        return self.user_mean + torch.einsum("uc,scd->usd", known, self.user_weights)

    def encode_movies(self, rows: Tensor) -> MoviePath:
        vectors = self.movies[:, rows]
        offsets = self.mean + vectors[..., 0].mean(0)
        return MoviePath(_with_ones(vectors).transpose(0, 1).flatten(1) / len(vectors), offsets)

    def unexplained(self, users: Users, vectors: Tensor) -> Tensor:
        """What the ratings in the histories are beyond the biases of movie and user, in stars, shape (ratings,)."""
        samples, _, width = self.movies.shape
        user_bias = vectors.view(-1, samples, width)[..., 0].mean(1)
        movie_bias = self.movies[:, users.movies, 0].mean(0)
        expected: Tensor = self.mean + movie_bias + user_bias[users.owners]
        return users.stars - expected

    def describe_movies(self, rows: Tensor) -> Tensor:
        """How each movie got stars in training, see `describe_stars`, shape (movies, described)."""
        described: Tensor = self.reception[rows]
        return described


def with_average_for_unknown(profiles: Tensor, average: Tensor) -> Tensor:
    """Encoded profiles, shape (users, 24), in which fields that are unknown have the values of the average user.

    The encoding of an unknown field is zeros, which a linear function would take for someone younger than everyone.
    """
    fields = zip(
        torch.split(profiles, list(PROFILE_FIELDS), dim=-1), torch.split(average, list(PROFILE_FIELDS)), strict=True
    )
    filled = [torch.where(field.any(-1, keepdim=True), field, usual) for field, usual in fields]
    return torch.cat(filled, dim=-1)


def user_columns(profiles: Tensor, movies: Tensor, owners: Tensor, places: Tensor) -> Tensor:
    """Profile and mean coordinates of some users' histories, shape (users, columns), not standardised.

    ``movies`` and ``owners`` are the row and the user of each rating, ``places`` the coordinates of all rows; see
    `model.factorization.side_information`.
    """
    count = len(profiles)
    sums = places.new_zeros(count, places.shape[1]).index_add_(0, owners, places[movies])
    lengths = torch.bincount(owners, minlength=count).unsqueeze(-1)
    return torch.cat([profiles, sums / (lengths + HISTORY_SHRINKAGE)], dim=-1)


def describe_stars(levels: Tensor, owners: Tensor, count: int, shares: Tensor) -> Tensor:
    """How the stars of each owner are spread, shape (count, levels + 1).

    ``levels`` and ``owners`` are the level of stars and the owner of each rating, as indices. The share of each level
    beyond ``shares``, that of all ratings, shrunk towards it, and the number of ratings, as a logarithm; all of about
    unit size, and zeros for an owner without ratings.
    """
    given = torch.bincount(owners * len(shares) + levels, minlength=count * len(shares)).float().view(count, -1)
    number = given.sum(1, keepdim=True)
    beyond = (given - number * shares) / (number + SHARE_SHRINKAGE)
    return torch.cat([beyond / shares.sqrt(), torch.log1p(number) / 4], dim=1)


def _with_ones(vectors: Tensor) -> Tensor:
    """Movie vectors with 1 in the place of the bias, so that it meets the user's bias."""
    return torch.cat([torch.ones_like(vectors[..., :1]), vectors[..., 1:]], dim=-1)


Path = MeanPath | PosteriorPath


def empty_path(config: NetworkConfig, rows: int) -> Path:
    """The path of a configuration, with zeros for values."""
    if config.path == "mean":
        return MeanPath()
    if config.path == "bias":
        return PosteriorPath(rows, samples=1, factors=0, places=0, star_levels=config.star_levels)
    factorisation = config.factorisation
    return PosteriorPath(rows, factorisation.samples, factorisation.factors, factorisation.places, config.star_levels)
