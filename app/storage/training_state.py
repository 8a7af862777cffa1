"""How far a training is, in a file beside the artifacts, and the lock that lets one process train at a time.

The kernel holds the lock and releases it when its process ends, however that happens, so that a training that was
killed never looks like one that runs.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Literal

from pydantic import BaseModel, ValidationError

from app.errors import TrainingRuns
from model.files import atomic_write

FOLDER = ".training"
"""In the folder of the artifacts."""

ATTEMPTS, PAUSE_SECONDS = 5, 0.05
"""A reader holds the lock for a moment, to see whether it is free: whoever wants to train tries again."""


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
        if self.state != "running" or done <= 0:
            return None
        return self.updated_at + (self.updated_at - self.started_at) / done * (1 - self.share)


def read(artifacts: Path) -> TrainingState | None:
    """The state of the training that runs, or of the last one; None if there was none."""
    try:
        state = TrainingState.model_validate_json((artifacts / FOLDER / "state.json").read_bytes())
    except (OSError, ValidationError):
        return None
    if state.state == "running" and not _is_locked(artifacts):
        return state.model_copy(update={"state": "interrupted"})
    return state


def write(artifacts: Path, state: TrainingState) -> None:
    with atomic_write(artifacts / FOLDER / "state.json") as temporary:
        temporary.write_text(state.model_dump_json())


def now() -> datetime:
    return datetime.now(UTC)


@contextmanager
def lock(artifacts: Path) -> Iterator[None]:
    """Hold the right to train into this folder; `TrainingRuns` names the process that has it."""
    path = artifacts / FOLDER / "lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o644), "r+") as file:
        for _ in range(ATTEMPTS):
            if _try_lock(file, fcntl.LOCK_EX):
                break
            time.sleep(PAUSE_SECONDS)
        else:
            raise TrainingRuns(artifacts, file.read())
        file.truncate()
        file.write(str(os.getpid()))
        file.flush()
        yield


def _is_locked(artifacts: Path) -> bool:
    try:
        with (artifacts / FOLDER / "lock").open() as file:
            return not _try_lock(file, fcntl.LOCK_SH)
    except OSError:
        return False


def _try_lock(file: IO[str], kind: int) -> bool:
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
