"""What is written down of a training while it runs."""

from pathlib import Path

import pytest
from builders import SMALL

from app.jobs import training_progress
from app.jobs.training_progress import TrainingProgress
from app.storage import training_state
from app.storage.training_state import TrainingState
from model.data.dataset import MovieLens
from model.errors import DataError
from model.training.presets import Preset
from model.training.trainer import Progress


@pytest.fixture(autouse=True)
def written_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training_progress, "WRITE_EVERY_SECONDS", 0.0)


def at(task: str, epoch: int, step: int = 10) -> Progress:
    return Progress(task, epoch, epochs=2, step=step, steps=10, loss=1.0, samples_per_second=1.0, best=None)


def state(artifacts: Path) -> TrainingState:
    read = training_state.read(artifacts)
    assert read is not None
    return read


@pytest.mark.parametrize("preset", [SMALL, SMALL.model_copy(update={"refit": False}), SMALL.without_ranking()])
def test_the_share_rises_to_the_whole_whatever_the_training_consists_of(
    tmp_path: Path, sample: MovieLens, preset: Preset
) -> None:
    shares = []
    with TrainingProgress(tmp_path, preset, sample) as progress:
        for training in ["held-out", "all users"] if preset.refit else ["held-out"]:
            progress.on_stage(training)
            for report in (
                lambda: progress.on_fit(5, 10),
                lambda: progress.on_epochs(at("stars", 1)),
                *([lambda: progress.on_epochs(at("lists", 1))] if preset.ranking_training else []),
                lambda: progress.on_epochs(at("stars", 2)),
                *([lambda: progress.on_epochs(at("lists", 2))] if preset.ranking_training else []),
            ):
                report()
                shares.append(state(tmp_path).share)
        progress.end(served=True)

    assert shares == sorted(shares)
    assert shares[0] > 0
    assert shares[-1] == pytest.approx(1)
    assert (state(tmp_path).state, state(tmp_path).share) == ("served", 1)


def test_without_stars_lists_are_the_whole_of_a_training(tmp_path: Path, sample: MovieLens) -> None:
    with TrainingProgress(tmp_path, SMALL.model_copy(update={"refit": False}), sample.without_stars()) as progress:
        progress.on_stage("held-out")
        progress.on_epochs(at("lists", 1))
        assert state(tmp_path).share == pytest.approx(0.5)
        progress.on_learned("lists")
        progress.on_epochs(at("lists", 2))
        assert state(tmp_path).share == pytest.approx(1)
        progress.end(served=True)


def test_a_resumed_training_begins_with_what_was_done_before(tmp_path: Path, sample: MovieLens) -> None:
    with TrainingProgress(tmp_path, SMALL, sample) as progress:
        progress.on_stage("held-out")
        progress.on_stage("all users")  # all of the first training was in the checkpoints
        progress.on_epochs(at("lists", 1, step=1))
        begun = state(tmp_path)

    assert 0.5 < begun.started_with < begun.share  # one step has been done since
    assert begun.stage == "lists, epoch 1 of 2, all users"


def test_what_a_checkpoint_held_whole_counts_as_done_before(tmp_path: Path, sample: MovieLens) -> None:
    with TrainingProgress(tmp_path, SMALL, sample) as progress:
        progress.on_learned("stars")  # without a step of this run
        progress.on_epochs(at("lists", 1, step=1))
        begun = state(tmp_path)

    assert begun.started_with > 0.2
    assert begun.share - begun.started_with < 0.1


def test_what_was_restored_counts_as_done_and_not_as_speed(tmp_path: Path, sample: MovieLens) -> None:
    with TrainingProgress(tmp_path, SMALL, sample) as progress:
        progress.on_epochs(at("stars", 2, step=1))  # one of two epochs, and the factorization, from a checkpoint
        stars = state(tmp_path)
        progress.on_epochs(at("lists", 2, step=1))  # and one of two epochs of the lists
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
        progress.on_fit(1, 10)
        progress.end(served=True)
