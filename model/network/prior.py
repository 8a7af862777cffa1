"""Closed-form base predictors; the network learns the residual.

Every prior encodes a user as a vector, and a movie as a vector and an offset in stars. Its prediction is the dot
product of both vectors plus the offset, so that a user's predictions for the whole catalogue are one matrix product.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from model.features.users import PROFILE_FIELDS, PROFILE_WIDTH
from model.network.batch import Users
from model.network.config import NetworkConfig
from model.rating_scale import WHOLE_STARS, RatingScale

HISTORY_SHRINKAGE = 40.0
"""Movies with average coordinates, which are 0, added to every history: a user without ratings is an average one, and
few ratings move a user only a little."""

SHARE_SHRINKAGE = 5.0
"""Ratings with the average distribution added to those of every movie, against chance in the shares of rare movies."""

LOG_COUNT_SCALE = 4
"""Divides the logarithm of a number of ratings, so that this feature is about as large as the shares beside it."""


class MovieFactors(NamedTuple):
    """Movies, encoded by a prior.

    Attributes:
        vectors: shape (movies, width); the width is that of the users' vectors.
        offsets: the part of the prediction that is the same for all users, in stars, shape (movies,).
    """

    vectors: Tensor
    offsets: Tensor


class MeanPrior(nn.Module):
    """Predicts the mean of the training ratings for every pair, so that the network learns everything, as published."""

    mean: Tensor
    feature_width = 0

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(()))

    def encode_users(self, users: Users) -> Tensor:
        """Empty vectors, shape (users, 0)."""
        return users.profiles.new_zeros(len(users.lengths), 0)

    def encode_movies(self, indices: Tensor) -> MovieFactors:
        return MovieFactors(self.mean.new_zeros(len(indices), 0), self.mean.expand(len(indices)))

    def movie_features(self, indices: Tensor) -> Tensor:
        """No features, shape (movies, 0)."""
        return self.mean.new_zeros(len(indices), 0)

    def residuals(self, users: Users, vectors: Tensor) -> Tensor:  # noqa: ARG002 - one signature for all
        """The users' ratings minus the mean, in stars, shape (ratings,)."""
        return users.stars - self.mean

    errors = residuals


