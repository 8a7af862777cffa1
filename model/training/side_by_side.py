"""Runs a training in a process of its own, while this process trains something else."""

import multiprocessing
import threading
from contextlib import suppress
from copy import deepcopy
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

import torch

from model.card import Epoch
from model.errors import SeqRecError, TrainingProcessError
from model.processes import one_thread, work_for_parent
from model.training.trainer import OnProgress, Trainer
from model.types import FloatArray

WORTH_A_PROCESS = 500_000
"""Samples of a whole training from which on a process saves more time than the seconds that it takes to start."""


class _Outcome(NamedTuple):
    """What a training leaves: arrays, since tensors would lie in memory of a process that is about to end."""

    network: dict[str, FloatArray]
    epochs: list[Epoch]


class SideRun:
    """A training that runs from the beginning of a ``with`` block on, beside what the block does.

    Where that saves no time, on a GPU, on one core or for little data, it runs when it is waited for.
    """

    def __init__(self, trainer: Trainer, samples: int, checkpoint: Path | None, on_progress: OnProgress) -> None:
        """``samples`` are those of the whole training; the others are for `Trainer.run`."""
        self.trainer = trainer
        self.checkpoint = checkpoint
        self.on_progress = on_progress
        self._threads = torch.get_num_threads()
        on_cpu = next(trainer.network.parameters()).device.type == "cpu"
        self._beside = on_cpu and self._threads > 1 and samples >= WORTH_A_PROCESS

    def __enter__(self) -> Self:
        if not self._beside:
            return self
        # A new interpreter: PyTorch's threads do not survive a fork.
        context = multiprocessing.get_context("spawn")
        self._connection, other_end = context.Pipe()
        # A copy: PyTorch lays tensors that another process gets into memory of both, and this one goes on with its own.
        copied = deepcopy(self.trainer)
        self._process = context.Process(target=_run, args=(copied, self.checkpoint, other_end), daemon=True)
        self._process.start()
        other_end.close()
        self._outcome: _Outcome | BaseException | None = None
        self._listener = threading.Thread(target=self._listen, name="side run", daemon=True)
        self._listener.start()
        torch.set_num_threads(self._threads - 1)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._beside:
            torch.set_num_threads(self._threads)
            self._process.kill()
            self._process.join()
            self._listener.join()
            self._connection.close()

    @property
    def pid(self) -> int | None:
        """Of the process; None where there is none."""
        return self._process.pid if self._beside else None

    def wait(self) -> None:
        """Until the network is trained; raises what the training has raised, or `TrainingProcessError`."""
        if not self._beside:
            with one_thread():
                self.trainer.run(self.checkpoint, self.on_progress)
            return
        self._listener.join()
        if isinstance(self._outcome, BaseException):
            raise self._outcome
        if self._outcome is None:
            raise TrainingProcessError
        weights = {name: torch.from_numpy(array) for name, array in self._outcome.network.items()}
        self.trainer.network.load_state_dict(weights)
        self.trainer.network.eval()
        self.trainer.epochs = self._outcome.epochs

    def _listen(self) -> None:
        """Pass progress on, until the outcome comes or the process is gone."""
        with suppress(EOFError, OSError):
            while True:
                message = self._connection.recv()
                if isinstance(message, _Outcome | BaseException):
                    self._outcome = message
                    return
                self.on_progress(message)


def _run(trainer: Trainer, checkpoint: Path | None, connection: Connection) -> None:
    """The life of the process."""
    work_for_parent()
    try:
        with one_thread():
            trainer.run(checkpoint, connection.send)
    except (SeqRecError, OSError) as error:
        connection.send(error)
    except Exception as error:  # noqa: BLE001 - whatever it is, the parent raises it; not every error can be sent
        connection.send(RuntimeError(f"{type(error).__name__} in the process that trains beside this one: {error}"))
    else:
        weights = {name: tensor.numpy() for name, tensor in trainer.network.state_dict().items()}
        connection.send(_Outcome(weights, trainer.epochs))
