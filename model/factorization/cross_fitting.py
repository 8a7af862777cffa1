"""Fits priors to ratings, crosswise where a prior would otherwise know the ratings that the network learns from."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from model.data.sequences import Sequences
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
"""A column of the users' side information that varies less among the training users is left out: others may be far."""

OnFit = Callable[[int, int], None]
"""Called with the sweeps done so far and the number of all sweeps of all priors."""


@dataclass(frozen=True)
class FittedPriors:
    """One prior for use and, for training the network, one for each part of the users that has not seen that part.

    Attributes:
        whole: fitted to all users.
        parts: ``parts[k]`` is fitted to all users but those of part k.
        fold_of_user: shape (users,).
    """

    full: Prior
    folds: list[Prior]
    fold_of_user: IntArray

    def save(self, file: Path) -> None:
        """Write to a file."""
        priors = {"whole": self.full} | {str(part): prior for part, prior in enumerate(self.folds)}
        # Copies: with one part, its prior is that of all, and the file format wants every tensor once.
        tensors = {
            f"{name}.{key}": value.clone() for name, one in priors.items() for key, value in one.state_dict().items()
        }
        with atomic_write(file) as temporary:
            save_file(tensors | {"fold_of_user": torch.from_numpy(self.fold_of_user)}, temporary)

    @classmethod
    def load(cls, file: Path, config: NetworkConfig, vocabulary_size: int) -> "FittedPriors":
        """Read what `save` wrote for this configuration; `CheckpointError` if it does not fit."""
        factorization = config.factorization
        of_fold = (
            config.model_copy(update={"factorization": factorization.of_fold}) if factorization.folds > 1 else config
        )
        names = ["whole", *(str(part) for part in range(factorization.folds))]
        priors = [empty_prior(config, vocabulary_size), *(empty_prior(of_fold, vocabulary_size) for _ in names[1:])]
        try:
            tensors = load_file(file)
            for name, prior in zip(names, priors, strict=True):
                prior.load_state_dict({key: tensors[f"{name}.{key}"] for key in prior.state_dict()})
            return cls(priors[0], priors[1:], tensors["fold_of_user"].numpy())
        except (OSError, SafetensorError, KeyError, RuntimeError) as error:
            raise CheckpointError(f"{file} cannot be read ({error}). Delete it to start afresh.") from error


def fit_priors(
    config: NetworkConfig, sequences: Sequences, content: FloatArray, seed: int, on_fit: OnFit = lambda *_: None
) -> FittedPriors:
    """Fit a configuration's prior to the ratings of the sequences.

    ``content`` (movies, columns) is what is known of each movie index without any rating.
    A user's own ratings weigh next to nothing in means and biases, so these are fitted once. Factors know the
    ratings they were fitted to: the network would learn to trust them too much, so it sees each user through a prior
    that was fitted to the other users. With one part it does not, and sees everyone through the same prior.
    """
    if config.prior != "factorization":
        whole = _fit_simple(config, sequences, len(content))
        return FittedPriors(whole, [whole], np.zeros(len(sequences), dtype=np.int64))
    whole_config, part_config = config.factorization, config.factorization.of_fold
    parts = whole_config.folds if whole_config.folds > 1 else 0
    fold_of_user = np.random.default_rng(seed).permutation(len(sequences)) % max(parts, 1)
    total = parts * part_config.sweeps + whole_config.sweeps
    fitted: list[Prior] = []
    for part in range(parts):
        others = sequences.take(np.flatnonzero(fold_of_user != part))
        share = _Share(on_fit, part * part_config.sweeps, total)
        fitted.append(_fit_posterior(part_config, others, content, seed, share))
    share = _Share(on_fit, parts * part_config.sweeps, total)
    whole = _fit_posterior(whole_config, sequences, content, seed, share)
    return FittedPriors(whole, fitted or [whole], fold_of_user)


@dataclass(frozen=True)
class _Share:
    """Passes the progress of one prior on as a share of all priors."""

    on_fit: OnFit
    before: int
    total: int

    def __call__(self, done: int, _: int) -> None:
        self.on_fit(self.before + done, self.total)


def _fit_posterior(
    config: FactorizationConfig, sequences: Sequences, content: FloatArray, seed: int, on_sweep: OnFit
) -> FactorizationPrior:
    coordinates = centred(movie_coordinates(sequences, len(content), config.coordinates), sequences)
    profiles = sequences.profiles if config.profiles else np.zeros_like(sequences.profiles)
    columns = user_columns(*map(torch.from_numpy, (profiles, sequences.movies, sequences.user_index, coordinates)))
    centre, scale = columns.mean(0), columns.std(0)
    scale = scale.where(scale > SMALLEST_SCALE, torch.inf)
    information = SideInformation(((columns - centre) / scale).numpy(), movie_columns(content, sequences, coordinates))
    samples = sample_factors(sequences, information, config, seed, on_sweep)
    prior = FactorizationPrior(len(content), config.samples, config.factors, config.coordinates, sequences.rating_scale)
    prior.profile.copy_(torch.from_numpy(sequences.profiles.mean(0)))
    prior.coordinates.copy_(torch.from_numpy(coordinates))
    # Served users come with columns as they are: the standardisation goes into weights and mean.
    prior.user_weights.copy_(samples.user_weights / scale.unsqueeze(-1))
    prior.user_mean.copy_(samples.user_mean - centre @ prior.user_weights)
    prior.mean.fill_(samples.mean)
    prior.noise_precision.copy_(samples.noise_precision)
    prior.movies.copy_(samples.movies)
    prior.user_precision.copy_(samples.user_precision)
    return _with_reception(prior, sequences)


def _with_reception(prior: FactorizationPrior, sequences: Sequences) -> FactorizationPrior:
    levels = level_indices(torch.from_numpy(sequences.stars), prior.rating_scale)
    counts = torch.bincount(levels, minlength=len(prior.rating_scale)).float()
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
    return _with_reception(bias_prior(bias, sequences.rating_scale), sequences)


def bias_prior(bias: Bias, rating_scale: RatingScale = WHOLE_STARS) -> FactorizationPrior:
    """The bias model as a posterior prior: one sample, no factors, nothing known besides the stars."""
    prior = FactorizationPrior(len(bias.movies), samples=1, factors=0, coordinates=0, rating_scale=rating_scale)
    prior.mean.fill_(bias.mean)
    prior.movies.copy_(torch.from_numpy(bias.movies).view(1, -1, 1))
    # With noise of precision 1, a prior of precision s is the same as s average ratings.
    prior.noise_precision.fill_(1.0)
    prior.user_precision.fill_(bias.user_shrinkage)
    return prior
