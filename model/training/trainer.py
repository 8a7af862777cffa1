"""The training loop: epochs, early stopping, checkpoints and progress, whatever is trained."""

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, Protocol

from pydantic import TypeAdapter
from torch import Tensor, nn

from model.card import Epoch
from model.distributed.group import from_first
from model.errors import CheckpointError, DivergedError
from model.network import cuda_graph
from model.training.checkpoint import over, read, under, write

EPOCHS = TypeAdapter(list[Epoch])
"""Writes the epochs of a run into its checkpoint, and reads them."""


class Progress(NamedTuple):
    """Where a run stands.

    Attributes:
        task: what the network is trained for.
        loss: mean of the epoch so far.
        best: the epoch to keep so far; None before there is one.
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

Report = Callable[[int, int, float, int], None]
"""Called with the steps done in an epoch, the steps of the epoch, its mean loss so far, and the samples so far."""


class EarlyStopping(NamedTuple):
    """Keeps the epoch with the best metric, and ends training when no better one comes.

    Attributes:
        metric: a field of `Epoch`.
        patience: epochs without a better metric after which training ends.
        greatest: whether the greatest value is the best one; otherwise the smallest is.
    """

    metric: str
    patience: int
    greatest: bool = False

    def best(self, epochs: list[Epoch]) -> Epoch | None:
        """The first of the best epochs; one without a number comes last."""
        return min(epochs, key=self._loss, default=None)

    def _loss(self, epoch: Epoch) -> float:
        value: float | None = getattr(epoch, self.metric)
        if value is None or math.isnan(value):
            return math.inf
        return -value if self.greatest else value


class Task(Protocol):
    """What is trained, and for what.

    An epoch draws everything that is random from its number, so that a resumed run goes the same way.

    Attributes:
        name: as progress shows it.
        settings: all that makes one run differ from another on the same data, as JSON.
        epochs: at most.
        early_stopping: None trains all epochs and keeps the last one.
    """

    name: str
    settings: str
    epochs: int
    early_stopping: EarlyStopping | None

    @property
    def network(self) -> nn.Module:
        """What predicts, on the device where it is trained."""

    def run_epoch(self, number: int, report: Report) -> float:
        """Train for one epoch, 1 for the first; returns the mean loss."""

    def validation(self) -> dict[str, float]:
        """Fields of `Epoch` that say how good the network is; empty where nothing is validated."""

    def state(self) -> dict[str, Tensor]:
        """What the next epoch depends on besides the network."""

    def restore(self, state: dict[str, Tensor]) -> None:
        """Put back what `state` gave."""


class Trainer:
    """Trains for one task; a resumed run needs nothing but the task and the checkpoint.

    On one CPU model the outcome depends on nothing but the data, the configuration with its seed and the number of
    threads and processes (`model.distributed.group`), also where the run was interrupted. On CUDA, results vary in the
    last digits.

    Attributes:
        epochs: those done.
        best: weights of the best one.
    """

    def __init__(self, task: Task, last_epoch: int | None = None, time_limit: float = math.inf) -> None:
        """Set up a run.

        Args:
            task: what is trained.
            last_epoch: where to end, if not at the end of the task's schedule.
            time_limit: seconds after which no epoch begins.
        """
        self.task = task
        self.network = task.network
        self.last_epoch = last_epoch or task.epochs
        self.time_limit = time_limit
        self.epochs: list[Epoch] = []
        self.best: dict[str, Tensor] = {}

    @property
    def best_epoch(self) -> Epoch | None:
        """The epoch to keep; None before the first one."""
        if self.task.early_stopping is None:
            return self.epochs[-1] if self.epochs else None
        return self.task.early_stopping.best(self.epochs)

    @property
    def finished(self) -> bool:
        if len(self.epochs) >= self.last_epoch:
            return True
        stopping, best = self.task.early_stopping, self.best_epoch
        return stopping is not None and best is not None and len(self.epochs) - best.number >= stopping.patience

    def run(self, checkpoint: Path | None = None, on_progress: OnProgress = lambda _: None) -> None:
        """Train to the end and leave the best weights in the network.

        Each epoch is saved to the checkpoint, and a checkpoint that is there already is resumed.
        """
        self.resume(checkpoint)
        started = time.perf_counter()
        while not self.finished:
            self._run_epoch(len(self.epochs) + 1, on_progress)
            if checkpoint is not None:
                self.save(checkpoint)
            if time.perf_counter() - started > self.time_limit:
                break
        if self.best:
            self.network.load_state_dict(self.best)
        self.network.eval()
        cuda_graph.forget()

    def _run_epoch(self, number: int, on_progress: OnProgress) -> None:
        started = time.perf_counter()
        best = self.best_epoch

        def report(step: int, steps: int, loss: float, samples: int) -> None:
            rate = samples / (time.perf_counter() - started)
            on_progress(Progress(self.task.name, number, self.last_epoch, step, steps, loss, rate, best))

        loss = self.task.run_epoch(number, report)
        if not math.isfinite(loss):
            raise DivergedError(number)
        metrics = from_first(self.task.validation)
        seconds = time.perf_counter() - started
        self.epochs.append(Epoch(number=number, train_loss=loss, **metrics, seconds=seconds))
        if self.best_epoch is self.epochs[-1]:
            self.best = {name: tensor.detach().clone() for name, tensor in self.network.state_dict().items()}

    def save(self, path: Path) -> None:
        """Write the state of the run."""
        tensors = {
            **over("network.", self.network.state_dict()),
            **over("best.", self.best),
            **self.task.state(),
        }
        epochs = EPOCHS.dump_json(self.epochs).decode()
        write(path, tensors, {"config": self.task.settings, "epochs": epochs})

    def resume(self, path: Path | None) -> None:
        """Take up the run that wrote the first process's checkpoint, if there is one.

        `CheckpointError` if it was another kind of run.
        """
        read_by_first = from_first(lambda: read(path, self.task.settings) if path and path.exists() else None)
        if read_by_first is None:
            return
        tensors, metadata = read_by_first
        self.epochs = EPOCHS.validate_json(metadata["epochs"])
        self.best = under(tensors, "best.")
        if not self.best:  # version 0.1 wrote other names for the published baselines
            raise CheckpointError(f"{path} was written by another version. Delete it to start afresh.")
        try:
            self.network.load_state_dict(under(tensors, "network."))
        except RuntimeError as error:
            raise CheckpointError(f"{path} belongs to another network. Delete it to start afresh.") from error
        self.task.restore(tensors)
