"""Every model of ratings that can be evaluated, by name."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from pydantic import BaseModel, ConfigDict

from model.baselines import BiasModel, GlobalMean, MovieMean
from model.card import Epoch
from model.checkpoint import run_name
from model.config import NetworkConfig, TrainingConfig
from model.errors import UnknownNameError
from model.metrics import Predicted
from model.network import SeqRec
from model.path_fitting import FittedPaths, fit_paths
from model.protocol import Split
from model.recurrent import RECURRENT
from model.rivals.bst import Bst
from model.rivals.feed_forward import ffnn_bert, mlp3
from model.rivals.gc_mc import GcMc
from model.rivals.glocal_k import GLocalK
from model.sequences import Fold
from model.side_information import coordinates
from model.training import Trainer, predict
from model.workshop import RatingModel, Workshop


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
            network=NetworkConfig(
                path="posterior",
                likelihood="categorical",
                unknown_rate=0.02,
                dropout=0.2,
                output_layers=(160, 160),  # as good as the paper's 227, and a list of all movies costs half
            ),
            training=TrainingConfig(
                random_cuts=True, epochs=3, samples_per_user=64, learning_rate=1e-3, final_rate=0.05
            ),
        ),
    )
}


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
        folds = (train,) if validation is None else (train, validation)
        run = run_name(self.preset.name, self.preset.model_dump_json(), folds)
        self.paths = self._fitted_paths(train)
        graph = self.network.movies.graph
        graph.copy_(torch.from_numpy(coordinates(train.sequences, *graph.shape)))
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

    def _fitted_paths(self, train: Fold) -> FittedPaths:
        """The paths for this fold; networks that differ in nothing that matters to them share their checkpoint."""
        config, seed = self.preset.network, self.preset.training.seed
        content = self.workshop.catalogue.content_matrix
        fit = partial(fit_paths, config, train.sequences, content, seed, self.workshop.on_fit)
        if config.path != "posterior":
            return fit()
        settings = f"{config.factorisation.model_dump_json()} {seed}"
        checkpoint = self.workshop.checkpoint(run_name("paths", settings, [train], content.tobytes()))
        if checkpoint and checkpoint.exists():
            return FittedPaths.load(checkpoint, config, len(content))
        paths = fit()
        if checkpoint:
            paths.save(checkpoint)
        return paths


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

RIVALS: dict[str, Callable[[Workshop], RatingModel]] = {
    "mlp3": mlp3,
    "ffnn-bert": ffnn_bert,
    "bst": Bst,
    GLocalK.name: GLocalK,
    GcMc.name: GcMc,
}
"""Published models, each in a file of `model.rivals`."""

BUILDERS: dict[str, Callable[[Workshop], RatingModel]] = {
    GlobalMean.name: lambda _: GlobalMean(),
    MovieMean.name: lambda workshop: MovieMean(workshop.rows),
    BiasModel.name: lambda workshop: BiasModel(workshop.rows),
    **{name: partial(NeuralModel, preset) for name, preset in PRESETS.items()},
    **RIVALS,
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
