"""A preset's network, trained for stars and for lists on the training examples, tested on another."""

from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from model.card import Epoch
from model.data.sequences import Examples, Sequences
from model.data.splits import Split
from model.evaluation.batch_scoring import predict, predicted_stars, relevances
from model.evaluation.rating_metrics import Predicted
from model.factorization.cross_fitting import FittedPriors, fit_priors
from model.factorization.side_information import movie_coordinates
from model.network.config import TrainingConfig
from model.network.rating import SeqRec
from model.training.checkpoint import run_name
from model.training.context import TrainingContext
from model.training.presets import Preset
from model.training.ranking_task import RankingTask
from model.training.rating_task import RatingTask
from model.training.trainer import Task, Trainer
from model.types import FloatArray


class NeuralModel:
    """A preset's network; stars are learned until the validation examples stops improving."""

    inductive = True

    def __init__(self, preset: Preset, context: TrainingContext) -> None:
        self.name = preset.name
        self.preset = preset
        self.context = context
        self.epochs: list[Epoch] = []
        self.ranking_epochs: list[Epoch] = []
        self.best_epoch = 0

    def fit(self, split: Split) -> None:
        """Learn stars alone; what a network that ranks learns of lists changes none of them."""
        self.begin(split.train)
        self.fit_stars(split.train, split.validation)

    def begin(self, train: Examples) -> None:
        """A fresh network for the rating scale of the examples, with what is known of movies before training."""
        catalogue = self.context.catalogue
        config = self.preset.network.model_copy(update={"rating_scale": train.rating_scale})
        titles = torch.from_numpy(self.context.titles())
        torch.manual_seed(self.preset.training.seed)
        self.network = SeqRec(config, torch.from_numpy(catalogue.genre_matrix), titles)
        movies = self.network.movies
        movies.graph.copy_(torch.from_numpy(movie_coordinates(train.sequences, *movies.graph.shape)))
        movies.ratings.copy_(torch.bincount(torch.from_numpy(train.sequences.movies), minlength=len(movies)))
        if self.network.ranking is not None:
            self.network.ranking.movies.fit_titles()

    def fit_ranking(self, train: Examples, validation: Examples | None, start: SeqRec | None = None) -> None:
        """Learn which movie comes next and which are liked later, unless the preset is of stars alone.

        The part that ranks goes on from where that of ``start`` is, which has learned from other ratings.
        """
        relevance, config = self.network.ranking, self.preset.ranking_training
        if relevance is None or config is None:
            return
        if start is not None:
            relevance.load_state_dict(start.require_ranking().state_dict())
            config = config.refit
        task = RankingTask(relevance, train.sequences, validation, config, self.context.device)
        # The validation examples draws a curve and decides nothing, so that runs may share what they came to.
        settings = self.network.config.model_dump_json() + config.model_dump_json()
        run = run_name(f"{self.preset.name}-next-movie", settings, [train], self._content)
        self.ranking_epochs = self._trained(task, self.context.checkpoint(run)).epochs
        relevance.movies.reset(self._unrated(train))

    def fit_stars(self, train: Examples, validation: Examples | None, last_epoch: int | None = None) -> None:
        """Learn stars; without a validation examples, for exactly ``last_epoch`` epochs."""
        self.priors = self._fitted_priors(train)
        example_sets = (train,) if validation is None else (train, validation)
        run = run_name(self.preset.name, self.preset.model_dump_json(), example_sets, self._content)
        self._train_stars(train, validation, self.preset.training, self.context.checkpoint(run), last_epoch)

    def _train_stars(
        self,
        train: Examples,
        validation: Examples | None,
        config: TrainingConfig,
        checkpoint: Path | None = None,
        last_epoch: int | None = None,
    ) -> None:
        """Train the network as it is, or go on from the checkpoint."""
        task = RatingTask(self.network, train, validation, config, self.context.device, self.priors)
        trainer = self._trained(task, checkpoint, last_epoch)
        self.epochs = trainer.epochs
        self.best_epoch = trainer.best_epoch.number if trainer.best_epoch else 0
        self.network.movies.reset(self._unrated(train))

    def _trained(self, task: Task, checkpoint: Path | None = None, last_epoch: int | None = None) -> Trainer:
        trainer = Trainer(task, self.context.device, last_epoch)
        if checkpoint and checkpoint.exists():
            trainer.resume(checkpoint)
        trainer.run(checkpoint, self.context.on_progress)
        return trainer

    @property
    def _content(self) -> bytes:
        """What a run learns of the movies themselves."""
        catalogue = self.context.catalogue
        return catalogue.genre_matrix.tobytes() + "\n".join(catalogue.titles).encode()

    def _unrated(self, train: Examples) -> Tensor:
        unrated = torch.ones(len(self.network.movies), dtype=torch.bool)
        unrated[train.sequences.movies] = False
        return unrated.to(self.context.device)

    def predict(self, examples: Examples) -> Predicted:
        return predict(self.network, examples, self.context.device)

    def _fitted_priors(self, train: Examples) -> FittedPriors:
        """The paths for this examples; networks that differ in nothing that matters to them share their checkpoint."""
        config, seed = self.network.config, self.preset.training.seed
        content = self.context.catalogue.content_matrix
        fit = partial(fit_priors, config, train.sequences, content, seed, self.context.on_fit)
        if config.prior != "factorization":
            return fit()
        settings = f"{config.factorization.model_dump_json()} {seed}"
        checkpoint = self.context.checkpoint(run_name("paths", settings, [train], content.tobytes()))
        if checkpoint and checkpoint.exists():
            return FittedPriors.load(checkpoint, config, len(content))
        priors = fit()
        if checkpoint:
            priors.save(checkpoint)
        return priors


class NetworkRanker:
    """A preset's network: by relevance on a horizon if it knows that, otherwise by predicted stars.

    It learns what its lists are ordered by, and nothing else.
    """

    inductive = True

    def __init__(self, model: NeuralModel, horizon: str) -> None:
        self.model = model
        self.horizon = horizon
        self.name = model.name
        self.vocabulary_size = model.context.vocabulary_size
        self.ranks = model.preset.ranking_training is not None

    @property
    def epochs(self) -> list[Epoch]:
        return self.model.ranking_epochs if self.ranks else self.model.epochs

    def fit(self, split: Split) -> None:
        if self.ranks:
            self.model.begin(split.train)
            self.model.fit_ranking(split.train, split.validation)
        else:
            self.model.fit(split)

    def scores(self, histories: Sequences) -> FloatArray:
        network, device = self.model.network, self.model.context.device
        if not self.ranks:
            return predicted_stars(network, histories, device)
        return relevances(network.require_ranking(), histories, device, self.horizon)
