"""What the baselines share that learn stars from mini-batches of samples: fitting and predicting.

They learn at a constant rate and all samples weigh alike, whatever else a `TrainingConfig` can say.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from model.card import Epoch
from model.data.sequences import Examples
from model.data.splits import Split
from model.evaluation.rating_metrics import Predicted, rmse
from model.network.batch import Users
from model.network.config import TrainingConfig
from model.training.batches import Batches
from model.training.checkpoint import run_name
from model.training.context import TrainingContext
from model.training.rating_task import adam_w
from model.training.steps import Step, StepTask
from model.training.trainer import EarlyStopping, Trainer
from model.types import FloatArray
from model.user_batches import history_batch

PREDICT_USERS = 32
"""Not `model.network.batch.USERS_PER_BATCH`: another number changes the last digits of the published results."""


class SampleNetwork(nn.Module, ABC):
    """Predicts stars from a user and a movie."""

    @abstractmethod
    def forward(self, users: Users, sample_users: Tensor, movies: Tensor) -> Tensor:
        """Stars of each sample, shape (samples,).

        Args:
            users: profiles and histories.
            sample_users: index into ``users`` of each sample, shape (samples,).
            movies: movie index of each sample, shape (samples,).
        """


Build = Callable[[float], SampleNetwork]
"""Builds an untrained network, given the mean of the training ratings."""


class SampleTask(StepTask):
    """Minimizes the mean squared error of samples."""

    name = "stars"

    def __init__(
        self,
        network: SampleNetwork,
        train: Examples,
        validation: Examples,
        config: TrainingConfig,
        settings: str,
        device: torch.device,
    ) -> None:
        self.network: SampleNetwork = network.to(device)
        self.examples = validation
        self.config = config
        self.settings = settings
        self.device = device
        self.seed, self.epochs = config.seed, config.epochs
        self.early_stopping = EarlyStopping("validation_rmse", config.patience)
        self.batches = Batches(train, config, fold_of_user=np.zeros(len(train), dtype=np.int64))
        self.optimizer = adam_w(network.parameters(), config)

    def step_count(self, epoch: int) -> int:  # noqa: ARG002 - every epoch has as many
        return len(self.batches)

    def rate(self, epochs_done: float) -> float:  # noqa: ARG002 - constant
        return self.config.learning_rate

    def steps(self, epoch: int) -> Iterator[Step]:
        for batch in self.batches.epoch(epoch):
            users, movies, stars = (
                part.to(self.device) for part in (batch.sample_users, batch.sample_movies, batch.sample_stars)
            )
            yield Step(mse_loss(self.network(batch.users.to(self.device), users, movies), stars), len(stars))

    def validation(self) -> dict[str, float]:
        stars = predict(self.network, self.examples, self.device)
        return {"validation_rmse": rmse(stars, self.examples.target_stars, self.examples.rating_scale)}


@torch.inference_mode()
def predict(network: SampleNetwork, examples: Examples, device: torch.device) -> FloatArray:
    """Stars for the examples' targets, in their order, not clipped."""
    network.eval()
    stars = [np.empty(0, dtype=np.float32)]
    for part in examples.batches(PREDICT_USERS):
        users = history_batch(part.sequences, np.arange(len(part)), part.history_lengths).to(device)
        indices = torch.from_numpy(np.repeat(np.arange(len(part)), part.target_counts)).to(device)
        movies = torch.from_numpy(part.sequences.movies[part.targets]).to(device)
        stars.append(network(users, indices, movies).cpu().numpy())
    return np.concatenate(stars)


class SampledBaseline:
    """A baseline whose network learns from samples; what it knows of a user is the history."""

    inductive = True

    def __init__(
        self, name: str, context: TrainingContext, build: Build, training: TrainingConfig, settings: str
    ) -> None:
        """``settings`` describes the network: two runs that differ in it do not share a checkpoint."""
        self.name = name
        self.context = context
        self.build = build
        self.training = training
        self.settings = f"{settings} {training.model_dump_json()}"
        self.epochs: list[Epoch] = []

    def fit(self, split: Split) -> None:
        train = self.training_examples(split)
        torch.manual_seed(self.training.seed)
        self.network = self.build(float(train.target_stars.mean(dtype=np.float64)))
        task = SampleTask(self.network, train, split.validation, self.training, self.settings, self.context.device)
        trainer = Trainer(task)
        run = run_name(self.name, self.settings, (train, split.validation), self.context.content)
        trainer.run(self.context.checkpoint(run), self.context.on_progress)
        self.epochs = trainer.epochs

    def training_examples(self, split: Split) -> Examples:
        """What the samples are taken from."""
        return split.train

    def predict(self, examples: Examples) -> Predicted:
        return Predicted(predict(self.network, examples, self.context.device))
