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
from model.training.presets import Preset
from model.training.trainer import Progress

Part = tuple[str, str]
"""Which training, as `TrainingContext.on_stage` names it, and what of it."""

SECONDS: dict[Part, float] = {
    ("held-out", "factorization"): 60,
    ("held-out", "stars"): 100,
    ("held-out", "lists"): 600,
    ("all users", "factorization"): 60,
    ("all users", "stars"): 110,
    ("all users", "lists"): 100,
}
"""What each part of the training of ``seqrec`` takes on ML-1M. Their ratios tell how much is done."""

WRITE_EVERY_SECONDS = 1.0


class TrainingProgress:
    """Writes the state of one training, from its beginning to its end, however it ends."""

    def __init__(self, artifacts: Path, preset: Preset, data: MovieLens) -> None:
        self._artifacts = artifacts
        self._parts = [
            part
            for part in SECONDS
            if (preset.refit or part[0] == "held-out") and (preset.ranking_training or part[1] != "lists")
        ]
        self._training = "held-out"
        self._done = dict.fromkeys(self._parts, 0.0)
        self._lock = threading.Lock()
        self._written = 0.0
        self._begun = False
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
            failed = isinstance(error, Exception)
            self._end("failed" if failed else "interrupted", str(error) if failed else self._state.stage)

    def on_stage(self, training: str) -> None:
        self._training = training
        if training != "held-out":
            self._done |= {part: 1.0 for part in self._parts if part[0] == "held-out"}

    def on_fit(self, done: int, total: int) -> None:
        self._report("factorization", done / total, f"factorization, sweep {done} of {total}")

    def on_epochs(self, progress: Progress) -> None:
        done = (progress.epoch - 1 + progress.step / progress.steps) / progress.epochs
        self._report(progress.task, done, f"{progress.task}, epoch {progress.epoch} of {progress.epochs}")

    def end(self, *, served: bool) -> None:
        """The training is done: its model is served, or it is no better than the one that is."""
        self._state = self._state.model_copy(update={"share": 1.0})
        self._end("served" if served else "worse", "done")

    def _report(self, kind: str, done: float, stage: str) -> None:
        """Stars and lists are learned side by side, and report from two threads."""
        with self._lock:
            self._done[self._training, kind] = done
            if kind == "stars":  # a resumed training does not report what it has finished before
                self._done[self._training, "factorization"] = 1.0
            update = {"share": self._share, "stage": f"{stage}, {self._of_users}", "updated_at": training_state.now()}
            if not self._begun:  # a resumed training begins in the middle
                update |= {"started_with": self._share, "started_at": update["updated_at"]}
                self._begun = True
            self._state = self._state.model_copy(update=update)
            if time.monotonic() - self._written >= WRITE_EVERY_SECONDS:
                self._write()

    @property
    def _of_users(self) -> str:
        return "all users" if self._training == "all users" else "without the held-out users"

    @property
    def _share(self) -> float:
        """Of the whole training that is done."""
        return sum(SECONDS[part] * self._done[part] for part in self._parts) / sum(
            SECONDS[part] for part in self._parts
        )

    def _end(self, state: Literal["served", "worse", "failed", "interrupted"], stage: str) -> None:
        update = {"state": state, "stage": stage, "updated_at": training_state.now()}
        self._state = self._state.model_copy(update=update)
        self._write()

    def _write(self) -> None:
        self._written = time.monotonic()
        with suppress(
            OSError
        ):  # on a full disk the training goes on as long as it can; its own files say what is wrong
            training_state.write(self._artifacts, self._state)
