"""Bayesian matrix factorization with side information, by Gibbs sampling.

The model of a rating is::

    r_um = mean + b_u + c_m + p_u . q_m + noise

User vectors ``(b_u, p_u)`` and movie vectors ``(c_m, q_m)`` have normal priors, whose means and precisions have
normal-Wishart priors (Salakhutdinov and Mnih 2008, equations 5 to 8 and 11 to 14). Two things differ from that paper.
The precision of the noise is not fixed, but has a gamma prior with shape and rate 1. And the mean of a prior is a
linear function of side information, with a normal prior on its weights (Simm et al. 2017, "Macau"); see
`model.factorization.side_information`. Their precision is fixed, or sampled too, which finds the right one for any
number of columns.

A sample consists of the movie vectors and the users' prior. User vectors are not kept: a user's posterior is computed
from the history in closed form (`model.network.prior`), also for users who were not in training.

Several processes (`model.distributed.group`) share the users and the movies. A process draws the vectors of its own
users from their ratings, and those of its own movies from sums over the ratings of all users. These sums and the drawn
movies are all that is sent. All draw the same random numbers, and each takes its rows.

On a GPU the random numbers are those of the CPU, so that a seed draws the same samples, within rounding.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from scipy.stats import wishart
from torch import Tensor
from torch.nn.functional import embedding_bag

from model.data.sequences import Sequences
from model.device import CPU
from model.distributed.group import gathered, share, share_of_users, size, summed
from model.factorization.side_information import SideInformation
from model.network.config import FactorizationConfig

MEAN_STRENGTH = 2.0
"""beta_0 of the normal-Wishart prior: its mean of 0 counts as much as this number of users or movies."""

WEIGHT_STRENGTH = 10.0
"""Prior precision of a regression weight, in units of the precision of the vectors that it predicts; where it is
sampled, that of the first sweep."""

VECTORS_AT_ONCE = 8_192
"""Vectors whose systems of equations are in memory together: with 32 factors, 20 KB for each."""

OnSweep = Callable[[int, int], None]
"""Called with the number of finished sweeps and the number of all sweeps."""

Normal = Callable[..., Tensor]
"""Draws standard normal values of a shape."""


@dataclass(frozen=True)
class FactorSamples:
    """S samples of all variables but the user vectors; a vector has D = 1 + factors values, the first a bias.

    Attributes:
        mean: mean of the training ratings, in stars.
        noise_precision: 1 / variance of a rating around its prediction, shape (S,).
        movies: bias and factors of each movie index, shape (S, movies, D).
        user_mean: prior mean of a user's vector where the side information is zeros, shape (S, D).
        user_weights: regression weights of the users' side information, shape (S, columns, D).
        user_precision: prior precision of a user's vector, shape (S, D, D).
    """

    mean: float
    noise_precision: Tensor
    movies: Tensor
    user_mean: Tensor
    user_weights: Tensor
    user_precision: Tensor


class _Prior:
    """The normal prior of the vectors of one side, users or movies; its mean is ``centre + features @ weights``.

    A process holds the features of its own vectors.
    """

    def __init__(
        self, features: Tensor, informative: Tensor, rows: slice, width: int, *, learned_strength: bool = False
    ) -> None:
        """``features`` is the side information, shape (count, columns); ``rows`` are those of this process.

        Only vectors where ``informative``, shape (count,), are used to learn the prior: the vector of a movie without
        ratings is drawn from the prior itself and would only confirm it. With ``learned_strength`` the strength of the
        weights is sampled, too.
        """
        self.features = features[rows]
        self.informative = informative[rows]
        self.count = int(informative.sum())
        before = int(informative[: rows.start].sum())
        self.informative_rows = slice(before, before + int(self.informative.sum()))  # among the informative vectors
        self.weights = features.new_zeros(features.shape[1], width)
        known = self.features[self.informative].double()
        self.products = summed(known.T @ known)
        self.strength = WEIGHT_STRENGTH
        self.learned_strength = learned_strength
        self.root = self._factorized()

    @property
    def means(self) -> Tensor:
        """Prior mean of each of this process's vectors, shape (rows, D)."""
        means: Tensor = self.centre + self.features @ self.weights
        return means

    def _factorized(self) -> Tensor:
        """The Cholesky factor of the regression's system, F'F + strength * I."""
        ridge = self.strength * torch.eye(len(self.products), dtype=torch.double, device=self.products.device)
        root: Tensor = torch.linalg.cholesky(self.products + ridge)
        return root.float()

    def sample(self, vectors: Tensor, normal: Normal, random: np.random.Generator) -> None:
        """Draw centre, precision, weights and their strength given this process's ``vectors``, shape (rows, D)."""
        vectors, features = vectors[self.informative], self.features[self.informative]
        self._sample_centre(vectors - features @ self.weights, normal, random)
        # Weights by Macau's noise injection: the solution of a ridge regression on targets with added noise has exactly
        # the posterior distribution, without forming its covariance of size (columns * D)^2.
        deviation = torch.linalg.cholesky(torch.linalg.inv(self.precision.double())).float().T  # (D, D)
        noise = normal(self.count, vectors.shape[1])[self.informative_rows] @ deviation
        ridge_noise = self.strength**0.5 * normal(*self.weights.shape) @ deviation
        target = summed(features.T @ (vectors - self.centre + noise)) + ridge_noise
        self.weights = torch.cholesky_solve(target, self.root)
        if self.learned_strength:
            self._sample_strength(random)

    def _sample_strength(self, random: np.random.Generator) -> None:
        """Draw the strength given the weights; its prior is gamma with shape and rate 1. Macau samples it, too."""
        squares = float(((self.weights @ self.precision) * self.weights).sum())
        self.strength = float(random.gamma(1 + self.weights.numel() / 2, 1 / (1 + squares / 2)))
        self.root = self._factorized()

    def _sample_centre(self, residuals: Tensor, normal: Normal, random: np.random.Generator) -> None:
        """Draw precision and centre by equation 14 of Salakhutdinov and Mnih, with W_0 = identity and nu_0 = D.

        The regression weights have the same precision (times a constant), so they count as observations of it too.
        """
        count, width = self.count, residuals.shape[1]
        residuals, weights = residuals.double(), self.weights.double()
        mean = summed(residuals.sum(0)) / count
        scatter = summed((residuals - mean).T @ (residuals - mean)) + self.strength * weights.T @ weights
        shrunk = MEAN_STRENGTH * count / (MEAN_STRENGTH + count) * torch.outer(mean, mean)
        scale = torch.linalg.inv(torch.eye(width, dtype=torch.double, device=mean.device) + scatter + shrunk)
        sample = wishart.rvs(width + count + len(weights), scale.cpu().numpy(), random_state=random)
        # scipy gives a number for 1 x 1
        precision = torch.from_numpy(np.asarray(sample).reshape(width, width)).to(mean.device)
        # With L the Cholesky factor of a precision, L'^-1 z has that precision for standard normal z.
        root = torch.linalg.cholesky((MEAN_STRENGTH + count) * precision)
        deviation = torch.linalg.solve_triangular(root.T, normal(width, 1).double(), upper=True).squeeze(-1)
        self.centre = (count * mean / (MEAN_STRENGTH + count) + deviation).float()
        self.precision = precision.float()


