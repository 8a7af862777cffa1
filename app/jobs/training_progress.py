"""Keeps the state of a training, for whoever asks the service how far it is."""

import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Literal, NamedTuple, Self

from app.storage import training_state
from app.storage.training_state import TrainingState
from model.data.dataset import MovieLens
from model.errors import SeqRecError
from model.training.context import Run
from model.training.presets import Preset
from model.training.trainer import Progress


class Part(NamedTuple):
    """What of which run of a training."""

    run: Run
    what: str


END = Part("all users", "the end")
"""What follows on the last network: its scores, the movies that newcomers are asked about, and the artifact."""

SECONDS: dict[Part, float] = {
    Part("held-out", "factorization"): 75,
    Part("held-out", "stars"): 80,
    Part("held-out", "lists"): 465,
    Part("all users", "factorization"): 90,
    Part("all users", "stars"): 125,
    Part("all users", "lists"): 110,
    END: 25,
}
"""What each part of the training of ``seqrec`` takes on ML-1M, on one core. Their ratios tell how much is done."""

WRITE_EVERY_SECONDS = 1.0


class TrainingProgress:
    """Writes the state of one training, from its beginning to its end, however it ends."""

    def __init__(
        self, artifacts: Path, preset: Preset, data: MovieLens, *, once: bool = False, side_by_side: bool = False
    ) -> None:
        """``once`` for a training that holds no users out first; ``side_by_side`` if it learns two things at a time."""
        self._artifacts = artifacts
        runs = {"all users"} if once else {"held-out", "all users"} if preset.refit else {"held-out"}
        learned = {"lists"} if preset.ranking_training else set()
        if data.has_stars:
            learned |= {"factorization", "stars"}
        parts = [part for part in SECONDS if part == END or (part.run in runs and part.what in learned)]
        # The first lists are learned beside all stars; the others, and the end, come after both.
        after = {END} if once else {END, Part("all users", "lists")}
        self._after = [part for part in parts if part in after]
        self._lists = [part for part in parts if part.what == "lists" and part not in after]
        self._stars = [part for part in parts if part.what in ("factorization", "stars")]
        self._side_by_side = side_by_side
        self._done = dict.fromkeys(parts, 0.0)
        self._restored: dict[Part, float] = {}
        self._lock = threading.Lock()
        self._written = 0.0
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

    def on_fit(self, run: Run, done: int, total: int) -> None:
        part = Part(run, "factorization")
        self._report(part, done / total, f"factorization, sweep {done} of {total}")

    def on_epochs(self, run: Run, progress: Progress) -> None:
        restored = (progress.epoch - 1) / progress.epochs
        done = restored + progress.step / progress.steps / progress.epochs
        stage = f"{progress.task}, epoch {progress.epoch} of {progress.epochs}"
        self._report(Part(run, progress.task), done, stage, restored)

    def on_learned(self, run: Run, task: str) -> None:
        with self._lock:
            self._finish(Part(run, task))
            if all(done == 1 for part, done in self._done.items() if part != END):
                self._state = self._state.model_copy(update={"stage": "finishing"})
                self._update()

    def end(self, *, served: bool) -> None:
        """The training is done: its model is served, or it is no better than the one that is."""
        self._state = self._state.model_copy(update={"share": 1.0})
        self._end("served" if served else "worse", "done")

    def _report(self, part: Part, done: float, stage: str, restored: float = 0.0) -> None:
        """So much of a part is done, ``restored`` of it before this run began, if this is its first report.

        Stars and lists are learned side by side, and report from two threads.
        """
        with self._lock:
            if part.what == "stars":
                self._finish(Part(part.run, "factorization"))
            self._restored.setdefault(part, restored)
            self._done[part] = done
            of_users = "all users" if part.run == "all users" else "without the held-out users"
            self._state = self._state.model_copy(update={"stage": f"{stage}, {of_users}"})
            if time.monotonic() - self._written >= WRITE_EVERY_SECONDS:
                self._update()

    def _finish(self, part: Part) -> None:
        """A part is done. What has never reported was done before this run began, and is in its checkpoint."""
        if part.what == "stars":
            self._finish(Part(part.run, "factorization"))
        self._restored.setdefault(part, 1.0)
        self._done[part] = 1.0

    def _update(self) -> None:
        """Write how much is done."""
        update = {
            "share": self._share(self._done),
            "started_with": self._share(self._restored),
            "updated_at": training_state.now(),
        }
        self._state = self._state.model_copy(update=update)
        self._write()

    def _share(self, done: Mapping[Part, float]) -> float:
        """Of the time of the whole training, if so much of each part is done."""
        return 1 - self._seconds_left(done) / self._seconds_left({})

    def _seconds_left(self, done: Mapping[Part, float]) -> float:
        stars, lists, after = (
            sum(SECONDS[part] * (1 - done.get(part, 0.0)) for part in parts)
            for parts in (self._stars, self._lists, self._after)
        )
        return (max(stars, lists) if self._side_by_side else stars + lists) + after

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
