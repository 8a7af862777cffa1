"""The task of predicting stars: the ratings after a history_length, from those before it."""

from collections.abc import Iterator

import torch

from model.data.sequences import Examples
from model.evaluation.batch_scoring import predict
from model.evaluation.rating_metrics import rmse
from model.factorization.cross_fitting import FittedPriors
from model.network.config import TrainingConfig
from model.network.rating import SeqRec
from model.training.batches import Batch, Batches
from model.training.trainer import Step


class RatingTask:
    """Learns the stars of a examples's targets; see `model.training.trainer.Task`.

    On CUDA, steps run in bfloat16 where it saves time. The part of a network that ranks has no share in it.
    """

    name = "stars"
    largest_gradient: float | None = None

    def __init__(
        self,
        network: SeqRec,
        train: Examples,
        validation: Examples | None,
        config: TrainingConfig,
        device: torch.device,
        priors: FittedPriors,
    ) -> None:
        network.prior = priors.full
        self.network = network
        self.priors = [path.to(device) for path in priors.folds]
        self.device = device
        self.config = config
        self.settings = config.model_dump_json()
        self.seed, self.epochs, self.patience = config.seed, config.epochs, config.patience
        self.examples = validation
        self.selects = validation is not None
        self.batches = Batches(train, config, priors.fold_of_user)

    def __len__(self) -> int:
        return len(self.batches)

    def optimizer(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW(
            [
                parameter
                for name, parameter in self.network.named_parameters()
                if parameter.requires_grad and not name.startswith("ranking.")
            ],
            lr=self.config.learning_rate,
            betas=self.config.adam_betas,
            eps=self.config.adam_epsilon,
            weight_decay=self.config.weight_decay,
            fused=True,
        )

    def rate(self, epochs_done: float) -> float:
        """From half the rate to the full one within the first epoch, then in a line to the final one at the end."""
        if epochs_done <= 1:
            share = 0.5 + 0.5 * epochs_done
        else:
            share = 1.0 - (1.0 - self.config.final_rate) * (epochs_done - 1) / max(self.config.epochs - 1, 1)
        return self.config.learning_rate * share

    def steps(self, epoch: int) -> Iterator[Step]:
        for batch in self.batches.epoch(epoch):
            yield self._step(batch)

    def _step(self, batch: Batch) -> Step:
        with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.device.type == "cuda"):
            prior = self.priors[batch.fold]
            users = self.network.encode_users(batch.users.to(self.device), prior)
            movies = self.network.encode_movies(batch.sample_movies.to(self.device), prior)
            users = users.take(batch.sample_users.to(self.device))
            losses = self.network.losses(users, movies, batch.sample_stars.to(self.device))
            loss = (losses * batch.sample_weights.to(self.device)).mean()
        return Step(loss, len(batch.sample_stars))

    def validation(self) -> dict[str, float]:
        if self.examples is None:
            return {}
        stars = predict(self.network, self.examples, self.device).stars
        return {"validation_rmse": rmse(stars, self.examples.target_stars, self.examples.rating_scale)}
