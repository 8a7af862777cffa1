"""A preset's network, trained for stars and for lists on the training fold, tested on another."""

from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from model.card import Epoch
from model.data.sequences import Fold, Sequences
from model.data.splits import Split
from model.evaluation.batch_scoring import predict, predicted_stars, relevances
from model.evaluation.rating_metrics import Predicted
from model.factorization.cross_fitting import FittedPaths, fit_paths
from model.factorization.side_information import coordinates
from model.network.config import TrainingConfig
from model.network.rating import SeqRec
from model.training.checkpoint import run_name
from model.training.context import Workshop
from model.training.presets import Preset
from model.training.ranking_task import NextMovieObjective
from model.training.rating_task import RatingObjective
from model.training.trainer import Objective, Trainer
from model.types import FloatArray


class NeuralModel:
    """A preset's network; stars are learned until the validation fold stops improving."""

    inductive = True

    def __init__(self, preset: Preset, workshop: Workshop) -> None:
        self.name = preset.name
        self.preset = preset
        self.workshop = workshop
        self.epochs: list[Epoch] = []
        self.relevance_epochs: list[Epoch] = []
        self.best_epoch = 0

    def fit(self, split: Split) -> None:
        """Learn stars alone; what a network that ranks learns of lists changes none of them."""
        self.begin(split.train)
        self.fit_stars(split.train, split.validation)

    def begin(self, train: Fold) -> None:
        """A fresh network for the levels of stars that the fold has, with what is known of movies before training."""
        catalogue = self.workshop.catalogue
        config = self.preset.network.model_copy(update={"star_levels": train.star_levels})
        titles = torch.from_numpy(self.workshop.titles())
        torch.manual_seed(self.preset.training.seed)
        self.network = SeqRec(config, torch.from_numpy(catalogue.genre_matrix), titles)
        movies = self.network.movies
        movies.graph.copy_(torch.from_numpy(coordinates(train.sequences, *movies.graph.shape)))
        movies.ratings.copy_(torch.bincount(torch.from_numpy(train.sequences.movies), minlength=len(movies)))
        if self.network.relevance is not None:
            self.network.relevance.movies.fit_titles()

    def fit_relevance(self, train: Fold, validation: Fold | None, start: SeqRec | None = None) -> None:
        """Learn which movie comes next and which are liked later, unless the preset is of stars alone.

        The part that ranks goes on from where that of ``start`` is, which has learned from other ratings.
        """
        relevance, config = self.network.relevance, self.preset.next_movie
        if relevance is None or config is None:
            return
        if start is not None:
            relevance.load_state_dict(start.require_relevance().state_dict())
            config = config.refit
        objective = NextMovieObjective(relevance, train.sequences, validation, config, self.workshop.device)
        # The validation fold draws a curve and decides nothing, so that runs may share what they came to.
        settings = self.network.config.model_dump_json() + config.model_dump_json()
        run = run_name(f"{self.preset.name}-next-movie", settings, [train], self._content)
        self.relevance_epochs = self._trained(objective, self.workshop.checkpoint(run)).epochs
        relevance.movies.forget(self._unrated(train))

    def fit_stars(self, train: Fold, validation: Fold | None, last_epoch: int | None = None) -> None:
        """Learn stars; without a validation fold, for exactly ``last_epoch`` epochs."""
        self.paths = self._fitted_paths(train)
        folds = (train,) if validation is None else (train, validation)
        run = run_name(self.preset.name, self.preset.model_dump_json(), folds, self._content)
        self._train_stars(train, validation, self.preset.training, self.workshop.checkpoint(run), last_epoch)

    def _train_stars(
        self,
        train: Fold,
        validation: Fold | None,
        config: TrainingConfig,
        checkpoint: Path | None = None,
        last_epoch: int | None = None,
    ) -> None:
        """Train the network as it is, or go on from the checkpoint."""
        objective = RatingObjective(self.network, train, validation, config, self.workshop.device, self.paths)
        trainer = self._trained(objective, checkpoint, last_epoch)
        self.epochs = trainer.epochs
        self.best_epoch = trainer.best_epoch.number if trainer.best_epoch else 0
        self.network.movies.forget(self._unrated(train))

    def _trained(self, objective: Objective, checkpoint: Path | None = None, last_epoch: int | None = None) -> Trainer:
        trainer = Trainer(objective, self.workshop.device, last_epoch)
        if checkpoint and checkpoint.exists():
            trainer.resume(checkpoint)
        trainer.run(checkpoint, self.workshop.on_progress)
        return trainer

    @property
    def _content(self) -> bytes:
        """What a run learns of the movies themselves."""
        catalogue = self.workshop.catalogue
        return catalogue.genre_matrix.tobytes() + "\n".join(catalogue.titles).encode()

    def _unrated(self, train: Fold) -> Tensor:
        unrated = torch.ones(len(self.network.movies), dtype=torch.bool)
        unrated[train.sequences.movies] = False
        return unrated.to(self.workshop.device)

    def predict(self, fold: Fold) -> Predicted:
        return predict(self.network, fold, self.workshop.device)

    def _fitted_paths(self, train: Fold) -> FittedPaths:
        """The paths for this fold; networks that differ in nothing that matters to them share their checkpoint."""
        config, seed = self.network.config, self.preset.training.seed
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


class NetworkRanker:
    """A preset's network: by relevance on a horizon if it knows that, otherwise by predicted stars.

    It learns what its lists are ordered by, and nothing else.
    """

    inductive = True

    def __init__(self, model: NeuralModel, horizon: str) -> None:
        self.model = model
        self.horizon = horizon
        self.name = model.name
        self.rows = model.workshop.rows
        self.ranks = model.preset.next_movie is not None

    @property
    def epochs(self) -> list[Epoch]:
        return self.model.relevance_epochs if self.ranks else self.model.epochs

    def fit(self, split: Split) -> None:
        if self.ranks:
            self.model.begin(split.train)
            self.model.fit_relevance(split.train, split.validation)
        else:
            self.model.fit(split)

    def scores(self, histories: Sequences) -> FloatArray:
        network, device = self.model.network, self.model.workshop.device
        if not self.ranks:
            return predicted_stars(network, histories, device)
        return relevances(network.require_relevance(), histories, device, self.horizon)
