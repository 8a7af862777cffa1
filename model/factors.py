"""Bayesian matrix factorisation by Gibbs sampling (Salakhutdinov and Mnih 2008), with biases among the factors.

A rating is ``mean + b_u + c_m + p_u . q_m`` plus noise. User vectors ``(b_u, p_u)`` and movie vectors ``(c_m, q_m)``
have normal priors, whose means and precisions have normal-Wishart priors (equations 5 to 7 and 11 to 14 there). What
is kept of each sample is the movies' side and the users' prior: a user who was not in training is inferred from the
history in closed form (`model.paths`), so this is inductive.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from scipy.stats import wishart
from torch import Tensor
from torch.nn.functional import embedding_bag

from model.config import FactorConfig
from model.protocol import Sequences

MEAN_STRENGTH = 2.0
"""beta_0: users or movies that the prior of a prior's mean counts as."""

OnSweep = Callable[[int, int], None]
"""Called with the sweeps done so far and their number."""


@dataclass(frozen=True)
class FactorSamples:
    """Kept samples of everything but the users, S of them, with D = 1 + factors values a vector.

    Attributes:
        mean: mean of the training ratings, in stars.
        noise_precision: 1 / variance of a rating around its prediction, shape (S,).
        movies: bias and factors of each catalogue row, shape (S, rows, D).
        user_mean: prior mean of a user's vector, shape (S, D).
        user_precision: prior precision of a user's vector, shape (S, D, D).
    """

    mean: float
    noise_precision: Tensor
    movies: Tensor
    user_mean: Tensor
    user_precision: Tensor


class _Side:
    """The users or the movies in the sampler: their vectors and who rated whom."""

    def __init__(self, owners: np.ndarray, others: np.ndarray, stars: np.ndarray, count: int) -> None:
        order = np.argsort(owners, kind="stable")
        counts = np.bincount(owners, minlength=count)
        self.count = count
        self.others = torch.from_numpy(others[order])
        self.stars = torch.from_numpy(stars[order])
        self.starts = torch.from_numpy(np.cumsum(counts) - counts)

    def sample(self, others: Tensor, prior: tuple[Tensor, Tensor], noise_precision: float, noise: Tensor) -> Tensor:
        """Draw all vectors of this side given the other side's, shape (count, D)."""
        mean, precision = prior
        design, offsets = others.clone(), others[:, 0]
        design[:, 0] = 1.0
        upper = torch.triu_indices(design.shape[1], design.shape[1])
        products = embedding_bag(self.others, design[:, upper[0]] * design[:, upper[1]], self.starts, mode="sum")
        gram = design.new_empty(self.count, design.shape[1], design.shape[1])
        gram[:, upper[0], upper[1]] = products
        gram[:, upper[1], upper[0]] = products
        residuals = self.stars - offsets[self.others]
        weighted = embedding_bag(self.others, design, self.starts, mode="sum", per_sample_weights=residuals)
        root = torch.linalg.cholesky(noise_precision * gram + precision)
        centre = torch.cholesky_solve((noise_precision * weighted + precision @ mean).unsqueeze(-1), root)
        vectors: Tensor = centre + torch.linalg.solve_triangular(root.mT, noise, upper=True)
        return vectors.squeeze(-1)


def sample_factors(
    sequences: Sequences, rows: int, config: FactorConfig, seed: int, on_sweep: OnSweep = lambda *_: None
) -> FactorSamples:
    """Sample from all ratings of the sequences; the same seed gives the same samples."""
    torch_random = torch.Generator().manual_seed(seed)
    random = np.random.default_rng(seed)
    mean = float(sequences.stars.mean(dtype=np.float64))
    owners = np.repeat(np.arange(len(sequences)), sequences.counts)
    stars = sequences.stars - np.float32(mean)
    users = _Side(owners, sequences.movies, stars, len(sequences))
    movies = _Side(sequences.movies, owners, stars, rows)
    rated = torch.from_numpy(np.bincount(sequences.movies, minlength=rows) > 0)
    width = 1 + config.factors

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=torch_random)

    user_vectors, movie_vectors = 0.1 * normal(len(sequences), width), 0.1 * normal(rows, width)
    noise_precision = 1.0
    kept: list[tuple[float, Tensor, Tensor, Tensor]] = []
    for sweep in range(1, config.sweeps + 1):
        user_prior = _sample_prior(user_vectors, normal(width, 1), random)
        movie_prior = _sample_prior(movie_vectors[rated], normal(width, 1), random)
        user_vectors = users.sample(movie_vectors, user_prior, noise_precision, normal(len(sequences), width, 1))
        movie_vectors = movies.sample(user_vectors, movie_prior, noise_precision, normal(rows, width, 1))
        noise_precision = _sample_noise(users, user_vectors, movie_vectors, random)
        if sweep > config.burn_in and (sweep - config.burn_in) % config.keep_every == 0:
            # Without ratings a movie is the average one, not a random one.
            served = torch.where(rated.unsqueeze(-1), movie_vectors, movie_prior[0])
            kept.append((noise_precision, served, *user_prior))
        on_sweep(sweep, config.sweeps)
    precisions, movie_samples, means, user_precisions = zip(*kept, strict=True)
    return FactorSamples(
        mean=mean,
        noise_precision=torch.tensor(precisions),
        movies=torch.stack(movie_samples),
        user_mean=torch.stack(means),
        user_precision=torch.stack(user_precisions),
    )


def _sample_prior(vectors: Tensor, noise: Tensor, random: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Mean and precision of the normal that these vectors come from (equation 14), W_0 = identity, nu_0 = D."""
    count, width = vectors.shape
    vectors = vectors.double()
    centre = vectors.mean(0)
    scatter = (vectors - centre).T @ (vectors - centre)
    shrunk = MEAN_STRENGTH * count / (MEAN_STRENGTH + count) * torch.outer(centre, centre)
    scale = torch.linalg.inv(torch.eye(width, dtype=torch.double) + scatter + shrunk)
    drawn = wishart.rvs(width + count, scale.numpy(), random_state=random)
    precision = torch.from_numpy(np.asarray(drawn).reshape(width, width))
    root = torch.linalg.cholesky((MEAN_STRENGTH + count) * precision)
    spread = torch.linalg.solve_triangular(root.T, noise.double(), upper=True).squeeze(-1)
    mean = count * centre / (MEAN_STRENGTH + count) + spread
    return mean.float(), precision.float()


def _sample_noise(users: _Side, user_vectors: Tensor, movie_vectors: Tensor, random: np.random.Generator) -> float:
    """Precision of a rating around its prediction, with a vague gamma prior."""
    counts = torch.diff(users.starts, append=torch.tensor([len(users.others)]))
    own = torch.repeat_interleave(user_vectors, counts, dim=0)
    theirs = movie_vectors[users.others]
    errors = users.stars - own[:, 0] - theirs[:, 0] - (own[:, 1:] * theirs[:, 1:]).sum(-1)
    squares = float(errors.double().square().sum())
    return float(random.gamma(1 + len(errors) / 2, 1 / (1 + squares / 2)))
