"""The training loop: schedule, early stopping, checkpoints."""

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from pydantic import TypeAdapter
from torch import Tensor

from model.batches import Batch, Batches, histories
from model.card import Epoch
from model.checkpoint import load_optimizer, optimizer_tensors, over, read, under, write
from model.config import TrainingConfig
from model.errors import CheckpointError, DivergedError
from model.metrics import Predicted, rmse
from model.network import SeqRec
from model.path_fitting import FittedPaths
from model.sequences import Fold

PREDICT_USERS = 64
"""Users whose histories are encoded together when predicting."""


EPOCHS = TypeAdapter(list[Epoch])
"""Writes the epochs of a run into its checkpoint, and reads them."""


class Progress(NamedTuple):
    """Where a run stands, for whoever shows it."""

    epoch: int
    epochs: int
    step: int
    steps: int
    loss: float
    samples_per_second: float
    best_rmse: float | None


OnProgress = Callable[[Progress], None]


class Trainer:
    """Trains one network; everything that a resumed run needs is in here and in its checkpoint.

    On one CPU model the outcome depends on nothing but the data, the configuration with its seed and the number of
    threads, also where the run was interrupted. On CUDA, steps run in bfloat16 where it
    saves time and results vary in the last digits.
    """

    def __init__(
        self,
        network: SeqRec,
        train: Fold,
        validation: Fold | None,
        config: TrainingConfig,
        device: torch.device,
        paths: FittedPaths,
        last_epoch: int | None = None,
    ) -> None:
        """Without ``validation`` the run ends at ``last_epoch`` of the same schedule, and that epoch counts as best.

        Parameters that do not require a gradient stay as they are, weight decay or not.
        """
        network.path = paths.whole
        self.network = network.to(device)
        self.paths = [path.to(device) for path in paths.parts]
        self.device = device
        self.config = config
        self.validation = validation
        self.last_epoch = last_epoch or config.epochs
        self.batches = Batches(train, config, paths.part_of_user)
        self.optimizer = torch.optim.AdamW(
            [parameter for parameter in network.parameters() if parameter.requires_grad],
            lr=config.learning_rate,
            betas=config.adam_betas,
            eps=config.adam_epsilon,
            weight_decay=config.weight_decay,
            fused=True,
        )
        self.epochs: list[Epoch] = []
        self.best: dict[str, Tensor] = {}

    @property
    def best_epoch(self) -> Epoch | None:
        """The epoch with the smallest validation error; the last one where nothing is validated."""
        if self.validation is None:
            return self.epochs[-1] if self.epochs else None
        return min(self.epochs, key=_validation_error, default=None)

    @property
    def finished(self) -> bool:
        best = self.best_epoch
        stale = best is not None and len(self.epochs) - best.number >= self.config.patience
        return len(self.epochs) >= self.last_epoch or stale

    def run(self, checkpoint: Path | None = None, on_progress: OnProgress = lambda _: None) -> None:
        """Train to the end and leave the best weights in the network; writes a checkpoint after each epoch."""
        while not self.finished:
            self._run_epoch(len(self.epochs) + 1, on_progress)
            if checkpoint is not None:
                self.save(checkpoint)
        self.network.load_state_dict(self.best)
        self.network.eval()

    def _run_epoch(self, number: int, on_progress: OnProgress) -> None:
        torch.manual_seed(hash((self.config.seed, number)))  # dropout; a resumed run draws the same
        self.network.train()
        started = time.perf_counter()
        total, samples = 0.0, 0
        best = self.best_epoch.validation_rmse if self.best_epoch else None
        for step, batch in enumerate(self.batches.epoch(number), start=1):
            self._set_rate((number - 1) + step / len(self.batches))
            total += self._step(batch) * len(batch.sample_stars)
            samples += len(batch.sample_stars)
            rate = samples / (time.perf_counter() - started)
            on_progress(Progress(number, self.last_epoch, step, len(self.batches), total / samples, rate, best))
        if not math.isfinite(total):
            raise DivergedError(number)
        error = None
        if self.validation is not None:
            stars = predict(self.network, self.validation, self.device).stars
            error = rmse(stars, self.validation.target_stars)
        self.epochs.append(
            Epoch(
                number=number,
                train_loss=total / samples,
                validation_rmse=error,
                seconds=time.perf_counter() - started,
            )
        )
        if self.best_epoch is self.epochs[-1]:
            self.best = {name: tensor.detach().clone() for name, tensor in self.network.state_dict().items()}

    def _step(self, batch: Batch) -> float:
        """One optimisation step; the mean loss of its samples."""
        with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.device.type == "cuda"):
            path = self.paths[batch.part]
            users = self.network.encode_users(batch.users.to(self.device), path)
            movies = self.network.encode_movies(batch.sample_movies.to(self.device), path)
            users = users.take(batch.sample_users.to(self.device))
            losses = self.network.losses(users, movies, batch.sample_stars.to(self.device))
            loss = (losses * batch.sample_weights.to(self.device)).mean()
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        return loss.item()

    def _set_rate(self, epochs_done: float) -> None:
        """From half the rate to the full one within the first epoch, then in a line to the final one at the end."""
        if epochs_done <= 1:
            share = 0.5 + 0.5 * epochs_done
        else:
            share = 1.0 - (1.0 - self.config.final_rate) * (epochs_done - 1) / max(self.config.epochs - 1, 1)
        for group in self.optimizer.param_groups:
            group["lr"] = self.config.learning_rate * share

    def save(self, path: Path) -> None:
        """Write the state of the run."""
        tensors = {
            **over("network.", self.network.state_dict()),
            **over("best.", self.best),
            **over("optimizer.", optimizer_tensors(self.optimizer)),
        }
        epochs = EPOCHS.dump_json(self.epochs).decode()
        write(path, tensors, {"config": self.config.model_dump_json(), "epochs": epochs})

    def resume(self, path: Path) -> None:
        """Take up the run that wrote this checkpoint; `CheckpointError` if it was another kind of run."""
        tensors, metadata = read(path, self.device, self.config.model_dump_json())
        self.epochs = EPOCHS.validate_json(metadata["epochs"])
        self.best = under(tensors, "best.")
        try:
            self.network.load_state_dict(under(tensors, "network."))
        except RuntimeError as error:
            raise CheckpointError(f"{path} belongs to another network. Delete it to start afresh.") from error
        load_optimizer(self.optimizer, under(tensors, "optimizer."))


@torch.inference_mode()
def predict(network: SeqRec, fold: Fold, device: torch.device) -> Predicted:
    """Answers for the targets of a fold, in its order; each history is encoded once."""
    network.eval()
    movies = network.encode_movies(torch.arange(len(network.movies), device=device))
    scored = []
    for part in fold.batches(PREDICT_USERS):
        users = network.encode_users(histories(part.sequences, np.arange(len(part)), part.cuts).to(device))
        owners = torch.from_numpy(np.repeat(np.arange(len(part)), part.target_counts)).to(device)
        rows = torch.from_numpy(part.sequences.movies[part.targets]).to(device)
        scored.append(network.score(users.take(owners), movies.take(rows)))
    means = torch.cat([stars.mean for stars in scored]).float().cpu().numpy()
    known = [stars.probabilities for stars in scored if stars.probabilities is not None]
    return Predicted(means, torch.cat(known).float().cpu().numpy() if known else None)


def _validation_error(epoch: Epoch) -> float:
    """What is not a number is no error that could be the best."""
    error = epoch.validation_rmse
    return math.inf if error is None or math.isnan(error) else error
