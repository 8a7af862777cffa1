"""Fits priors to ratings, with cross-fitting where a prior would already know the ratings that the network learns from.

A factorization predicts the ratings it was fitted to better than any other ratings. A network that learns from its
residuals on them would trust it too much. Therefore the users are divided into folds, as in cross-validation: while the
network learns, each user is encoded by a prior that was fitted to the other folds.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from model.data.sequences import Sequences
from model.device import CPU
from model.distributed.group import from_first
from model.errors import CheckpointError
from model.factorization.bias import Bias
from model.factorization.gibbs import sample_factors
from model.factorization.side_information import SideInformation, centred, movie_columns, movie_coordinates
from model.files import atomic_write
from model.network.config import FactorizationConfig, NetworkConfig
from model.network.prior import FactorizationPrior, MeanPrior, Prior, empty_prior, rating_distribution, user_columns
from model.network.scale import level_indices
from model.rating_scale import WHOLE_STARS, RatingScale
from model.types import FloatArray, IntArray

SMALLEST_SCALE = 0.01
"""Columns of the users' side information with a smaller standard deviation are ignored. Standardised, they would be
huge for a served user who differs from the training users."""

USERS_AT_ONCE = 8_192
"""Whose movies' coordinates are in memory together: 4 bytes for each rating and coordinate."""

SEEDS_APART = 1_000
"""Between the factorizations of one prior, so that trainings with the seeds 0 and 1 share none."""

OnFit = Callable[[int, int], None]
"""Called with the number of finished sweeps and the number of sweeps of all priors together."""


@dataclass(frozen=True)
class FittedPriors:
    """The prior to serve, and for each fold of the users the prior that the network sees them through in training.

    Attributes:
        full: fitted to all users.
        folds: ``folds[k]`` is fitted to all users except those of fold k; without cross-fitting, ``[full]``.
        fold_of_user: fold of each user, shape (users,).
    """

    full: Prior
    folds: list[Prior]
    fold_of_user: IntArray

    def save(self, file: Path) -> None:
        """Write to a file."""
        priors = {"full": self.full} | {str(fold): prior for fold, prior in enumerate(self.folds)}
        # Copies: with one fold, its prior is the full one, and the file format refuses a tensor that occurs twice.
        tensors = {
            f"{name}.{key}": value.clone() for name, one in priors.items() for key, value in one.state_dict().items()
        }
        with atomic_write(file) as temporary:
            save_file(tensors | {"fold_of_user": torch.from_numpy(self.fold_of_user)}, temporary)

    @classmethod
    def load(cls, file: Path, config: NetworkConfig, vocabulary_size: int) -> "FittedPriors":
        """Read what `save` wrote for this configuration; `CheckpointError` if the file is damaged or does not fit."""
        factorization = config.factorization
        of_fold = (
            config.model_copy(update={"factorization": factorization.of_fold}) if factorization.folds > 1 else config
        )
        names = ["full", *(str(fold) for fold in range(factorization.folds))]
        priors = [empty_prior(config, vocabulary_size), *(empty_prior(of_fold, vocabulary_size) for _ in names[1:])]
        try:
            tensors = load_file(file)
            for name, prior in zip(names, priors, strict=True):
                prior.load_state_dict({key: tensors[f"{name}.{key}"] for key in prior.state_dict()})
            return cls(priors[0], priors[1:], tensors["fold_of_user"].numpy())
        except (OSError, SafetensorError, KeyError, RuntimeError) as error:
            raise CheckpointError(f"{file} cannot be read ({error}). Delete it to start afresh.") from error


def fit_priors(
    config: NetworkConfig,
    sequences: Sequences,
    content: FloatArray,
    seed: int,
    on_fit: OnFit = lambda *_: None,
    device: torch.device = CPU,
) -> FittedPriors:
    """Fit the prior of a configuration to the ratings of the sequences.

    Cross-fitting is for factorizations with more than one fold. A mean or a bias model is fitted once: a user's own
    ratings change it very little.

    ``content`` (movies, columns) are movie features that need no ratings, see `Catalogue.content_matrix`; ``seed``
    draws folds and samples. Factorizations are sampled on the ``device``; all priors are on the CPU.
    """
    if config.prior != "factorization":
        full = _fit_simple(config, sequences, len(content))
        return FittedPriors(full, [full], np.zeros(len(sequences), dtype=np.int64))
    full_config, fold_config = config.factorization, config.factorization.of_fold
    folds = full_config.folds if full_config.folds > 1 else 0
    # Remainders of a permutation: a random division into folds whose sizes differ by one user at most.
    fold_of_user = np.random.default_rng(seed).permutation(len(sequences)) % max(folds, 1)
    sweeps_of_fold, sweeps_of_all = (len(one.each) * one.sweeps for one in (fold_config, full_config))
    total = folds * sweeps_of_fold + sweeps_of_all
    fitted: list[Prior] = []
    for fold in range(folds):
        others = sequences.take(np.flatnonzero(fold_of_user != fold))
        progress = _OverallProgress(on_fit, fold * sweeps_of_fold, total)
        fitted.append(_fit_factorizations(fold_config, others, content, seed, progress, device))
    progress = _OverallProgress(on_fit, folds * sweeps_of_fold, total)
    full = _fit_factorizations(full_config, sequences, content, seed, progress, device)
    return FittedPriors(full, fitted or [full], fold_of_user)


