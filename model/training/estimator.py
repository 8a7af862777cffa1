"""Estimators of a preset's network: fit to training examples, then predict stars or score movies for others.

Both networks learn on one thread each. The many small products of a recurrent network lose by a second one that waits
passively, as it has to beside other work: with two, stars take two and a half times as long, and lists a fifth longer.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from model.card import Epoch
from model.data.sequences import Examples, Sequences
from model.data.splits import Split
from model.distributed.group import from_first, like_first
from model.evaluation.batch_scoring import list_scores, predict, predicted_stars
from model.evaluation.rating_metrics import Predicted
from model.factorization.cross_fitting import FittedPriors, fit_priors
from model.factorization.side_information import movie_coordinates
from model.network.config import NetworkConfig, TrainingConfig
from model.network.rating import SeqRec
from model.processes import one_thread
from model.training.checkpoint import run_name
from model.training.context import TrainingContext
from model.training.presets import Preset
from model.training.ranking_task import RankingTask
from model.training.rating_task import RatingTask
from model.training.side_by_side import SideRun
from model.training.trainer import Trainer
from model.types import FloatArray


class SeqRecEstimator:
    """A preset's network; learns stars until the validation error stops falling.

    Attributes:
        network: there from `begin` on.
        epochs: of learning stars.
        ranking_epochs: of learning to rank.
        ranking_steps: of all these epochs.
        best_epoch: number of the epoch of learning stars that was kept.
    """

    inductive = True
    ranking_steps = 0

    def __init__(self, preset: Preset, context: TrainingContext) -> None:
        self.name = preset.name
        self.preset = preset
        self.context = context
        self.epochs: list[Epoch] = []
        self.ranking_epochs: list[Epoch] = []
        self.best_epoch = 0

    def fit(self, split: Split) -> None:
        """Learn stars alone: learning to rank would change none of them."""
        if self.preset.tested_refitted and split.refit is not None:
            everything = split.refit()
            self.begin(everything)
            self.fit_stars(everything, None, last_epoch=self.preset.training.epochs)
        else:
            self.begin(split.train)
            self.fit_stars(split.train, split.validation)

    def begin(self, train: Examples) -> None:
        """Build an untrained network for the examples' rating scale, with the movies' graph and rating counts."""
        catalogue = self.context.catalogue
        config = self.preset.network.model_copy(update={"rating_scale": train.rating_scale})
        titles = torch.from_numpy(self.context.titles())
        torch.manual_seed(self.preset.training.seed)
        self.network = SeqRec(config, torch.from_numpy(catalogue.genre_matrix), titles)
        movies = self.network.movies
        movies.graph.copy_(torch.from_numpy(movie_coordinates(train.sequences, *movies.graph.shape)))
        movies.rating_counts.copy_(torch.bincount(torch.from_numpy(train.sequences.movies), minlength=len(movies)))
        if self.network.ranking is not None:
            for member in self.network.ranking.members:
                member.movies.fit_titles()
        like_first(self.network)

    def fit_ranking(
        self, train: Examples, validation: Examples | None, start: SeqRec | None = None, earlier_steps: int = 0
    ) -> None:
        """Learn which movie comes next and which are relevant from then on; does nothing for a preset of stars alone.

        With ``start``, the ranking network goes on from that network's, at the rate and for the epochs of a refit. Its
        average goes on too, over the ``earlier_steps`` that made the start; with 0, it is of the new steps alone.
        """
        with self._learning_lists(train, validation, start, earlier_steps, beside=False):
            pass

    def ranking_beside(
        self, train: Examples, validation: Examples | None, start: SeqRec | None = None
    ) -> AbstractContextManager[None]:
        """As `fit_ranking`, side by side with a ``with`` block that takes long; the end of the block waits for it."""
        return self._learning_lists(train, validation, start, beside=self.context.side_by_side)

    @contextmanager
    def _learning_lists(
        self,
        train: Examples,
        validation: Examples | None,
        start: SeqRec | None,
        earlier_steps: int = 0,
        *,
        beside: bool,
    ) -> Iterator[None]:
        """Learns them in a process of its own where ``beside`` and that saves time, else at the end of the block."""
        ranking, config = self.network.ranking, self.preset.ranking_training
        if ranking is None or config is None:
            yield
            return
        if start is not None:
            ranking.load_state_dict(start.require_ranking().state_dict())
            config = config.refit
        task = RankingTask(ranking, train.sequences, validation, config, self.context.device, earlier_steps)
        # Validation examples change nothing in this task, so runs with and without them share a checkpoint.
        settings = self.network.config.model_dump_json() + task.settings
        run = run_name(f"{self.preset.name}-ranking", settings, [train], self.context.content)
        trainer = Trainer(task)
        samples = task.samples * config.epochs if beside else 0
        with SideRun(trainer, samples, self.context.checkpoint(run), self.context.on_progress) as side:
            yield
            side.wait()
        self.context.on_learned(task.name)
        self.ranking_epochs, self.ranking_steps = trainer.epochs, task.epochs * task.step_count(1)
        unrated = self._unrated(train)
        for member in ranking.members:
            member.movies.reset(unrated)

    def fit_prior(self, train: Examples) -> None:
        """Fit what relevance needs of the stars: the prior that is served, without cross-fitting."""
        if self.network.liking is None:
            return
        alone = self.network.config.factorization.model_copy(update={"folds": 1})
        priors = self._fitted_priors(train, self.network.config.model_copy(update={"factorization": alone}))
        self.network.prior = priors.full.to(self.context.device)
        self.network.fit_liking()

    def fit_stars(self, train: Examples, validation: Examples | None, last_epoch: int | None = None) -> None:
        """Learn stars; without validation examples, for exactly ``last_epoch`` epochs.

        Does nothing for a preset that predicts none.
        """
        if not self.preset.network.predicts_stars:
            return
        self.priors = self._fitted_priors(train, self.network.config)
        example_sets = (train,) if validation is None else (train, validation)
        run = run_name(self.preset.name, self.preset.model_dump_json(), example_sets, self.context.content)
        self._train_stars(train, validation, self.preset.training, self.context.checkpoint(run), last_epoch)

    def _train_stars(
        self,
        train: Examples,
        validation: Examples | None,
        config: TrainingConfig,
        checkpoint: Path | None = None,
        last_epoch: int | None = None,
    ) -> None:
        """Train the network from its present weights, or go on from the checkpoint."""
        task = RatingTask(self.network, train, validation, config, self.context.device, self.priors)
        trainer = Trainer(task, last_epoch)
        with one_thread():
            trainer.run(checkpoint, self.context.on_progress)
        self.context.on_learned(task.name)
        self.epochs = trainer.epochs
        self.best_epoch = trainer.best_epoch.number if trainer.best_epoch else 0
        self.network.fit_liking()
        self.network.movies.reset(self._unrated(train))

    def _unrated(self, train: Examples) -> Tensor:
        """Whether each movie has no rating in training, shape (movies,)."""
        unrated = torch.ones(len(self.network.movies), dtype=torch.bool)
        unrated[train.sequences.movies] = False
        return unrated.to(self.context.device)

    def predict(self, examples: Examples) -> Predicted:
        return predict(self.network, examples, self.context.device)

    def _fitted_priors(self, train: Examples, config: NetworkConfig) -> FittedPriors:
        """Fit the priors to the examples; presets with the same factorization share their checkpoint."""
        seed, content = self.preset.training.seed, self.context.catalogue.content_matrix
        fit = partial(fit_priors, config, train.sequences, content, seed, self.context.on_fit, self.context.device)
        if config.prior != "factorization":
            return fit()
        settings = f"{config.factorization.model_dump_json()} {seed}"
        checkpoint = self.context.checkpoint(run_name("priors", settings, [train], content.tobytes()))
        fitted = from_first(
            lambda: FittedPriors.load(checkpoint, config, len(content)) if checkpoint and checkpoint.exists() else None
        )
        if fitted is not None:
            return fitted
        priors = fit()
        if checkpoint:
            priors.save(checkpoint)
        return priors


class NetworkRanker:
    """Ranks by a preset's network: by relevance on a horizon where it has a ranking network, else by predicted stars.

    It learns only what it orders lists by.
    """

    inductive = True

    def __init__(self, model: SeqRecEstimator, horizon: str) -> None:
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
            train: Examples = split.train
            validation: Examples | None = split.validation
            if self.model.preset.tested_refitted and split.refit is not None:
                train, validation = split.refit(), None
            self.model.begin(train)
            if self.horizon == "relevance":
                self.model.fit_prior(train)
            self.model.fit_ranking(train, validation)
        else:
            self.model.fit(split)

    def scores(self, histories: Sequences) -> FloatArray:
        network, device = self.model.network, self.model.context.device
        if not self.ranks:
            return predicted_stars(network, histories, device)
        return list_scores(network, histories, device, self.horizon)
