"""Keeps the state of a training, for whoever asks the service how far it is."""

import threading
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from app.storage import training_state
from app.storage.training_state import TrainingState
from model.data.dataset import MovieLens
from model.errors import SeqRecError
from model.training.presets import Preset
from model.training.trainer import Progress

Part = tuple[str, str]
"""Which training, as `TrainingContext.on_stage` names it, and what of it."""

SECONDS: dict[Part, float] = {
    ("held-out", "factorization"): 280,
    ("held-out", "stars"): 270,
    ("held-out", "lists"): 1000,
    ("all users", "factorization"): 280,
    ("all users", "stars"): 280,
    ("all users", "lists"): 200,
}
"""What each part of the training of ``seqrec`` takes on ML-1M, on one core. Their ratios tell how much is done."""

WRITE_EVERY_SECONDS = 1.0


class TrainingProgress:
    """Writes the state of one training, from its beginning to its end, however it ends."""

    def __init__(self, artifacts: Path, preset: Preset, data: MovieLens, *, once: bool = False) -> None:
        """``once`` for a training that holds no users out first."""
        self._artifacts = artifacts
        trainings = {"all users"} if once else {"held-out", "all users"} if preset.refit else {"held-out"}
        learned = {"lists"} if preset.ranking_training else set()
        if data.has_stars:
            learned |= {"factorization", "stars"}
        self._parts = [part for part in SECONDS if part[0] in trainings and part[1] in learned]
        self._training = "all users" if once else "held-out"
        self._done = dict.fromkeys(self._parts, 0.0)
        self._lock = threading.Lock()
        self._written = 0.0
        self._reported: set[Part] = set()
        self._restored = 0.0
        now = training_state.now()
        self._state = TrainingState(
            model=preset.name,
            state="running",
            stage="reading the data",
            share=0.0,
            started_at=now,
            started_with=0.0,
            updated_at=now,
            data=data.checksum,
        )

    def __enter__(self) -> Self:
        self._write()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is not None:
            if isinstance(error, Exception):
                # Only our own messages: others may name what callers of the API should not learn.
                self._end("failed", str(error) if isinstance(error, SeqRecError) else _kind_of(error))
            else:
                self._end("interrupted", self._state.stage)

    def on_stage(self, training: str) -> None:
        with self._lock:
            self._training = training
            if training != "held-out":
                for part in self._parts:
                    if part[0] == "held-out":
                        self._finish(part)

    def on_fit(self, done: int, total: int) -> None:
        self._report("factorization", done / total, f"factorization, sweep {done} of {total}")

    def on_epochs(self, progress: Progress) -> None:
        restored = (progress.epoch - 1) / progress.epochs
        done = restored + progress.step / progress.steps / progress.epochs
        self._report(progress.task, done, f"{progress.task}, epoch {progress.epoch} of {progress.epochs}", restored)

    def on_learned(self, task: str) -> None:
        with self._lock:
            if task == "stars":
                self._finish((self._training, "factorization"))
            self._finish((self._training, task))

    def end(self, *, served: bool) -> None:
        """The training is done: its model is served, or it is no better than the one that is."""
        self._state = self._state.model_copy(update={"share": 1.0})
        self._end("served" if served else "worse", "done")

    def _report(self, kind: str, done: float, stage: str, restored: float = 0.0) -> None:
        """So much of a part is done, ``restored`` of it before this run began, if this is its first report.

        Stars and lists are learned side by side, and report from two threads.
        """
        with self._lock:
            part = self._training, kind
            if kind == "stars":
                self._finish((self._training, "factorization"))
            if part not in self._reported:
                self._reported.add(part)
                self._restored += SECONDS[part] * restored / self._seconds
            self._done[part] = done
            update = {
                "share": self._share,
                "started_with": self._restored,
                "stage": f"{stage}, {self._of_users}",
                "updated_at": training_state.now(),
            }
            self._state = self._state.model_copy(update=update)
            if time.monotonic() - self._written >= WRITE_EVERY_SECONDS:
                self._write()

    @property
    def _of_users(self) -> str:
        return "all users" if self._training == "all users" else "without the held-out users"

    @property
    def _share(self) -> float:
        """Of the whole training that is done."""
        return sum(SECONDS[part] * self._done[part] for part in self._parts) / self._seconds

    @property
    def _seconds(self) -> float:
        """Of the whole training, in the proportions of `SECONDS`."""
        return sum(SECONDS[part] for part in self._parts)

    def _finish(self, part: Part) -> None:
        """A part is done. What has never reported was done before this run began, and is in its checkpoint."""
        if part not in self._reported:
            self._reported.add(part)
            self._restored += SECONDS[part] * (1 - self._done[part]) / self._seconds
        self._done[part] = 1.0

    def _end(self, state: Literal["served", "worse", "failed", "interrupted"], stage: str) -> None:
        with self._lock:
            update = {"state": state, "stage": stage, "updated_at": training_state.now()}
            self._state = self._state.model_copy(update=update)
            self._write()

    def _write(self) -> None:
        self._written = time.monotonic()
        # On a full disk the training goes on as long as it can; its own files say what is wrong.
        with suppress(OSError):
            training_state.write(self._artifacts, self._state)


def _kind_of(error: Exception) -> str:
    """What is wrong, in the words of the system, without paths; the log has all of it."""
    return (error.strerror if isinstance(error, OSError) else None) or type(error).__name__
