"""The loop that the rivals share: rounds of training, early stopping on validation, progress, resuming."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor, nn

from model.card import Epoch
from model.training.checkpoint import over, read, under, write
from model.training.trainer import EPOCHS, OnProgress, Progress

Report = Callable[[int, int, float, int], None]
"""Called with the steps of a round done so far, their number, the loss so far, and the samples seen."""


class Trainee(Protocol):
    """Something that is trained in rounds.

    A round draws all that is random from its number, so that a resumed run goes the same way.
    """

    @property
    def network(self) -> nn.Module:
        """What predicts."""

    def train_round(self, number: int, report: Report) -> float:
        """Train for a while; returns the loss."""

    def validation_error(self) -> float:
        """RMSE on the validation examples."""

    def state(self) -> dict[str, Tensor]:
        """What the next round depends on besides the network."""

    def restore(self, state: dict[str, Tensor]) -> None:
        """Put back what `state` gave."""


class Rounds:
    """One training, from its first round or from where its checkpoint stopped.

    With ``patience``, it ends after so many rounds without a better validation error and the best round's network
    is kept; without, validation only watches, and the last round's network is kept.
    """

    def __init__(
        self,
        trainee: Trainee,
        settings: str,
        limit: int,
        patience: int | None,
        checkpoint: Path | None,
        on_progress: OnProgress,
    ) -> None:
        self.trainee = trainee
        self.settings = settings
        self.limit = limit
        self.patience = patience
        self.checkpoint = checkpoint
        self.on_progress = on_progress
        self.epochs: list[Epoch] = []
        self.kept: dict[str, Tensor] = {}

    @property
    def best(self) -> Epoch | None:
        return min(self.epochs, key=lambda epoch: epoch.error, default=None)

    @property
    def finished(self) -> bool:
        stale = len(self.epochs) - self.best.number if self.best else 0
        return len(self.epochs) >= self.limit or (self.patience is not None and stale >= self.patience)

    def run(self) -> list[Epoch]:
        """Train to the end and leave the kept weights in the network; returns what each round came to."""
        if self.checkpoint is not None and self.checkpoint.exists():
            self._resume(self.checkpoint)
        while not self.finished:
            self._run_round(len(self.epochs) + 1)
            if self.checkpoint is not None:
                self._save(self.checkpoint)
        if self.kept:
            self.trainee.network.load_state_dict(self.kept)
        self.trainee.network.eval()
        return self.epochs

    def _run_round(self, number: int) -> None:
        started = time.perf_counter()
        best = self.best

        def report(step: int, steps: int, loss: float, samples: int) -> None:
            rate = samples / (time.perf_counter() - started)
            self.on_progress(Progress("stars", number, self.limit, step, steps, loss, rate, best))

        loss = self.trainee.train_round(number, report)
        error = self.trainee.validation_error()
        seconds = time.perf_counter() - started
        self.epochs.append(Epoch(number=number, train_loss=loss, validation_rmse=error, seconds=seconds))
        if self.patience is not None and self.best is self.epochs[-1]:
            self.kept = {name: tensor.detach().clone() for name, tensor in self.trainee.network.state_dict().items()}

    def _save(self, path: Path) -> None:
        tensors = {
            **over("network.", self.trainee.network.state_dict()),
            **over("kept.", self.kept),
            **over("trainee.", self.trainee.state()),
        }
        write(path, tensors, {"config": self.settings, "epochs": EPOCHS.dump_json(self.epochs).decode()})

    def _resume(self, path: Path) -> None:
        tensors, metadata = read(path, _device(self.trainee.network), self.settings)
        self.epochs = EPOCHS.validate_json(metadata["epochs"])
        self.kept = under(tensors, "kept.")
        self.trainee.network.load_state_dict(under(tensors, "network."))
        self.trainee.restore(under(tensors, "trainee."))


def _device(network: nn.Module) -> torch.device:
    return next(network.parameters()).device
