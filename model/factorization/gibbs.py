"""Bayesian matrix factorization with side information, by Gibbs sampling.

A rating is ``mean + b_u + c_m + p_u . q_m`` plus noise. User vectors ``(b_u, p_u)`` and movie vectors ``(c_m, q_m)``
have normal priors, whose means and precisions have normal-Wishart priors (Salakhutdinov and Mnih 2008, equations 5 to
8 and 11 to 14). The precision of the noise, fixed there, has a gamma prior of shape and rate 1. A prior's mean is not
the same for all: it is a linear function of what is known besides the stars, with a normal prior on its weights (Simm
et al. 2017, "Macau"); see `model.factorization.side_information`.

What is kept of each sample is the movies' side and the users' prior: a user who was not in training is inferred from
the history in closed form (`model.network.prior`), so this is inductive.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from scipy.stats import wishart
from torch import Tensor
from torch.nn.functional import embedding_bag

from model.data.sequences import Sequences
from model.factorization.side_information import SideInformation
from model.network.config import FactorizationConfig

MEAN_STRENGTH = 2.0
"""beta_0: users or movies that the prior of a prior's mean counts as."""

WEIGHT_STRENGTH = 10.0
"""Precision of a regression weight beforehand, in units of the precision of the vectors it predicts."""

OnSweep = Callable[[int, int], None]
"""Called with the sweeps done so far and their number."""

Normal = Callable[..., Tensor]
"""Standard normal values of the shape given."""


@dataclass(frozen=True)
class FactorSamples:
    """Kept samples of everything but the users, S of them, with D = 1 + factors values a vector.

    Attributes:
        mean: mean of the training ratings, in stars.
        noise_precision: 1 / variance of a rating around its prediction, shape (S,).
        movies: bias and factors of each movie index, shape (S, movies, D).
        user_mean: prior mean of a user's vector, side information left out, shape (S, D).
        user_weights: what each column of the users' side information adds to it, shape (S, columns, D).
        user_precision: prior precision of a user's vector, shape (S, D, D).
    """

    mean: float
    noise_precision: Tensor
    movies: Tensor
    user_mean: Tensor
    user_weights: Tensor
    user_precision: Tensor


class _Prior:
    """The normal distribution that the vectors of one side come from, its mean ``centre + features @ weights``."""

    def __init__(self, features: Tensor, informative: Tensor, width: int) -> None:
        """``features`` (count, columns); only the vectors where ``informative`` say something of the prior."""
        self.features = features
        self.informative = informative
        self.weights = torch.zeros(features.shape[1], width)
        known = features[informative].double()
        ridge = WEIGHT_STRENGTH * torch.eye(features.shape[1], dtype=torch.double)
        self.root = torch.linalg.cholesky(known.T @ known + ridge).float()

    @property
    def means(self) -> Tensor:
        """Of each vector, shape (count, D)."""
        means: Tensor = self.centre + self.features @ self.weights
        return means

    def sample(self, vectors: Tensor, normal: Normal, random: np.random.Generator) -> None:
        """Draw centre, precision and weights given the vectors, shape (count, D)."""
        vectors, features = vectors[self.informative], self.features[self.informative]
        self._sample_centre(vectors - features @ self.weights, normal, random)
        spread = torch.linalg.cholesky(torch.linalg.inv(self.precision.double())).float().T
        noise = normal(*vectors.shape) @ spread
        ridge_noise = WEIGHT_STRENGTH**0.5 * normal(*self.weights.shape) @ spread
        target = features.T @ (vectors - self.centre + noise) + ridge_noise
        self.weights = torch.cholesky_solve(target, self.root)

    def _sample_centre(self, residuals: Tensor, normal: Normal, random: np.random.Generator) -> None:
        """Equation 14 of Salakhutdinov and Mnih with W_0 = identity, nu_0 = D; the weights count as observations."""
        count, width = residuals.shape
        residuals, weights = residuals.double(), self.weights.double()
        mean = residuals.mean(0)
        scatter = (residuals - mean).T @ (residuals - mean) + WEIGHT_STRENGTH * weights.T @ weights
        shrunk = MEAN_STRENGTH * count / (MEAN_STRENGTH + count) * torch.outer(mean, mean)
        scale = torch.linalg.inv(torch.eye(width, dtype=torch.double) + scatter + shrunk)
        drawn = wishart.rvs(width + count + len(weights), scale.numpy(), random_state=random)
        precision = torch.from_numpy(np.asarray(drawn).reshape(width, width))
        root = torch.linalg.cholesky((MEAN_STRENGTH + count) * precision)
        spread = torch.linalg.solve_triangular(root.T, normal(width, 1).double(), upper=True).squeeze(-1)
        self.centre = (count * mean / (MEAN_STRENGTH + count) + spread).float()
        self.precision = precision.float()


