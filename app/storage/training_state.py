"""How far a training is, in a file beside the artifacts, and the lock that lets one process train at a time.

The kernel releases the lock of a process that was killed, so that its training never looks like one that runs.
"""

from contextlib import AbstractContextManager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ValidationError

from app.errors import TrainingBusy
from app.storage import locks
from model.files import atomic_write

FOLDER = ".training"
"""In the folder of the artifacts."""

LEAST_SHARE = 0.02
"""Of the whole training; from less, in which reading the data counts most, the end would look hours away."""


class TrainingState(BaseModel):
    """How far the training of a model is.

    Attributes:
        model: name of the network.
        state: ``running``; ``interrupted``, which goes on with the next start; ``served``, ``worse`` (than the served
            model on the same held-out users, so that it is not served), or ``failed``.
        stage: what is being done, or why it has failed.
        share: of the whole training that is done, 0..1.
        started_at: when this run began, and with what share of the training done.
        data: checksum of the ratings.
    """

    model: str
    state: Literal["running", "interrupted", "served", "worse", "failed"]
    stage: str
    share: float
    started_at: datetime
    started_with: float
    updated_at: datetime
    data: str

    @property
    def ready_at(self) -> datetime | None:
        """When the training will end, if it goes on as fast as since its start; None while that is unknown."""
        done = self.share - self.started_with
        if self.state != "running" or done < LEAST_SHARE:
            return None
        return self.updated_at + (self.updated_at - self.started_at) / done * (1 - self.share)


class TrainedInVain(BaseModel):
    """A training that a preliminary model was no worse than, on data with this checksum: it need not be repeated."""

    model: str
    data: str


def read_in_vain(artifacts: Path) -> TrainedInVain | None:
    """The last such training; None if there was none."""
    try:
        return TrainedInVain.model_validate_json((artifacts / FOLDER / "in-vain.json").read_bytes())
    except (OSError, ValidationError):
        return None


def write_in_vain(artifacts: Path, trained: TrainedInVain) -> None:
    with atomic_write(artifacts / FOLDER / "in-vain.json") as temporary:
        temporary.write_text(trained.model_dump_json())


def read(artifacts: Path) -> TrainingState | None:
    """The state of the training that runs, or of the last one; None if there was none."""
    try:
        state = TrainingState.model_validate_json((artifacts / FOLDER / "state.json").read_bytes())
    except (OSError, ValidationError):
        return None
    if state.state == "running" and not locks.is_locked(_lock_file(artifacts)):
        return state.model_copy(update={"state": "interrupted"})
    return state


def write(artifacts: Path, state: TrainingState) -> None:
    with atomic_write(artifacts / FOLDER / "state.json") as temporary:
        temporary.write_text(state.model_dump_json())


def now() -> datetime:
    return datetime.now(UTC)


def lock(artifacts: Path) -> AbstractContextManager[None]:
    """Hold the right to train into this folder; `TrainingBusy` names the process that has it."""
    return locks.lock(_lock_file(artifacts), partial(TrainingBusy, artifacts))


def _lock_file(artifacts: Path) -> Path:
    return artifacts / FOLDER / "lock"
