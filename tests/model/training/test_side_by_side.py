"""Two trainings at the same time: one in a process of its own."""

import multiprocessing
import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace

import pytest
import torch
from builders import SMALL, context_for

from model.data.dataset import MovieLens
from model.data.splits import Split
from model.errors import DivergedError, TrainingProcessError
from model.network.config import RankingTrainingConfig
from model.training import side_by_side
from model.training.estimator import SeqRecEstimator
from model.training.ranking_task import RankingTask
from model.training.side_by_side import SideRun
from model.training.trainer import Progress, Trainer

pytestmark = pytest.mark.slow

MANY = 10**9
"""Samples that are worth a process."""


@pytest.fixture(autouse=True)
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def ranking_trainer(sample: MovieLens, split: Split, **training: object) -> Trainer:
    model = SeqRecEstimator(SMALL, context_for(sample))
    model.begin(split.train)
    config = RankingTrainingConfig(epochs=2, averaging=4.0).model_copy(update=training)
    ranking = model.network.require_ranking()
    return Trainer(RankingTask(ranking, split.train.sequences, None, config, torch.device("cpu")))


def test_a_side_run_learns_what_it_would_learn_alone(sample: MovieLens, split: Split) -> None:
    steps: list[Progress] = []
    aside, alone = ranking_trainer(sample, split), ranking_trainer(sample, split)

    with SideRun(aside, MANY, None, steps.append) as run:
        meanwhile = torch.get_num_threads()
        run.wait()
    alone.run()

    assert meanwhile == 1
    assert torch.get_num_threads() == 2
    assert [epoch.number for epoch in aside.epochs] == [1, 2]
    assert steps[-1].step == steps[-1].steps
    for name, weights in alone.network.state_dict().items():
        assert torch.allclose(aside.network.state_dict()[name], weights, atol=1e-4), name


def test_what_fails_aside_is_raised_by_whoever_waits(sample: MovieLens, split: Split) -> None:
    with (
        SideRun(ranking_trainer(sample, split, learning_rate=float("nan")), MANY, None, lambda _: None) as run,
        pytest.raises(DivergedError, match=r"^The loss is no longer a number in epoch 1\. Train with"),
    ):
        run.wait()


def test_a_process_that_is_killed_is_named(sample: MovieLens, split: Split) -> None:
    with SideRun(ranking_trainer(sample, split, epochs=10_000), MANY, None, lambda _: None) as run:
        assert run.pid is not None
        os.kill(run.pid, signal.SIGKILL)
        with pytest.raises(TrainingProcessError, match="OMP_NUM_THREADS=1"):
            run.wait()


def test_an_interruption_ends_the_process(sample: MovieLens, split: Split) -> None:
    run = SideRun(ranking_trainer(sample, split, epochs=10_000), MANY, None, lambda _: None)

    with suppress(KeyboardInterrupt), run:
        pid = run.pid
        raise KeyboardInterrupt

    assert pid is not None
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_what_fails_beside_the_lists_ends_their_training(
    sample: MovieLens, split: Split, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(side_by_side, "WORTH_A_PROCESS", 0)
    model = SeqRecEstimator(SMALL, replace(context_for(sample), side_by_side=True))
    model.begin(split.train)

    with suppress(KeyboardInterrupt), model.ranking_beside(split.train, None):
        beside = multiprocessing.active_children()
        raise KeyboardInterrupt

    assert len(beside) == 1
    assert multiprocessing.active_children() == []
    assert model.ranking_epochs == []


def test_little_work_is_done_by_this_process_with_one_thread(sample: MovieLens, split: Split) -> None:
    trainer, threads = ranking_trainer(sample, split), set()

    with SideRun(trainer, 1000, None, lambda _: threads.add(torch.get_num_threads())) as run:
        assert run.pid is None
        run.wait()

    assert len(trainer.epochs) == 2
    assert threads == {1}
    assert torch.get_num_threads() == 2


def test_stars_and_lists_alone_are_learned_by_this_process_with_one_thread(
    sample: MovieLens, split: Split, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(side_by_side, "WORTH_A_PROCESS", 1)
    seen: set[tuple[str, int, int]] = set()

    def on_progress(now: Progress) -> None:
        seen.add((now.task, torch.get_num_threads(), len(multiprocessing.active_children())))

    model = SeqRecEstimator(SMALL, replace(context_for(sample), side_by_side=True, on_progress=on_progress))
    model.begin(split.train)
    model.fit_stars(split.train, split.validation)
    model.fit_ranking(split.train, None)

    assert seen == {("stars", 1, 0), ("lists", 1, 0)}
    assert torch.get_num_threads() == 2
