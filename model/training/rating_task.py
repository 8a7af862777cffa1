"""The task of predicting stars: learns the ratings after a history from the history."""

from collections.abc import Iterable, Iterator
from functools import partial

import torch
from torch import Tensor, nn

from model.data.sequences import Examples
from model.evaluation.batch_scoring import predict
from model.evaluation.rating_metrics import rmse
from model.factorization.cross_fitting import FittedPriors
from model.network.config import TrainingConfig
from model.network.rating import SeqRec
from model.training.batches import Batch, Batches
from model.training.steps import Step, StepTask
from model.training.trainer import EarlyStopping


class RatingTask(StepTask):
    """Learns the stars of the targets; the ranking network takes no part.

    On CUDA, steps run in bfloat16 where it saves time.
    """

    name = "stars"

    def __init__(
        self,
        network: SeqRec,
        train: Examples,
        validation: Examples | None,
        config: TrainingConfig,
        device: torch.device,
        priors: FittedPriors,
    ) -> None:
        """Without ``validation``, all epochs are trained and the last one is kept."""
        network.prior = priors.full
        self.network: SeqRec = network.to(device)
        self.priors = [prior.to(device) for prior in priors.folds]
        self.device = device
        self.config = config
        self.settings = config.model_dump_json()
        self.seed, self.epochs = config.seed, config.epochs
        self.examples = validation
        self.early_stopping = EarlyStopping("validation_rmse", config.patience) if validation is not None else None
        self.batches = Batches(train, config, priors.fold_of_user)
        self.optimizer = adam_w(
            [
                parameter
                for name, parameter in network.named_parameters()
                if parameter.requires_grad and not name.startswith("ranking.")
            ],
            config,
        )

    def step_count(self, epoch: int) -> int:  # noqa: ARG002 - every epoch has as many
        return len(self.batches)

    def rate(self, epochs_done: float) -> float:
        """Rise from half the rate to the full one within the first epoch, then fall linearly to the final one."""
        if epochs_done <= 1:
            share = 0.5 + 0.5 * epochs_done
        else:
            share = 1.0 - (1.0 - self.config.final_rate) * (epochs_done - 1) / max(self.config.epochs - 1, 1)
        return self.config.learning_rate * share

    def steps(self, epoch: int) -> Iterator[Step]:
        for batch in self.batches.epoch(epoch):
            yield Step(self.over_processes(partial(self._loss, batch)), batch.samples)

    def _loss(self, batch: Batch) -> Tensor:
        with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.device.type == "cuda"):
            prior = self.priors[batch.fold]
            users = self.network.encode_users(batch.users.to(self.device), prior, batch.moments.to(self.device))
            movies = self.network.encode_movies(batch.sample_movies.to(self.device), prior)
            losses = self.network.losses(users, movies, batch.sample_stars.to(self.device))
            return (losses * batch.sample_weights.to(self.device)).mean()

    def validation(self) -> dict[str, float]:
        if self.examples is None:
            return {}
        stars = predict(self.network, self.examples, self.device).stars
        return {"validation_rmse": rmse(stars, self.examples.target_stars, self.examples.rating_scale)}


def adam_w(parameters: Iterable[nn.Parameter], config: TrainingConfig) -> torch.optim.AdamW:
    """The optimizer of the configuration."""
    return torch.optim.AdamW(
        parameters,
        lr=config.learning_rate,
        betas=config.adam_betas,
        eps=config.adam_epsilon,
        weight_decay=config.weight_decay,
        fused=True,
    )
