"""What stands in front of the network: a prediction in closed form, to which the network adds what it leaves open.

Every path gives each user and each movie a vector and each movie an offset in stars, so that its prediction is one
dot product plus the offset, for one pair as for a user and the whole catalogue.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from model.branches import Users
from model.config import NetworkConfig


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

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(()))

    def encode_users(self, users: Users) -> Tensor:
        """Vectors of width 0, shape (users, 0)."""
        return users.profiles.new_zeros(len(users.lengths), 0)

    def encode_movies(self, rows: Tensor) -> MoviePath:
        return MoviePath(self.mean.new_zeros(len(rows), 0), self.mean.expand(len(rows)))

    def unexplained(self, users: Users, vectors: Tensor) -> Tensor:  # noqa: ARG002 - one signature for all
        """What the ratings in the histories are beyond the mean, in stars, shape (ratings,)."""
        return users.stars - self.mean


class PosteriorPath(nn.Module):
    """Averages the user's posterior given the history over samples of a factorisation.

    For each sample, the user's vector has a normal prior, and every rating in the history is a noisy linear
    observation of it; the posterior mean solves one small linear system. The samples' vectors are laid side by
    side, so that the average over all samples is one dot product.

    Shapes: S samples, D = 1 + factors, the first value a bias; row 0 is the unknown movie. One sample without
    factors is the bias model: `model.bias`.
    """

    mean: Tensor
    noise_precision: Tensor
    movies: Tensor
    user_mean: Tensor
    user_precision: Tensor

    def __init__(self, rows: int, samples: int, factors: int) -> None:
        """All values are zeros, to be loaded."""
        super().__init__()
        width = 1 + factors
        self.register_buffer("mean", torch.zeros(()))
        self.register_buffer("noise_precision", torch.zeros(samples))
        self.register_buffer("movies", torch.zeros(samples, rows, width))
        self.register_buffer("user_mean", torch.zeros(samples, width))
        self.register_buffer("user_precision", torch.zeros(samples, width, width))

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
        prior = (self.user_precision @ self.user_mean.unsqueeze(-1)).squeeze(-1)
        precision = noise.unsqueeze(-1) * gram + self.user_precision
        means: Tensor = torch.linalg.solve(precision, noise * weighted + prior)
        return means.flatten(1)

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


def _with_ones(vectors: Tensor) -> Tensor:
    """Movie vectors with 1 in the place of the bias, so that it meets the user's bias."""
    return torch.cat([torch.ones_like(vectors[..., :1]), vectors[..., 1:]], dim=-1)


Path = MeanPath | PosteriorPath


def empty_path(config: NetworkConfig, rows: int) -> Path:
    """The path of a configuration, with zeros for values."""
    if config.path == "mean":
        return MeanPath()
    if config.path == "bias":
        return PosteriorPath(rows, samples=1, factors=0)
    return PosteriorPath(rows, samples=config.factorisation.samples, factors=config.factorisation.factors)
