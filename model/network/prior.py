"""What stands in front of the network: a prediction in closed form, to which the network adds what it leaves open.

Every prior gives each user and each movie a vector and each movie an offset in stars, so that its prediction is one
dot product plus the offset, for one pair as for a user and the whole catalogue.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from model.features.users import PROFILE_FIELDS, PROFILE_WIDTH
from model.network.batch import Users
from model.network.config import NetworkConfig
from model.rating_scale import WHOLE_STARS, RatingScale

HISTORY_SHRINKAGE = 40.0
"""Average movies in every history beforehand, so that without ratings a user is an average one."""

SHARE_SHRINKAGE = 5.0
"""Average ratings that everyone and everything has beforehand when level_shares of stars are taken."""


class MovieFactors(NamedTuple):
    """The movies' side of a prior.

    Attributes:
        vectors: shape (movies, width).
        offsets: stars of each movie from a user without history, taste left out, shape (movies,).
    """

    vectors: Tensor
    offsets: Tensor


class MeanPrior(nn.Module):
    """The mean of the training ratings for everything: the network alone, as published."""

    mean: Tensor
    feature_width = 0

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(()))

    def encode_users(self, users: Users) -> Tensor:
        """Vectors of width 0, shape (users, 0)."""
        return users.profiles.new_zeros(len(users.lengths), 0)

    def encode_movies(self, indices: Tensor) -> MovieFactors:
        return MovieFactors(self.mean.new_zeros(len(indices), 0), self.mean.expand(len(indices)))

    def movie_features(self, indices: Tensor) -> Tensor:
        """Nothing, shape (movies, 0)."""
        return self.mean.new_zeros(len(indices), 0)

    def residuals(self, users: Users, vectors: Tensor) -> Tensor:  # noqa: ARG002 - one signature for all
        """What the ratings in the histories are beyond the mean, in stars, shape (ratings,)."""
        return users.stars - self.mean


class FactorizationPrior(nn.Module):
    """Averages the user's posterior given the history over samples of a factorization.

    For each sample, the user's vector has a normal prior around a linear function of profile and coordinates, and
    every rating in the history is a noisy linear observation of it; the posterior mean solves one small linear
    system. The samples' vectors are laid side by side, so that the average over all samples is one dot product.

    It also describes movies by how their stars are spread, which a prediction of the mean leaves out.

    Shapes: S samples, D = 1 + factors, the first value a bias; C coordinates; index 0 is the unknown movie. One sample
    without factors and coordinates is the bias model: `model.factorization.bias`.
    """

    mean: Tensor
    noise_precision: Tensor
    movies: Tensor
    user_mean: Tensor
    user_weights: Tensor
    user_precision: Tensor
    profile: Tensor
    coordinates: Tensor
    level_shares: Tensor
    rating_distributions: Tensor

    def __init__(
        self,
        vocabulary_size: int,
        samples: int,
        factors: int,
        coordinates: int,
        rating_scale: RatingScale = WHOLE_STARS,
    ) -> None:
        """All values are to be loaded; ``coordinates`` is the number of coordinates."""
        super().__init__()
        self.rating_scale = rating_scale
        self.feature_width = len(rating_scale) + 1  # the width of a description
        width = 1 + factors
        self.register_buffer("mean", torch.zeros(()))
        self.register_buffer("noise_precision", torch.zeros(samples))
        self.register_buffer("movies", torch.zeros(samples, vocabulary_size, width))
        self.register_buffer("user_mean", torch.zeros(samples, width))
        self.register_buffer("user_weights", torch.zeros(samples, PROFILE_WIDTH + coordinates, width))
        self.register_buffer("user_precision", torch.zeros(samples, width, width))
        self.register_buffer("profile", torch.zeros(PROFILE_WIDTH))
        self.register_buffer("coordinates", torch.zeros(vocabulary_size, coordinates))
        self.register_buffer("level_shares", torch.full((len(rating_scale),), 1 / len(rating_scale)))
        self.register_buffer("rating_distributions", torch.zeros(vocabulary_size, self.feature_width))

    def encode_users(self, users: Users) -> Tensor:
        """Posterior means of all samples side by side, shape (users, S * D)."""
        gram = self.user_precision.new_zeros(len(users.lengths), *self.user_precision.shape)
        weighted = self.user_mean.new_zeros(len(users.lengths), *self.user_mean.shape)
        lengths = users.lengths.tolist()
        for user, (indices, stars) in enumerate(
            zip(torch.split(users.movies, lengths), torch.split(users.stars, lengths), strict=True)
        ):
            vectors = self.movies[:, indices]  # (S, ratings, D)
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
        known = user_columns(profiles, users.movies, users.user_index, self.coordinates)
        return self.user_mean + torch.einsum("uc,scd->usd", known, self.user_weights)

    def encode_movies(self, indices: Tensor) -> MovieFactors:
        vectors = self.movies[:, indices]
        offsets = self.mean + vectors[..., 0].mean(0)
        return MovieFactors(_with_ones(vectors).transpose(0, 1).flatten(1) / len(vectors), offsets)

    def residuals(self, users: Users, vectors: Tensor) -> Tensor:
        """What the ratings in the histories are beyond the biases of movie and user, in stars, shape (ratings,)."""
        samples, _, width = self.movies.shape
        user_bias = vectors.view(-1, samples, width)[..., 0].mean(1)
        movie_bias = self.movies[:, users.movies, 0].mean(0)
        expected: Tensor = self.mean + movie_bias + user_bias[users.user_index]
        return users.stars - expected

    def movie_features(self, indices: Tensor) -> Tensor:
        """How each movie got stars in training, see `rating_distribution`, shape (movies, feature_width)."""
        features: Tensor = self.rating_distributions[indices]
        return features


def with_average_for_unknown(profiles: Tensor, average: Tensor) -> Tensor:
    """Encoded profiles, shape (users, 24), in which fields that are unknown have the values of the average user.

    The encoding of an unknown field is zeros, which a linear function would take for someone younger than everyone.
    """
    fields = zip(
        torch.split(profiles, list(PROFILE_FIELDS), dim=-1), torch.split(average, list(PROFILE_FIELDS)), strict=True
    )
    filled = [torch.where(field.any(-1, keepdim=True), field, usual) for field, usual in fields]
    return torch.cat(filled, dim=-1)


def user_columns(profiles: Tensor, movies: Tensor, user_index: Tensor, coordinates: Tensor) -> Tensor:
    """Profile and mean coordinates of some users' histories, shape (users, columns), not standardised.

    ``movies`` and ``user_index`` are the index and the user of each rating, ``coordinates`` the coordinates of all
    indices; see `model.factorization.side_information`.
    """
    count = len(profiles)
    sums = coordinates.new_zeros(count, coordinates.shape[1]).index_add_(0, user_index, coordinates[movies])
    lengths = torch.bincount(user_index, minlength=count).unsqueeze(-1)
    return torch.cat([profiles, sums / (lengths + HISTORY_SHRINKAGE)], dim=-1)


def rating_distribution(levels: Tensor, user_index: Tensor, count: int, level_shares: Tensor) -> Tensor:
    """How the stars of each owner are spread, shape (count, levels + 1).

    ``levels`` and ``user_index`` are the level of stars and the owner of each rating, as indices. The share of each
    level beyond ``level_shares``, that of all ratings, shrunk towards it, and the number of ratings, as a logarithm;
    all of about unit size, and zeros for an owner without ratings.
    """
    given = (
        torch.bincount(user_index * len(level_shares) + levels, minlength=count * len(level_shares))
        .float()
        .view(count, -1)
    )
    number = given.sum(1, keepdim=True)
    beyond = (given - number * level_shares) / (number + SHARE_SHRINKAGE)
    return torch.cat([beyond / level_shares.sqrt(), torch.log1p(number) / 4], dim=1)


def _with_ones(vectors: Tensor) -> Tensor:
    """Movie vectors with 1 in the coordinate of the bias, so that it meets the user's bias."""
    return torch.cat([torch.ones_like(vectors[..., :1]), vectors[..., 1:]], dim=-1)


Prior = MeanPrior | FactorizationPrior


def empty_prior(config: NetworkConfig, vocabulary_size: int) -> Prior:
    """The prior of a configuration, with zeros for values."""
    if config.prior == "mean":
        return MeanPrior()
    if config.prior == "bias":
        return FactorizationPrior(
            vocabulary_size, samples=1, factors=0, coordinates=0, rating_scale=config.rating_scale
        )
    factorization = config.factorization
    return FactorizationPrior(
        vocabulary_size, factorization.samples, factorization.factors, factorization.coordinates, config.rating_scale
    )
