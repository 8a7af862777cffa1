"""The training loop: early stopping and checkpoints, whatever a network is trained for."""

import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple, Protocol

import torch
from pydantic import TypeAdapter
from torch import Tensor, nn

from model.card import Epoch
from model.errors import CheckpointError, DivergedError
from model.training.checkpoint import load_optimizer, optimizer_tensors, over, read, under, write

EPOCHS = TypeAdapter(list[Epoch])
"""Writes the epochs of a run into its checkpoint, and reads them."""


class Progress(NamedTuple):
    """Where a run stands, for whoever shows it.

    Attributes:
        task: what the network is trained for.
        best: the best epoch so far; None before there is one.
    """

    task: str
    epoch: int
    epochs: int
    step: int
    steps: int
    loss: float
    samples_per_second: float
    best: Epoch | None


OnProgress = Callable[[Progress], None]


class Step(NamedTuple):
    """One step's mean loss, with its gradients to be taken, and the samples that it is the mean of."""

    loss: Tensor
    samples: int


class Task(Protocol):
    """What a network is trained for.

    Attributes:
        name: as progress shows it.
        settings: all that makes one run differ from another on the same data, as JSON.
        seed: of everything that is drawn.
        epochs: at most.
        patience: epochs without a better validation after which training stops.
        selects: whether the epoch with the smallest error on validation is the one to keep; otherwise the last one is.
        largest_gradient: the norm that the gradients of a step are history_length to; None history_lengths nothing.
    """

    name: str
    settings: str
    seed: int
    epochs: int
    patience: int
    selects: bool
    largest_gradient: float | None

    @property
    def network(self) -> nn.Module:
        """What is trained."""

    def __len__(self) -> int:
        """Steps of an epoch."""

    def optimizer(self) -> torch.optim.Optimizer:
        """A fresh optimizer of the parameters that are trained."""

    def rate(self, epochs_done: float) -> float:
        """The learning rate after so many epochs, a fraction of one included."""

    def steps(self, epoch: int) -> Iterator[Step]:
        """The steps of an epoch, 1 for the first; the same for the same seed, whatever ran before."""

    def validation(self) -> dict[str, float]:
        """The field of `Epoch` that says how good the network is, and its value; empty where nothing is validated."""


class Trainer:
    """Trains for one task; everything that a resumed run needs is in here and in its checkpoint.

    On one CPU model the outcome depends on nothing but the data, the configuration with its seed and the number of
    threads, also where the run was interrupted. On CUDA, results vary in the last digits.
    """

    def __init__(self, task: Task, device: torch.device, last_epoch: int | None = None) -> None:
        """The run ends after ``last_epoch`` of the task's schedule, if it is not to end with the schedule.

        Parameters that do not require a gradient stay as they are, weight decay or not.
        """
        self.task = task
        self.network = task.network.to(device)
        self.device = device
        self.last_epoch = last_epoch or task.epochs
        self.optimizer = task.optimizer()
        self.epochs: list[Epoch] = []
        self.best: dict[str, Tensor] = {}

    @property
    def best_epoch(self) -> Epoch | None:
        """The one to keep; see `Task.selects`."""
        if not self.task.selects:
            return self.epochs[-1] if self.epochs else None
        return min(self.epochs, key=lambda epoch: epoch.error, default=None)

    @property
    def finished(self) -> bool:
        best = self.best_epoch
        stale = best is not None and len(self.epochs) - best.number >= self.task.patience
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
        torch.manual_seed(hash((self.task.seed, number)))  # dropout; a resumed run draws the same
        self.network.train()
        started = time.perf_counter()
        total, samples, steps = 0.0, 0, len(self.task)
        best = self.best_epoch
        for done, step in enumerate(self.task.steps(number), start=1):
            self._set_rate((number - 1) + done / steps)
            total += self._take(step) * step.samples
            samples += step.samples
            rate = samples / (time.perf_counter() - started)
            on_progress(Progress(self.task.name, number, self.last_epoch, done, steps, total / samples, rate, best))
        if not math.isfinite(total):
            raise DivergedError(number)
        self.epochs.append(
            Epoch(
                number=number,
                train_loss=total / samples,
                **self.task.validation(),
                seconds=time.perf_counter() - started,
            )
        )
        if self.best_epoch is self.epochs[-1]:
            self.best = {name: tensor.detach().clone() for name, tensor in self.network.state_dict().items()}

    def _take(self, step: Step) -> float:
        """One optimisation step; the mean loss of its samples."""
        self.optimizer.zero_grad(set_to_none=True)
        step.loss.backward()  # type: ignore[no-untyped-call]
        if self.task.largest_gradient is not None:
            torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.task.largest_gradient)
        self.optimizer.step()
        return step.loss.item()

    def _set_rate(self, epochs_done: float) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = self.task.rate(epochs_done)

    def save(self, path: Path) -> None:
        """Write the state of the run."""
        tensors = {
            **over("network.", self.network.state_dict()),
            **over("best.", self.best),
            **over("optimizer.", optimizer_tensors(self.optimizer)),
        }
        epochs = EPOCHS.dump_json(self.epochs).decode()
        write(path, tensors, {"config": self.task.settings, "epochs": epochs})

    def resume(self, path: Path) -> None:
        """Take up the run that wrote this checkpoint; `CheckpointError` if it was another kind of run."""
        tensors, metadata = read(path, self.device, self.task.settings)
        self.epochs = EPOCHS.validate_json(metadata["epochs"])
        self.best = under(tensors, "best.")
        try:
            self.network.load_state_dict(under(tensors, "network."))
        except RuntimeError as error:
            raise CheckpointError(f"{path} belongs to another network. Delete it to start afresh.") from error
        load_optimizer(self.optimizer, under(tensors, "optimizer."))
