"""What the rivals share that are trained on mini-batches of samples: fitting and predicting.

They learn at a constant rate and all samples weigh alike, whatever else a `TrainingConfig` can say.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from model.baselines.rounds import Report, Rounds
from model.card import Epoch
from model.data.sequences import Examples
from model.data.splits import Split
from model.evaluation.batch_scoring import histories
from model.evaluation.rating_metrics import Predicted, rmse
from model.network.batch import Users
from model.network.config import TrainingConfig
from model.training.batches import Batch, Batches
from model.training.checkpoint import load_optimizer, optimizer_tensors, run_name
from model.training.context import TrainingContext
from model.types import FloatArray

PREDICT_USERS = 32
"""Users whose targets are predicted together."""


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
"""Makes an untrained network, given the mean of the training ratings."""


class _Training:
    """An epoch of AdamW on the mean squared error a round."""

    def __init__(
        self,
        network: SampleNetwork,
        train: Examples,
        validation: Examples,
        config: TrainingConfig,
        device: torch.device,
    ) -> None:
        self.network = network
        self.validation = validation
        self.config = config
        self.device = device
        self.batches = Batches(train, config, fold_of_user=np.zeros(len(train), dtype=np.int64))
        self.optimizer = torch.optim.AdamW(
            network.parameters(),
            lr=config.learning_rate,
            betas=config.adam_betas,
            eps=config.adam_epsilon,
            weight_decay=config.weight_decay,
            fused=True,
        )

    def train_round(self, number: int, report: Report) -> float:
        torch.manual_seed(hash((self.config.seed, number)))
        self.network.train()
        squares, samples = 0.0, 0
        for step, batch in enumerate(self.batches.epoch(number), start=1):
            squares += self._step(batch) * len(batch.sample_stars)
            samples += len(batch.sample_stars)
            report(step, len(self.batches), squares / samples, samples)
        return squares / samples

    def _step(self, batch: Batch) -> float:
        indices, movies, stars = (
            part.to(self.device) for part in (batch.sample_users, batch.sample_movies, batch.sample_stars)
        )
        loss = mse_loss(self.network(batch.users.to(self.device), indices, movies), stars)
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        return loss.item()

    def validation_error(self) -> float:
        return rmse(
            predict(self.network, self.validation, self.device),
            self.validation.target_stars,
            self.validation.rating_scale,
        )

    def state(self) -> dict[str, Tensor]:
        return optimizer_tensors(self.optimizer)

    def restore(self, state: dict[str, Tensor]) -> None:
        load_optimizer(self.optimizer, state)


@torch.inference_mode()
def predict(network: SampleNetwork, examples: Examples, device: torch.device) -> FloatArray:
    """Stars for the targets of a examples, in its order, not clipped."""
    network.eval()
    stars = [np.empty(0, dtype=np.float32)]
    for part in examples.batches(PREDICT_USERS):
        users = histories(part.sequences, np.arange(len(part)), part.history_lengths).to(device)
        indices = torch.from_numpy(np.repeat(np.arange(len(part)), part.target_counts)).to(device)
        movies = torch.from_numpy(part.sequences.movies[part.targets]).to(device)
        stars.append(network(users, indices, movies).cpu().numpy())
    return np.concatenate(stars)


class SampledBaseline:
    """A rival whose network is trained on samples of the training examples; what it knows of a user is the history."""

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
        mean = float(train.target_stars.mean(dtype=np.float64))
        self.network = self.build(mean).to(self.context.device)
        run = Rounds(
            _Training(self.network, train, split.validation, self.training, self.context.device),
            self.settings,
            self.training.epochs,
            self.training.patience,
            self.context.checkpoint(run_name(self.name, self.settings, (train, split.validation))),
            self.context.on_progress,
        )
        self.epochs = run.run()

    def training_examples(self, split: Split) -> Examples:
        """What the samples are drawn from."""
        return split.train

    def predict(self, examples: Examples) -> Predicted:
        return Predicted(predict(self.network, examples, self.context.device))