class _Side:
    """One side of the sampler, users or movies, with the ratings of this process sorted by user or by movie."""

    def __init__(
        self, index: np.ndarray, others: np.ndarray, stars: np.ndarray, count: int, device: torch.device
    ) -> None:
        """For each rating, the index on this side, the index on the other side, and the stars minus the mean.

        ``count`` is the number of users or movies on this side.
        """
        order = np.argsort(index, kind="stable")
        counts = np.bincount(index, minlength=count)
        self.count = count
        self.others = torch.from_numpy(others[order]).to(device)
        self.stars = torch.from_numpy(stars[order]).to(device)
        self.offsets = torch.from_numpy(np.concatenate([[0], np.cumsum(counts)])).to(device)

    def statistics(self, others: Tensor) -> "_Statistics":
        """What the ratings say of each vector of this side, given those of the other side, shape (others, D).

        Given the other side, a rating is a linear observation of this side's vector.
        """
        design, offsets = others.clone(), others[:, 0]
        design[:, 0] = 1.0  # instead of the other side's bias, which is an offset: it meets this side's bias
        residuals = self.stars - offsets[self.others]
        # Symmetric: only the upper triangle is summed, which is half of the work.
        upper = torch.triu_indices(design.shape[1], design.shape[1], device=design.device)
        of_others, starts = design[:, upper[0]].mul_(design[:, upper[1]]), self.offsets[:-1]
        # `embedding_bag` sums rows of each user's or movie's ratings without a copy of the rows for every rating.
        products = embedding_bag(self.others, of_others, starts, mode="sum")
        weighted = embedding_bag(self.others, design, starts, mode="sum", per_sample_weights=residuals)
        return _Statistics(products, weighted, residuals.double().square().sum())