class _Side:
    """The users or the movies in the sampler: their vectors and who rated whom."""

    def __init__(self, user_index: np.ndarray, others: np.ndarray, stars: np.ndarray, count: int) -> None:
        order = np.argsort(user_index, kind="stable")
        counts = np.bincount(user_index, minlength=count)
        self.count = count
        self.others = torch.from_numpy(others[order])
        self.stars = torch.from_numpy(stars[order])
        self.starts = torch.from_numpy(np.cumsum(counts) - counts)

    def sample(self, others: Tensor, prior: _Prior, noise_precision: float, normal: Normal) -> tuple[Tensor, float]:
        """Draw all vectors of this side given the other side's; returns them (count, D) and their squared error."""
        design, offsets = others.clone(), others[:, 0]
        design[:, 0] = 1.0
        residuals = self.stars - offsets[self.others]
        gram = self._gram(design)
        weighted = embedding_bag(self.others, design, self.starts, mode="sum", per_sample_weights=residuals)
        root = torch.linalg.cholesky(noise_precision * gram + prior.precision)
        centre = torch.cholesky_solve((noise_precision * weighted + prior.means @ prior.precision).unsqueeze(-1), root)
        noise = normal(self.count, design.shape[1], 1)
        vectors = (centre + torch.linalg.solve_triangular(root.mT, noise, upper=True)).squeeze(-1)
        base = torch.linalg.vecdot(vectors, 2 * weighted - (gram @ vectors.unsqueeze(-1)).squeeze(-1))
        return vectors, float(residuals.double().square().sum() - base.double().sum())

    def _gram(self, design: Tensor) -> Tensor:
        """The other side's outer products, summed over each one's ratings, shape (count, D, D)."""
        upper = torch.triu_indices(design.shape[1], design.shape[1])
        products = embedding_bag(self.others, design[:, upper[0]] * design[:, upper[1]], self.starts, mode="sum")
        gram = design.new_empty(self.count, design.shape[1], design.shape[1])
        gram[:, upper[0], upper[1]] = products
        gram[:, upper[1], upper[0]] = products
        return gram


def sample_factors(
    sequences: Sequences,
    information: SideInformation,
    config: FactorizationConfig,
    seed: int,
    on_sweep: OnSweep = lambda *_: None,
) -> FactorSamples:
    """Sample from all ratings of the sequences; the same seed gives the same samples."""
    torch_random = torch.Generator().manual_seed(seed)
    random = np.random.default_rng(seed)
    vocabulary_size, width = len(information.movies), 1 + config.factors
    mean = float(sequences.stars.mean(dtype=np.float64))
    stars = sequences.stars - np.float32(mean)
    users = _Side(sequences.user_index, sequences.movies, stars, len(sequences))
    movies = _Side(sequences.movies, sequences.user_index, stars, vocabulary_size)
    rated = torch.from_numpy(np.bincount(sequences.movies, minlength=vocabulary_size) > 0)
    user_prior = _Prior(torch.from_numpy(information.users), torch.ones(len(sequences), dtype=torch.bool), width)
    movie_prior = _Prior(torch.from_numpy(information.movies), rated, width)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=torch_random)

    user_vectors, movie_vectors = 0.1 * normal(len(sequences), width), 0.1 * normal(vocabulary_size, width)
    noise_precision = 1.0
    kept: list[tuple[Tensor, ...]] = []
    for sweep in range(1, config.sweeps + 1):
        user_prior.sample(user_vectors, normal, random)
        movie_prior.sample(movie_vectors, normal, random)
        user_vectors, _ = users.sample(movie_vectors, user_prior, noise_precision, normal)
        movie_vectors, squares = movies.sample(user_vectors, movie_prior, noise_precision, normal)
        noise_precision = float(random.gamma(1 + len(stars) / 2, 1 / (1 + squares / 2)))
        if sweep > config.burn_in and (sweep - config.burn_in) % config.keep_every == 0:
            # Without ratings a movie is what its content says, not a random one.
            served = torch.where(rated.unsqueeze(-1), movie_vectors, movie_prior.means)
            kept.append(
                (torch.tensor(noise_precision), served, user_prior.centre, user_prior.weights, user_prior.precision)
            )
        on_sweep(sweep, config.sweeps)
    return FactorSamples(mean, *(torch.stack(values) for values in zip(*kept, strict=True)))
