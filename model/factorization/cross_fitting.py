"""Fits paths to ratings, crosswise where a path would otherwise know the ratings that the network learns from."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path as FilePath

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from model.data.sequences import Sequences
from model.errors import CheckpointError
from model.factorization.bias import Bias
from model.factorization.gibbs import sample_factors
from model.factorization.side_information import SideInformation, centred, coordinates, movie_columns
from model.network.config import FactorConfig, NetworkConfig
from model.network.prior import MeanPath, Path, PosteriorPath, describe_stars, empty_path, user_columns
from model.network.scale import nearest_levels
from model.rating_scale import WHOLE_STARS, StarLevels
from model.types import FloatArray, IntArray

SMALLEST_SCALE = 0.01
"""A column of the users' side information that varies less among the training users is left out: others may be far."""

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
        # Copies: with one part, its path is that of all, and the file format wants every tensor once.
        tensors = {
            f"{name}.{key}": value.clone() for name, one in paths.items() for key, value in one.state_dict().items()
        }
        file.parent.mkdir(parents=True, exist_ok=True)
        aside = file.with_suffix(".writing")
        save_file(tensors | {"part_of_user": torch.from_numpy(self.part_of_user)}, aside)
        aside.replace(file)

    @classmethod
    def load(cls, file: FilePath, config: NetworkConfig, rows: int) -> "FittedPaths":
        """Read what `save` wrote for this configuration; `CheckpointError` if it does not fit."""
        factorisation = config.factorisation
        of_part = (
            config.model_copy(update={"factorisation": factorisation.of_part}) if factorisation.parts > 1 else config
        )
        names = ["whole", *(str(part) for part in range(factorisation.parts))]
        paths = [empty_path(config, rows), *(empty_path(of_part, rows) for _ in names[1:])]
        try:
            tensors = load_file(file)
            for name, path in zip(names, paths, strict=True):
                path.load_state_dict({key: tensors[f"{name}.{key}"] for key in path.state_dict()})
            return cls(paths[0], paths[1:], tensors["part_of_user"].numpy())
        except (OSError, SafetensorError, KeyError, RuntimeError) as error:
            raise CheckpointError(f"{file} cannot be read ({error}). Delete it to start afresh.") from error


def fit_paths(
    config: NetworkConfig, sequences: Sequences, content: FloatArray, seed: int, on_fit: OnFit = lambda *_: None
) -> FittedPaths:
    """Fit a configuration's path to the ratings of the sequences.

    ``content`` (rows, columns) is what is known of each catalogue row without any rating.
    A user's own ratings weigh next to nothing in means and biases, so these are fitted once. Factors know the
    ratings they were fitted to: the network would learn to trust them too much, so it sees each user through a path
    that was fitted to the other users. With one part it does not, and sees everyone through the same path.
    """
    if config.path != "posterior":
        whole = _fit_simple(config, sequences, len(content))
        return FittedPaths(whole, [whole], np.zeros(len(sequences), dtype=np.int64))
    whole_config, part_config = config.factorisation, config.factorisation.of_part
    parts = whole_config.parts if whole_config.parts > 1 else 0
    part_of_user = np.random.default_rng(seed).permutation(len(sequences)) % max(parts, 1)
    total = parts * part_config.sweeps + whole_config.sweeps
    fitted: list[Path] = []
    for part in range(parts):
        others = sequences.take(np.flatnonzero(part_of_user != part))
        share = _Share(on_fit, part * part_config.sweeps, total)
        fitted.append(_fit_posterior(part_config, others, content, seed, share))
    share = _Share(on_fit, parts * part_config.sweeps, total)
    whole = _fit_posterior(whole_config, sequences, content, seed, share)
    return FittedPaths(whole, fitted or [whole], part_of_user)


@dataclass(frozen=True)
class _Share:
    """Passes the progress of one path on as a share of all paths."""

    on_fit: OnFit
    before: int
    total: int

    def __call__(self, done: int, _: int) -> None:
        self.on_fit(self.before + done, self.total)


def _fit_posterior(
    config: FactorConfig, sequences: Sequences, content: FloatArray, seed: int, on_sweep: OnFit
) -> PosteriorPath:
    places = centred(coordinates(sequences, len(content), config.places), sequences)
    profiles = sequences.profiles if config.profiles else np.zeros_like(sequences.profiles)
    columns = user_columns(*map(torch.from_numpy, (profiles, sequences.movies, sequences.owners, places)))
    centre, scale = columns.mean(0), columns.std(0)
    scale = scale.where(scale > SMALLEST_SCALE, torch.inf)
    information = SideInformation(((columns - centre) / scale).numpy(), movie_columns(content, sequences, places))
    samples = sample_factors(sequences, information, config, seed, on_sweep)
    path = PosteriorPath(len(content), config.samples, config.factors, config.places, sequences.star_levels)
    path.profile.copy_(torch.from_numpy(sequences.profiles.mean(0)))
    path.places.copy_(torch.from_numpy(places))
    # Served users come with columns as they are: the standardisation goes into weights and mean.
    path.user_weights.copy_(samples.user_weights / scale.unsqueeze(-1))
    path.user_mean.copy_(samples.user_mean - centre @ path.user_weights)
    path.mean.fill_(samples.mean)
    path.noise_precision.copy_(samples.noise_precision)
    path.movies.copy_(samples.movies)
    path.user_precision.copy_(samples.user_precision)
    return _with_reception(path, sequences)


def _with_reception(path: PosteriorPath, sequences: Sequences) -> PosteriorPath:
    levels = nearest_levels(torch.from_numpy(sequences.stars), path.star_levels)
    counts = torch.bincount(levels, minlength=len(path.star_levels)).float()
    path.shares.copy_((counts + 1) / (counts + 1).sum())
    movies = torch.from_numpy(sequences.movies)
    path.reception.copy_(describe_stars(levels, movies, len(path.reception), path.shares))
    return path


def _fit_simple(config: NetworkConfig, sequences: Sequences, rows: int) -> Path:
    bias = Bias.fitted(sequences.movies, sequences.stars, rows)
    if config.path == "mean":
        path = MeanPath()
        path.mean.fill_(bias.mean)
        return path
    return _with_reception(bias_path(bias, sequences.star_levels), sequences)


def bias_path(bias: Bias, star_levels: StarLevels = WHOLE_STARS) -> PosteriorPath:
    """The bias model as a posterior path: one sample, no factors, nothing known besides the stars."""
    path = PosteriorPath(len(bias.movies), samples=1, factors=0, places=0, star_levels=star_levels)
    path.mean.fill_(bias.mean)
    path.movies.copy_(torch.from_numpy(bias.movies).view(1, -1, 1))
    # With noise of precision 1, a prior of precision s is the same as s average ratings.
    path.noise_precision.fill_(1.0)
    path.user_precision.fill_(bias.user_shrinkage)
    return path