class FactorizationPrior(nn.Module):
    """Predicts with the user's posterior given the history, averaged over samples of a matrix factorization.

    In each sample, a user's vector has a normal prior, whose mean is a linear function of profile and coordinates.
    Every rating in the history is a noisy linear observation of the vector, so its posterior is normal too, and the
    posterior mean solves a linear system of D equations (`encode_users`). A user who was not in training needs nothing
    more than this: the prior is inductive. The vectors of all samples are concatenated, so that the average over
    samples is one dot product.

    The mean of a movie's ratings does not tell how they are distributed; `movie_features` does.

    Shapes: S samples; D = 1 + factors, the first value being a bias; C coordinates; movie index 0 is the unknown movie.
    With one sample and neither factors nor coordinates it is the bias model (`model.factorization.bias`).

    Buffers:
        mean: of the training ratings, in stars.
        noise_precision: 1 / variance of a rating around its prediction, shape (S,).
        movies: bias and factors of each movie, shape (S, movies, D).
        user_mean: prior mean of a user's vector for a user whose columns are zeros, shape (S, D).
        user_weights: what each column of `user_columns` adds to it, shape (S, 24 + C, D).
        user_precision: prior precision of a user's vector, shape (S, D, D).
        profile: mean of the training users' profiles, shape (24,).
        coordinates: shape (movies, C).
        level_shares: share of each level of stars in the training ratings, shape (levels,).
        rating_distributions: see `rating_distribution`, shape (movies, levels + 1).
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
        """All buffers are placeholders until they are loaded or fitted; ``coordinates`` is C."""
        super().__init__()
        self.rating_scale = rating_scale
        self.feature_width = len(rating_scale) + 1  # the shares of all levels, and the number of ratings
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

    @classmethod
    def mixed(cls, priors: Sequence["FactorizationPrior"]) -> "FactorizationPrior":
        """The samples of several priors of the same ratings with as many factors, each with coordinates of its own."""
        first, samples = priors[0], sum(len(prior.noise_precision) for prior in priors)
        factors = first.movies.shape[2] - 1
        coordinates = torch.cat([prior.coordinates for prior in priors], dim=1)
        mixed = cls(len(coordinates), samples, factors, coordinates.shape[1], first.rating_scale)
        for name in ("mean", "profile", "level_shares", "rating_distributions"):
            mixed.get_buffer(name).copy_(first.get_buffer(name))
        for name in ("noise_precision", "movies", "user_mean", "user_precision"):
            mixed.get_buffer(name).copy_(torch.cat([prior.get_buffer(name) for prior in priors]))
        mixed.coordinates.copy_(coordinates)
        # A sample reads the profile and its own factorization's coordinates; those of others have weights of zero.
        row, column = 0, PROFILE_WIDTH
        for prior in priors:
            rows, width = slice(row, row + len(prior.user_weights)), prior.coordinates.shape[1]
            mixed.user_weights[rows, :PROFILE_WIDTH] = prior.user_weights[:, :PROFILE_WIDTH]
            mixed.user_weights[rows, column : column + width] = prior.user_weights[:, PROFILE_WIDTH:]
            row, column = rows.stop, column + width
        return mixed

    def encode_users(self, users: Users) -> Tensor:
        """Posterior means of all samples, concatenated, shape (users, S * D).

        With X the vectors of the rated movies, their bias replaced by 1, and r the ratings minus mean and movie bias,
        the posterior of a user's vector has::

            precision P = noise * X'X + user_precision
            mean      P^-1 (noise * X'r + user_precision * prior mean)
        """
        gram = self.user_precision.new_zeros(len(users.lengths), *self.user_precision.shape)
        weighted = self.user_mean.new_zeros(len(users.lengths), *self.user_mean.shape)
        lengths = users.lengths.tolist()
        # One user at a time: padding all histories to the longest one, of up to 2,300 ratings, would take S * D values
        # for each padded rating.
        for user, (indices, stars) in enumerate(
            zip(torch.split(users.movies, lengths), torch.split(users.stars, lengths), strict=True)
        ):
            vectors = self.movies.index_select(1, indices)  # (S, ratings, D); a third of the time of movies[:, indices]
            residuals = (stars - self.mean - vectors[..., 0]).unsqueeze(-1)  # (S, ratings, 1)
            design = _with_ones(vectors)  # (S, ratings, D)
            gram[user] = design.mT @ design  # (S, D, D)
            weighted[user] = (design.mT @ residuals).squeeze(-1)  # (S, D)
        noise = self.noise_precision.unsqueeze(-1)  # (S, 1)
        prior = (self.user_precision @ self._prior_means(users).unsqueeze(-1)).squeeze(-1)
        precision = noise.unsqueeze(-1) * gram + self.user_precision  # (users, S, D, D), positive definite
        means = torch.cholesky_solve((noise * weighted + prior).unsqueeze(-1), torch.linalg.cholesky(precision))
        return means.flatten(1)

    def _prior_means(self, users: Users) -> Tensor:
        """Prior mean of each user's vector in each sample, shape (users, S, D)."""
        profiles = with_average_for_unknown(users.profiles, self.profile)
        columns = user_columns(profiles, users.movies, users.user_index, self.coordinates)
        return self.user_mean + torch.einsum("uc,scd->usd", columns, self.user_weights)

    def encode_movies(self, indices: Tensor) -> MovieFactors:
        vectors = self.movies[:, indices]  # (S, movies, D)
        offsets = self.mean + vectors[..., 0].mean(0)  # (movies,)
        # Dividing by S here makes the dot product with a user's vectors the average over samples.
        return MovieFactors(_with_ones(vectors).transpose(0, 1).flatten(1) / len(vectors), offsets)

    def residuals(self, users: Users, vectors: Tensor) -> Tensor:
        """The users' ratings minus mean, movie bias and user bias, in stars, shape (ratings,).

        Only biases are subtracted: what the factors explain, the user's taste, stays for the history branch to read.
        """
        samples, _, width = self.movies.shape
        user_bias = vectors.view(-1, samples, width)[..., 0].mean(1)
        movie_bias = self.movies[:, users.movies, 0].mean(0)
        expected: Tensor = self.mean + movie_bias + user_bias[users.user_index]
        return users.stars - expected

    def errors(self, users: Users, vectors: Tensor) -> Tensor:
        """The users' ratings minus the predictions of them, in stars, shape (ratings,)."""
        lengths = users.lengths.tolist()
        movies = map(self.encode_movies, torch.split(users.movies, lengths))
        expected = [of_user.vectors @ vector + of_user.offsets for of_user, vector in zip(movies, vectors, strict=True)]
        return users.stars - torch.cat(expected)

    def movie_features(self, indices: Tensor) -> Tensor:
        """Each movie's distribution of stars in training, see `rating_distribution`, shape (movies, feature_width)."""
        features: Tensor = self.rating_distributions[indices]
        return features


def with_average_for_unknown(profiles: Tensor, average: Tensor) -> Tensor:
    """Encoded profiles, shape (users, 24), whose unknown fields have the values of the average user.

    An unknown field is encoded as zeros. To a linear function, an age of zero is that of a user younger than all.
    """
    fields = zip(
        torch.split(profiles, list(PROFILE_FIELDS), dim=-1), torch.split(average, list(PROFILE_FIELDS)), strict=True
    )
    filled = [torch.where(field.any(-1, keepdim=True), field, usual) for field, usual in fields]
    return torch.cat(filled, dim=-1)


def user_columns(profiles: Tensor, movies: Tensor, user_index: Tensor, coordinates: Tensor) -> Tensor:
    """Side information on users: profile and mean coordinates of the history, shape (users, 24 + C), not standardised.

    ``movies`` and ``user_index`` are the movie and the user of each rating, shape (ratings,); ``coordinates`` those of
    all movies, shape (movies, C); see `model.factorization.side_information`.
    """
    count = len(profiles)
    sums = coordinates.new_zeros(count, coordinates.shape[1]).index_add_(0, user_index, coordinates[movies])
    # By `bincount`, a GPU would be waited for.
    lengths = sums.new_zeros(count, 1).index_add_(0, user_index, sums.new_ones(len(user_index), 1))
    return torch.cat([profiles, sums / (lengths + HISTORY_SHRINKAGE)], dim=-1)


def rating_distribution(levels: Tensor, movies: Tensor, count: int, level_shares: Tensor) -> Tensor:
    """The distribution of stars of each of ``count`` movies, shape (count, levels + 1).

    The columns are, for each level, its share minus that in all ratings, shrunk towards 0; and the logarithm of the
    number of ratings. All are of about unit size. A movie without ratings has zeros.

    Args:
        levels: index of the level of each rating, shape (ratings,).
        movies: index of the movie of each rating, shape (ratings,).
        count: number of movie indices.
        level_shares: share of each level in all ratings, shape (levels,).
    """
    # Movie and level as one number, so that one count gives the whole table.
    pairs = movies * len(level_shares) + levels
    counts = torch.bincount(pairs, minlength=count * len(level_shares)).float().view(count, -1)  # (count, levels)
    number = counts.sum(1, keepdim=True)  # (count, 1)
    excess = (counts - number * level_shares) / (number + SHARE_SHRINKAGE)
    # A share's standard deviation grows with the root of its expectation; dividing by it makes rare levels as large.
    return torch.cat([excess / level_shares.sqrt(), torch.log1p(number) / LOG_COUNT_SCALE], dim=1)


def _with_ones(vectors: Tensor) -> Tensor:
    """Movie vectors with 1 instead of the movie's bias: a dot product with them then includes the user's bias."""
    return torch.cat([torch.ones_like(vectors[..., :1]), vectors[..., 1:]], dim=-1)


Prior = MeanPrior | FactorizationPrior


def empty_prior(config: NetworkConfig, vocabulary_size: int) -> Prior:
    """A prior of the configuration's shape, its values still placeholders."""
    if config.prior == "mean":
        return MeanPrior()
    if config.prior == "bias":
        return FactorizationPrior(
            vocabulary_size, samples=1, factors=0, coordinates=0, rating_scale=config.rating_scale
        )
    factorization = config.factorization
    return FactorizationPrior(
        vocabulary_size,
        factorization.samples,
        factorization.factors,
        factorization.all_coordinates,
        config.rating_scale,
    )
