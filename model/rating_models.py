"""Every model of ratings that can be evaluated, by name."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Protocol

import torch
from pydantic import BaseModel, ConfigDict

from model.baselines import BiasModel, GlobalMean, MovieMean
from model.card import Epoch
from model.config import NetworkConfig, TrainingConfig
from model.errors import UnknownNameError
from model.features import Catalogue, FloatArray
from model.metrics import Predicted
from model.network import SeqRec
from model.path_fitting import FittedPaths, OnFit, fit_paths
from model.protocol import Fold, Split
from model.recurrent import RECURRENT
from model.training import OnProgress, Trainer, predict


class Preset(BaseModel):
    """A network and its training under one name."""

    model_config = ConfigDict(frozen=True)

    name: str
    network: NetworkConfig
    training: TrainingConfig


PRESETS = {
    preset.name: preset
    for preset in (
        Preset(name="seqrec-paper", network=NetworkConfig(), training=TrainingConfig()),
        Preset(name="seqrec-lstm", network=NetworkConfig(recurrent="lstm"), training=TrainingConfig()),
        Preset(
            name="seqrec",
            network=NetworkConfig(path="posterior", likelihood="categorical", unknown_rate=0.02, dropout=0.2),
            training=TrainingConfig(random_cuts=True, epochs=4, patience=2, learning_rate=1e-3),
        ),
    )
}


class RatingModel(Protocol):
    """Learns from a split's training fold, choosing on its validation fold, and predicts a fold's targets.

    Attributes:
        name: its row in every table.
        inductive: False if it can only predict for users whose histories it was fitted to (`Split.known`).
        epochs: what each epoch of the last `fit` came to; empty where it has no epochs.
    """

    @property
    def name(self) -> str: ...

    @property
    def inductive(self) -> bool: ...

    @property
    def epochs(self) -> list[Epoch]: ...

    def fit(self, split: Split) -> None: ...

    def predict(self, fold: Fold) -> Predicted:
        """Answers for the targets in the fold's order."""


@dataclass(frozen=True)
class Workshop:
    """What building and training a network takes besides the ratings.

    Attributes:
        catalogue: the movies.
        titles: computes or fetches the title vectors, shape (rows, title width).
        device: where to train.
        checkpoints: folder for the state of interrupted runs; None keeps none.
        resume: take up an interrupted run of the same data and settings.
        on_fit: called while the path in front of the network is fitted.
        on_progress: called after every step.
        used_checkpoints: files that this workshop's runs have written.
    """

    catalogue: Catalogue
    titles: Callable[[], FloatArray]
    device: torch.device
    checkpoints: Path | None = None
    resume: bool = False
    on_fit: OnFit = lambda *_: None
    on_progress: OnProgress = lambda _: None
    used_checkpoints: set[Path] = field(default_factory=set)

    @property
    def rows(self) -> int:
        """Rows of the catalogue, the unknown movie's among them."""
        return len(self.catalogue.vocabulary)

    def checkpoint(self, name: str) -> Path | None:
        """Where the run of this name keeps its state; what an earlier one left is kept only to be resumed."""
        if self.checkpoints is None:
            return None
        path = self.checkpoints / f"{name}.safetensors"
        if path not in self.used_checkpoints and not self.resume:
            path.unlink(missing_ok=True)
        self.used_checkpoints.add(path)
        return path

    def discard_checkpoints(self) -> None:
        """For when what the runs were for is done: until then, also a finished run need not be run again."""
        for path in self.used_checkpoints:
            path.unlink(missing_ok=True)


