"""Fits paths to ratings, crosswise where a path would otherwise know the ratings that the network learns from."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path as FilePath

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from model.bias import Bias
from model.config import NetworkConfig
from model.errors import CheckpointError
from model.factors import FactorSamples, sample_factors
from model.features import IntArray
from model.paths import MeanPath, Path, PosteriorPath, empty_path
from model.protocol import Sequences

OnFit = Callable[[int, int], None]
"""Called with the sweeps done so far and the number of all sweeps of all paths."""


@dataclass(frozen=True)
class FittedPaths:
    """One path for use and, for training the network, one for each part of the users that has not seen that part.

    Attributes:
        whole: fitted to all users.
        parts: ``parts[k]`` is fitted to all users but those of part k.
        part_of_user: shape (users,).
    """

    whole: Path
    parts: list[Path]
    part_of_user: IntArray

    def save(self, file: FilePath) -> None:
        """Write to a file, aside and renamed."""
        paths = {"whole": self.whole} | {str(part): path for part, path in enumerate(self.parts)}
        tensors = {f"{name}.{key}": value for name, path in paths.items() for key, value in path.state_dict().items()}
        file.parent.mkdir(parents=True, exist_ok=True)
        aside = file.with_suffix(".writing")
        save_file(tensors | {"part_of_user": torch.from_numpy(self.part_of_user)}, aside)
        aside.replace(file)

    @classmethod
    def load(cls, file: FilePath, config: NetworkConfig, rows: int) -> "FittedPaths":
        """Read what `save` wrote for this configuration; `CheckpointError` if it does not fit."""
        names = ["whole", *(str(part) for part in range(config.factorisation.parts))]
        paths = [empty_path(config, rows) for _ in names]
        try:
            tensors = load_file(file)
            for name, path in zip(names, paths, strict=True):
                path.load_state_dict({key: tensors[f"{name}.{key}"] for key in path.state_dict()})
            return cls(paths[0], paths[1:], tensors["part_of_user"].numpy())
        except (OSError, SafetensorError, KeyError, RuntimeError) as error:
            raise CheckpointError(f"{file} cannot be read ({error}). Delete it to start afresh.") from error


def fit_paths(
    config: NetworkConfig, sequences: Sequences, rows: int, seed: int, on_fit: OnFit = lambda *_: None
) -> FittedPaths:
    """Fit a configuration's path to the ratings of the sequences.

    A user's own ratings weigh next to nothing in means and biases, so these are fitted once. Factors know the
    ratings they were fitted to: the network would learn to trust them too much, so it sees each user through a path
    that was fitted to the other users.
    """
    if config.path != "posterior":
        whole = _fit_simple(config, sequences, rows)
        return FittedPaths(whole, [whole], np.zeros(len(sequences), dtype=np.int64))
    parts = config.factorisation.parts
    part_of_user = np.random.default_rng(seed).permutation(len(sequences)) % parts
    fitted: list[Path] = []
    for part in range(parts + 1):
        # Nobody is in the last part, so the last path is fitted to everyone.
        others = sequences.take(np.flatnonzero(part_of_user != part))
        fitted.append(_fit_posterior(config, others, rows, seed, _Share(on_fit, part, parts + 1)))
    return FittedPaths(fitted[-1], fitted[:-1], part_of_user)


@dataclass(frozen=True)
class _Share:
    """Passes the progress of one path on as a share of all paths."""

    on_fit: OnFit
    number: int
    paths: int

    def __call__(self, done: int, total: int) -> None:
        self.on_fit(self.number * total + done, self.paths * total)


def _fit_posterior(config: NetworkConfig, sequences: Sequences, rows: int, seed: int, on_sweep: OnFit) -> Path:
    samples = sample_factors(sequences, rows, config.factorisation, seed, on_sweep)
    return _filled(PosteriorPath(rows, config.factorisation.samples, config.factorisation.factors), samples)


def _fit_simple(config: NetworkConfig, sequences: Sequences, rows: int) -> Path:
    bias = Bias.fitted(sequences.movies, sequences.stars, rows)
    if config.path == "mean":
        path = MeanPath()
        path.mean.fill_(bias.mean)
        return path
    return bias_path(bias)


def bias_path(bias: Bias) -> PosteriorPath:
    """The bias model as a posterior path: one sample, no factors."""
    # With noise of precision 1, a prior of precision s is the same as s average ratings.
    samples = FactorSamples(
        mean=bias.mean,
        noise_precision=torch.ones(1),
        movies=torch.from_numpy(bias.movies).view(1, -1, 1),
        user_mean=torch.zeros(1, 1),
        user_precision=torch.full((1, 1, 1), bias.user_shrinkage),
    )
    return _filled(PosteriorPath(len(bias.movies), samples=1, factors=0), samples)


def _filled(path: PosteriorPath, samples: FactorSamples) -> PosteriorPath:
    path.mean.fill_(samples.mean)
    path.noise_precision.copy_(samples.noise_precision)
    path.movies.copy_(samples.movies)
    path.user_mean.copy_(samples.user_mean)
    path.user_precision.copy_(samples.user_precision)
    return path