@dataclass(frozen=True)
class _OverallProgress:
    """Converts the progress of one factorization to that of all: ``before`` sweeps of ``total`` were done earlier."""

    on_fit: OnFit
    before: int
    total: int

    def __call__(self, done: int, _: int) -> None:
        self.on_fit(self.before + done, self.total)


def _fit_factorizations(
    config: FactorizationConfig,
    sequences: Sequences,
    content: FloatArray,
    seed: int,
    on_sweep: OnFit,
    device: torch.device,
) -> FactorizationPrior:
    """One prior of all factorizations of the configuration."""
    priors, total = [], len(config.each) * config.sweeps
    for number, one in enumerate(config.each):
        progress = _OverallProgress(on_sweep, number * one.sweeps, total)
        priors.append(_fit_factorization(one, sequences, content, seed + number * SEEDS_APART, progress, device))
    return priors[0] if len(priors) == 1 else FactorizationPrior.mixed(priors)


def _fit_factorization(
    config: FactorizationConfig,
    sequences: Sequences,
    content: FloatArray,
    seed: int,
    on_sweep: OnFit,
    device: torch.device,
) -> FactorizationPrior:
    # From one process: another one's linear algebra may choose other signs.
    coordinates = from_first(lambda: centred(movie_coordinates(sequences, len(content), config.coordinates), sequences))
    columns = _side_information(sequences, coordinates, profiles=config.profiles)
    centre, scale = columns.mean(0), columns.std(0)
    scale = scale.where(scale > SMALLEST_SCALE, torch.inf)  # dividing by infinity makes a column zeros
    information = SideInformation(((columns - centre) / scale).numpy(), movie_columns(content, sequences, coordinates))
    samples = sample_factors(sequences, information, config, seed, on_sweep, device)
    prior = FactorizationPrior(len(content), config.samples, config.factors, config.coordinates, sequences.rating_scale)
    prior.profile.copy_(torch.from_numpy(sequences.profiles.mean(0)))
    prior.coordinates.copy_(torch.from_numpy(coordinates))
    # The prior reads columns that are not standardised, so weights and mean take the standardisation in:
    # user_mean + ((x - centre) / scale) @ w = (user_mean - centre @ (w / scale)) + x @ (w / scale).
    prior.user_weights.copy_(samples.user_weights / scale.unsqueeze(-1))
    prior.user_mean.copy_(samples.user_mean - centre @ prior.user_weights)
    prior.mean.fill_(samples.mean)
    prior.noise_precision.copy_(samples.noise_precision)
    prior.movies.copy_(samples.movies)
    prior.user_precision.copy_(samples.user_precision)
    return _with_rating_distributions(prior, sequences)


def _side_information(sequences: Sequences, coordinates: FloatArray, *, profiles: bool) -> Tensor:
    """`user_columns` of the users of the sequences, shape (users, 24 + C); without ``profiles``, those are zeros."""
    parts = []
    for start in range(0, len(sequences), USERS_AT_ONCE):
        part = sequences.take(np.arange(start, min(start + USERS_AT_ONCE, len(sequences))))
        user_profiles = part.profiles if profiles else np.zeros_like(part.profiles)
        parts.append(user_columns(*map(torch.from_numpy, (user_profiles, part.movies, part.user_index, coordinates))))
    return torch.cat(parts)


def _with_rating_distributions(prior: FactorizationPrior, sequences: Sequences) -> FactorizationPrior:
    levels = level_indices(torch.from_numpy(sequences.stars), prior.rating_scale)
    counts = torch.bincount(levels, minlength=len(prior.rating_scale)).float()
    # One more rating of each level: shares are divided by, and a level may be missing in small data.
    prior.level_shares.copy_((counts + 1) / (counts + 1).sum())
    movies = torch.from_numpy(sequences.movies)
    prior.rating_distributions.copy_(
        rating_distribution(levels, movies, len(prior.rating_distributions), prior.level_shares)
    )
    return prior


def _fit_simple(config: NetworkConfig, sequences: Sequences, vocabulary_size: int) -> Prior:
    bias = Bias.fitted(sequences.movies, sequences.stars, vocabulary_size)
    if config.prior == "mean":
        prior = MeanPrior()
        prior.mean.fill_(bias.mean)
        return prior
    return _with_rating_distributions(bias_prior(bias, sequences.rating_scale), sequences)


def bias_prior(bias: Bias, rating_scale: RatingScale = WHOLE_STARS) -> FactorizationPrior:
    """The bias model as a factorization with one sample, no factors and no side information."""
    prior = FactorizationPrior(len(bias.movies), samples=1, factors=0, coordinates=0, rating_scale=rating_scale)
    prior.mean.fill_(bias.mean)
    prior.movies.copy_(torch.from_numpy(bias.movies).view(1, -1, 1))
    # With a noise precision of 1, a prior precision of s has the effect of s ratings without residual.
    prior.noise_precision.fill_(1.0)
    prior.user_precision.fill_(bias.user_shrinkage)
    return prior
