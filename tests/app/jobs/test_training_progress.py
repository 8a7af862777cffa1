"""What is written down of a training while it runs."""

from functools import partial
from pathlib import Path

import pytest
from builders import SMALL

from app.jobs import training_progress
from app.jobs.training_progress import TrainingProgress
from app.storage import training_state
from app.storage.training_state import TrainingState
from model.data.dataset import MovieLens
from model.errors import DataError
from model.training.context import Run
from model.training.presets import Preset
from model.training.trainer import Progress

RUNS: tuple[Run, Run] = ("held-out", "all users")


@pytest.fixture(autouse=True)
def written_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training_progress, "WRITE_EVERY_SECONDS", 0.0)


def at(task: str, epoch: int, step: int = 10) -> Progress:
    return Progress(task, epoch, epochs=2, step=step, steps=10, loss=1.0, samples_per_second=1.0, best=None)


def state(artifacts: Path) -> TrainingState:
    read = training_state.read(artifacts)
    assert read is not None
    return read


@pytest.mark.parametrize("side_by_side", [True, False])
@pytest.mark.parametrize("preset", [SMALL, SMALL.model_copy(update={"refit": False}), SMALL.without_ranking()])
def test_the_share_rises_to_the_whole_whatever_the_training_consists_of(
    tmp_path: Path, sample: MovieLens, preset: Preset, side_by_side: bool
) -> None:
    shares = []
    with TrainingProgress(tmp_path, preset, sample, side_by_side=side_by_side) as progress:
        for run in RUNS if preset.refit else RUNS[:1]:
            for report in (
                *([partial(progress.on_epochs, run, at("lists", 1))] if preset.ranking_training else []),
                partial(progress.on_fit, run, 5, 10),
                partial(progress.on_epochs, run, at("stars", 1)),
                partial(progress.on_epochs, run, at("stars", 2)),
                *([partial(progress.on_epochs, run, at("lists", 2))] if preset.ranking_training else []),
            ):
                report()
                shares.append(state(tmp_path).share)
        progress.on_learned(run, "stars")
        finishing = state(tmp_path)
        progress.end(served=True)

    assert shares == sorted(shares)
    assert shares[0] > 0
    assert 0.8 < shares[-1] < 1  # newcomers' movies are chosen then
    assert finishing.stage == "finishing"
    assert (state(tmp_path).state, state(tmp_path).share) == ("served", 1)


def test_what_is_learned_beside_something_longer_takes_no_time(tmp_path: Path, sample: MovieLens) -> None:
    with TrainingProgress(tmp_path, SMALL, sample, side_by_side=True) as progress:
        progress.on_learned("held-out", "stars")
        progress.on_epochs("held-out", at("lists", 1))
        half_of_the_lists = state(tmp_path)
        progress.on_epochs("all users", at("stars", 1))
        and_stars = state(tmp_path)

    assert half_of_the_lists.share > 0.3
    assert and_stars.share == half_of_the_lists.share


def test_without_stars_lists_are_the_whole_of_a_training(tmp_path: Path, sample: MovieLens) -> None:
    with TrainingProgress(tmp_path, SMALL.model_copy(update={"refit": False}), sample.without_stars()) as progress:
        progress.on_epochs("held-out", at("lists", 1))
        assert 0.4 < state(tmp_path).share < 0.5
        progress.on_learned("held-out", "lists")
        assert (state(tmp_path).stage, round(state(tmp_path).share, 1)) == ("finishing", 0.9)
        progress.end(served=True)


def test_a_resumed_training_begins_with_what_was_done_before(tmp_path: Path, sample: MovieLens) -> None:
    with TrainingProgress(tmp_path, SMALL, sample) as progress:
        for task in ("stars", "lists"):  # all of the first training was in the checkpoints
            progress.on_learned("held-out", task)
        progress.on_epochs("all users", at("lists", 1, step=1))
        begun = state(tmp_path)

    assert 0.5 < begun.started_with < begun.share  # one step has been done since
    assert begun.stage == "lists, epoch 1 of 2, all users"


def test_what_a_checkpoint_held_whole_counts_as_done_before(tmp_path: Path, sample: MovieLens) -> None:
    with TrainingProgress(tmp_path, SMALL, sample) as progress:
        progress.on_learned("held-out", "stars")  # without a step of this run
        progress.on_epochs("held-out", at("lists", 1, step=1))
        begun = state(tmp_path)

    assert begun.started_with > 0.15
    assert begun.share - begun.started_with < 0.1


def test_what_was_restored_counts_as_done_and_not_as_speed(tmp_path: Path, sample: MovieLens) -> None:
    with TrainingProgress(tmp_path, SMALL, sample) as progress:
        progress.on_epochs("held-out", at("stars", 2, step=1))  # one of two epochs, and the factorization, restored
        stars = state(tmp_path)
        progress.on_epochs("held-out", at("lists", 2, step=1))  # and one of two epochs of the lists
        both = state(tmp_path)

    done_since = [one.share - one.started_with for one in (stars, both)]
    assert both.started_with > stars.started_with > 0
    assert 0 < done_since[0] < done_since[1] < 0.1


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (DataError("The data has too few ratings."), "The data has too few ratings."),
        (OSError(28, "No space left on device", "/secret/path"), "No space left on device"),
        (ValueError("postgresql://user:password@host"), "ValueError"),
    ],
)
def test_a_failure_is_said_without_what_callers_should_not_learn(
    tmp_path: Path, sample: MovieLens, error: Exception, said: str
) -> None:
    with pytest.raises(type(error)), TrainingProgress(tmp_path, SMALL, sample):
        raise error

    assert (state(tmp_path).state, state(tmp_path).stage) == ("failed", said)


def test_a_full_disk_does_not_end_the_training(
    tmp_path: Path, sample: MovieLens, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with TrainingProgress(tmp_path, SMALL, sample) as progress:
        monkeypatch.setattr(training_state, "write", full)
        progress.on_fit("held-out", 1, 10)
        progress.end(served=True)
