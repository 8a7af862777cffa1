"""Tasks that are learned by gradient steps: what an epoch of them consists of."""

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import NamedTuple

import torch
from torch import Tensor, nn

from model.distributed.group import averaging, losses_named, rank, size, summed
from model.training.checkpoint import load_optimizer, optimizer_tensors, over, under
from model.training.trainer import EarlyStopping, Report

READ_EVERY_SECONDS = 0.5
"""How often the loss is read from a GPU, for those who watch."""


class Step(NamedTuple):
    """The loss of one step.

    Attributes:
        loss: mean over the step's samples; its gradients are still to be taken. Of several processes, each has a part
            of the samples, and the mean of their losses is that of the step.
        samples: how many, of all processes.
        weight: of the loss in the mean of the epoch; None for the number of samples.
    """

    loss: Tensor
    samples: int
    weight: int | None = None


class _MeanLoss:
    """The mean loss of an epoch so far, where it is computed: to read it is to wait for all steps before."""

    def __init__(self) -> None:
        self._total: Tensor | float = 0.0
        self._weights = 0
        self._read, self._read_at = math.nan, -math.inf

    def add(self, loss: Tensor, weight: int) -> None:
        self._total = self._total + loss.double() * weight
        self._weights += weight

    def now(self) -> float:
        return float(self._total) / self._weights

    def lately(self) -> float:
        """The mean now; on a GPU, where steps are asked for ahead of time, that of `READ_EVERY_SECONDS` ago at most."""
        is_waited_for = isinstance(self._total, Tensor) and self._total.device.type != "cpu"
        if not is_waited_for or time.monotonic() - self._read_at >= READ_EVERY_SECONDS:
            self._read, self._read_at = self.now(), time.monotonic()
        return self._read


class StepTask(ABC):
    """A `model.training.trainer.Task` whose epochs are gradient steps.

    Attributes:
        seed: of everything that an epoch draws.
        largest_gradient: the norm that the gradients of a step are clipped to; None clips nothing.
        network: what predicts. Where the steps change another network, `trained`, it is the average of the weights that
            `trained` had after each of them.
        optimizer: of the parameters of `trained`.
    """

    name: str
    settings: str
    epochs: int
    early_stopping: EarlyStopping | None
    seed: int
    largest_gradient: float | None = None
    network: nn.Module
    optimizer: torch.optim.Optimizer

    @property
    def trained(self) -> nn.Module:
        """What the steps change: the network itself, unless a task says otherwise."""
        return self.network

    def average_share(self, step: int) -> float:  # noqa: ARG002 - the same for all steps
        """Share of the latest weights in the average after the step of this number, counted from 1.

        For a task with an average.
        """
        return 1.0

    @cached_property
    def over_processes(self) -> Callable[[Callable[[], Tensor]], Tensor]:
        """Computes a loss whose gradients will be means over all processes."""
        return averaging(parameter for group in self.optimizer.param_groups for parameter in group["params"])

    @abstractmethod
    def step_count(self, epoch: int) -> int:
        """Steps of an epoch."""

    @abstractmethod
    def steps(self, epoch: int) -> Iterator[Step]:
        """The steps of an epoch; the same for the same seed, whatever ran before."""

    @abstractmethod
    def rate(self, epochs_done: float) -> float:
        """The learning rate after so many epochs, a fraction of one included."""

    @abstractmethod
    def validation(self) -> dict[str, float]: ...

    @losses_named()
    def run_epoch(self, number: int, report: Report) -> float:
        # Dropout: a resumed run draws the same, and each process its own.
        torch.manual_seed(hash((self.seed, number)) + rank())
        self.trained.train()
        mean, samples, count = _MeanLoss(), 0, self.step_count(number)
        before = sum(self.step_count(epoch) for epoch in range(1, number))
        for done, step in enumerate(self.steps(number), start=1):
            self._set_rate((number - 1) + done / count)
            mean.add(self.take_step(step, before + done), step.samples if step.weight is None else step.weight)
            samples += step.samples
            report(done, count, mean.lately(), samples)
        return float(summed(torch.tensor(mean.now(), dtype=torch.double))) / size()

    def take_step(self, step: Step, number: int) -> Tensor:
        """Change the parameters by the step of this number, 1 for the first.

        Returns the mean loss of its samples, which a GPU may still be computing.
        """
        self.optimizer.zero_grad(set_to_none=True)
        step.loss.backward()  # type: ignore[no-untyped-call]
        if self.largest_gradient is not None:
            torch.nn.utils.clip_grad_norm_(self.trained.parameters(), self.largest_gradient)
        self.optimizer.step()
        if self.trained is not self.network:
            self._average(self.average_share(number))
        return step.loss.detach()

    @torch.no_grad()
    def _average(self, share: float) -> None:
        """Move the network that predicts towards the trained one."""
        for average, weight in zip(self.network.parameters(), self.trained.parameters(), strict=True):
            average.lerp_(weight, share)

    def _set_rate(self, epochs_done: float) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = self.rate(epochs_done)

    def state(self) -> dict[str, Tensor]:
        state = over("optimizer.", optimizer_tensors(self.optimizer))
        if self.trained is not self.network:
            state |= over("trained.", self.trained.state_dict())
        return state

    def restore(self, state: dict[str, Tensor]) -> None:
        load_optimizer(self.optimizer, under(state, "optimizer."))
        if self.trained is not self.network:
            self.trained.load_state_dict(under(state, "trained."))