class NeuralModel:
    """A preset's network, trained on the training fold until the validation fold stops improving."""

    inductive = True

    def __init__(self, preset: Preset, workshop: Workshop) -> None:
        self.name = preset.name
        self.preset = preset
        self.workshop = workshop
        self.epochs: list[Epoch] = []
        self.best_epoch = 0

    def fit(self, split: Split) -> None:
        self.fit_folds(split.train, split.validation)

    def fit_folds(self, train: Fold, validation: Fold | None, last_epoch: int | None = None) -> None:
        """Train a fresh network; without a validation fold, for exactly ``last_epoch`` epochs."""
        self.network = self._fresh_network()
        run = self._run_name(train, validation)
        self.paths = self._fitted_paths(train, f"{run}.paths")
        self._train(train, validation, self.preset.training, self.workshop.checkpoint(run), last_epoch)

    def _train(
        self,
        train: Fold,
        validation: Fold | None,
        config: TrainingConfig,
        checkpoint: Path | None = None,
        last_epoch: int | None = None,
    ) -> None:
        """Train the network as it is, or go on from the checkpoint."""
        trainer = Trainer(self.network, train, validation, config, self.workshop.device, self.paths, last_epoch)
        if checkpoint and checkpoint.exists():
            trainer.resume(checkpoint)
        trainer.run(checkpoint, self.workshop.on_progress)
        self.epochs = trainer.epochs
        self.best_epoch = trainer.best_epoch.number if trainer.best_epoch else 0
        unrated = torch.ones(len(self.network.movies), dtype=torch.bool)
        unrated[train.sequences.movies] = False
        self.network.movies.forget(unrated.to(self.workshop.device))

    def predict(self, fold: Fold) -> Predicted:
        return predict(self.network, fold, self.workshop.device)

    def _fresh_network(self) -> SeqRec:
        genres = torch.from_numpy(self.workshop.catalogue.genre_matrix)
        titles = torch.from_numpy(self.workshop.titles())
        torch.manual_seed(self.preset.training.seed)
        return SeqRec(self.preset.network, genres, titles)

    def _fitted_paths(self, train: Fold, name: str) -> FittedPaths:
        config, content, seed = self.preset.network, self.workshop.catalogue.content_matrix, self.preset.training.seed
        checkpoint = self.workshop.checkpoint(name)
        if checkpoint and checkpoint.exists():
            return FittedPaths.load(checkpoint, config, len(content))
        paths = fit_paths(config, train.sequences, content, seed, self.workshop.on_fit)
        if checkpoint and config.path == "posterior":
            paths.save(checkpoint)
        return paths

    def _run_name(self, train: Fold, validation: Fold | None) -> str:
        """One name for each combination of settings and data, so that no run takes up another's."""
        digest = hashlib.sha256(self.preset.model_dump_json().encode())
        for fold in (train, validation):
            if fold is not None:
                digest.update(fold.sequences.user_ids.tobytes())
                digest.update(fold.sequences.movies.tobytes())
                digest.update(fold.sequences.stars.tobytes())
                digest.update(fold.cuts.tobytes())
        return f"{self.preset.name}-{digest.hexdigest()[:16]}"


def preset(name: str, recurrent: str | None = None) -> Preset:
    """The preset of this name, if asked for with another recurrent layer; `UnknownNameError` if there is none."""
    if name not in PRESETS:
        raise UnknownNameError("network", name, PRESETS)
    chosen = PRESETS[name]
    if recurrent is None or recurrent == chosen.network.recurrent:
        return chosen
    if recurrent not in RECURRENT:
        raise UnknownNameError("recurrent layer", recurrent, RECURRENT)
    network = chosen.network.model_copy(update={"recurrent": recurrent})
    for known in PRESETS.values():
        if (known.network, known.training) == (network, chosen.training):
            return known
    return Preset(name=f"{name}+{recurrent}", network=network, training=chosen.training)


BASELINES = (GlobalMean.name, MovieMean.name, BiasModel.name)

BUILDERS: dict[str, Callable[[Workshop], RatingModel]] = {
    GlobalMean.name: lambda _: GlobalMean(),
    MovieMean.name: lambda workshop: MovieMean(workshop.rows),
    BiasModel.name: lambda workshop: BiasModel(workshop.rows),
    **{name: partial(NeuralModel, preset) for name, preset in PRESETS.items()},
}
"""How to build each model, untrained."""


def require_known(name: str, recurrent: str | None = None) -> None:
    """Raise `UnknownNameError` unless `build` knows these names; for refusing them before any work is done."""
    if name not in BUILDERS:
        raise UnknownNameError("model", name, BUILDERS)
    if recurrent is not None:
        preset(name, recurrent)


def build(name: str, workshop: Workshop, recurrent: str | None = None) -> RatingModel:
    """The untrained model of this name; `UnknownNameError` for a name that is not in `BUILDERS`."""
    require_known(name, recurrent)
    if recurrent is not None:
        return NeuralModel(preset(name, recurrent), workshop)
    return BUILDERS[name](workshop)