class _Statistics(NamedTuple):
    """What ratings say of the vectors of one side, X being the other side's vectors of a vector's ratings.

    Attributes:
        products: upper triangle of X'X of each vector, row after row, shape (count, D * (D + 1) / 2).
        weighted: X'r of each vector, r being stars without mean and the other side's bias, shape (count, D).
        squares: |r|^2 of all ratings together.
    """

    products: Tensor
    weighted: Tensor
    squares: Tensor

    def of_all_processes(self) -> "_Statistics":
        """Sums over the ratings of all processes, except for the squares."""
        return _Statistics(summed(self.products), summed(self.weighted), self.squares)

    def rows(self, where: slice) -> "_Statistics":
        return _Statistics(self.products[where], self.weighted[where], self.squares)

    def sample(self, prior: _Prior, noise_precision: float, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Draw all vectors, with standard normal ``noise`` of shape (count, D, 1).

        Returns the vectors, shape (count, D), and the sum of squared errors of the ratings with them. All posteriors
        are normal and independent (equations 11 to 13): batched Cholesky solves draw them, `VECTORS_AT_ONCE`.
        """
        count, width = self.weighted.shape
        positions = _positions(width).to(self.weighted.device)
        vectors, explained = torch.empty_like(self.weighted), self.weighted.new_empty(count)
        for start in range(0, count, VECTORS_AT_ONCE):
            block = slice(start, start + VECTORS_AT_ONCE)
            weighted = self.weighted[block]
            gram = self.products[block].index_select(1, positions).view(-1, width, width)
            root = torch.linalg.cholesky((noise_precision * gram).add_(prior.precision))
            expected = noise_precision * weighted + prior.means[block] @ prior.precision
            deviation = torch.linalg.solve_triangular(root.mT, noise[block], upper=True)
            drawn = (torch.cholesky_solve(expected.unsqueeze(-1), root) + deviation).squeeze(-1)
            vectors[block] = drawn
            # |r - Xv|^2 = |r|^2 - v'(2 X'r - X'X v), from sums that are there already.
            explained[block] = torch.linalg.vecdot(drawn, 2 * weighted - (gram @ drawn.unsqueeze(-1)).squeeze(-1))
        return vectors, self.squares - explained.double().sum()


def _positions(width: int) -> Tensor:
    """Of each entry of a symmetric matrix, row by row, its position in the upper triangle, shape (D * D,)."""
    upper = torch.triu_indices(width, width)
    positions = torch.empty(width, width, dtype=torch.long)
    positions[upper[0], upper[1]] = positions[upper[1], upper[0]] = torch.arange(upper.shape[1])
    return positions.flatten()


def sample_factors(
    sequences: Sequences,
    information: SideInformation,
    config: FactorizationConfig,
    seed: int,
    on_sweep: OnSweep = lambda *_: None,
    device: torch.device = CPU,
) -> FactorSamples:
    """Sample the factorization of all ratings of the sequences; the same seed gives the same samples, on the CPU.

    One process alone computes them on its ``device``; of several, each does on the CPU.
    """
    device = device if size() == 1 else CPU  # gloo gathers no tensors of a GPU
    torch_random = torch.Generator().manual_seed(seed)
    random = np.random.default_rng(seed)
    vocabulary_size, width = len(information.movies), 1 + config.factors
    own_users, own_movies = share_of_users(sequences.counts), share(vocabulary_size)
    mean = float(sequences.stars.mean(dtype=np.float64))
    local = sequences.take(np.arange(own_users.start, own_users.stop))
    stars = local.stars - np.float32(mean)
    users = _Side(local.user_index, local.movies, stars, len(local), device)
    movies = _Side(local.movies, local.user_index, stars, vocabulary_size, device)
    rated = torch.from_numpy(np.bincount(sequences.movies, minlength=vocabulary_size) > 0).to(device)
    everyone = torch.ones(len(sequences), dtype=torch.bool, device=device)
    of_users, of_movies = (torch.from_numpy(part).to(device) for part in (information.users, information.movies))
    user_prior = _Prior(of_users, everyone, own_users, width, learned_strength=config.learned_strengths)
    movie_prior = _Prior(of_movies, rated, own_movies, width, learned_strength=config.learned_strengths)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=torch_random).to(device)

    def all_movies(rows: Tensor) -> Tensor:
        return gathered(rows, own_movies, vocabulary_size)

    # Small random vectors break the symmetry between factors.
    user_vectors = 0.1 * normal(len(sequences), width)[own_users]
    movie_vectors = 0.1 * normal(vocabulary_size, width)[own_movies]
    noise_precision = 1.0
    samples: list[tuple[Tensor, ...]] = []
    for sweep in range(1, config.sweeps + 1):
        user_prior.sample(user_vectors, normal, random)
        movie_prior.sample(movie_vectors, normal, random)
        noise = normal(len(sequences), width, 1)[own_users]
        user_vectors, _ = users.statistics(all_movies(movie_vectors)).sample(user_prior, noise_precision, noise)
        noise = normal(vocabulary_size, width, 1)[own_movies]
        known = movies.statistics(user_vectors).of_all_processes().rows(own_movies)
        movie_vectors, squares = known.sample(movie_prior, noise_precision, noise)
        # Posterior of the noise precision: gamma with shape 1 + n / 2 and rate 1 + (sum of squared errors) / 2.
        rate = 1 + float(summed(squares)) / 2
        noise_precision = float(random.gamma(1 + len(sequences.stars) / 2, 1 / rate))
        if sweep > config.burn_in and (sweep - config.burn_in) % config.keep_every == 0:
            # A movie without ratings gets its prior mean: a draw from the prior would add noise to its predictions.
            expected = all_movies(torch.where(rated[own_movies].unsqueeze(-1), movie_vectors, movie_prior.means))
            of_sweep = (expected, user_prior.centre, user_prior.weights, user_prior.precision)
            samples.append((torch.tensor(noise_precision), *(part.cpu() for part in of_sweep)))
        on_sweep(sweep, config.sweeps)
    return FactorSamples(mean, *(torch.stack(values) for values in zip(*samples, strict=True)))
