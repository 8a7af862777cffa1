"""The training loop, on tasks that train nothing."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from benchmarks.neural import PeerTask
from model.card import Epoch
from model.errors import CheckpointError
from model.training.checkpoint import write
from model.training.steps import Step, StepTask
from model.training.trainer import EarlyStopping, Progress, Report, Trainer


class Counting:
    """A network of one number, the epoch; a momentum that the next epoch depends on; scores that are given."""

    name = "counting"
    settings = "{}"

    def __init__(self, scores: list[float], early_stopping: EarlyStopping | None, metric: str) -> None:
        self.scores = scores
        self.epochs = len(scores)
        self.early_stopping = early_stopping
        self.metric = metric
        self.network = nn.Linear(1, 1)
        self.momentum = torch.zeros(1)
        self.ran: list[int] = []

    def run_epoch(self, number: int, report: Report) -> float:
        report(1, 1, 0.5, 10)
        self.ran.append(number)
        self.momentum += 1
        with torch.no_grad():
            self.network.weight.fill_(number)
        return 0.5

    def validation(self) -> dict[str, float]:
        return {self.metric: self.scores[self.ran[-1] - 1]}

    def state(self) -> dict[str, Tensor]:
        return {"momentum": self.momentum}

    def restore(self, state: dict[str, Tensor]) -> None:
        self.momentum = state["momentum"]


def best_rmse(*scores: float, patience: int = 2) -> Counting:
    return Counting(list(scores), EarlyStopping("validation_rmse", patience), "validation_rmse")


def best_ndcg(*scores: float, patience: int = 2) -> Counting:
    return Counting(list(scores), EarlyStopping("validation_ndcg", patience, greatest=True), "validation_ndcg")


@pytest.mark.parametrize(
    ("task", "epochs", "best"),
    [
        pytest.param(best_rmse(3, 1, 2, 1, 0), 4, 2, id="smallest, the first of equals"),
        pytest.param(best_ndcg(3, 1, 2, 9), 3, 1, id="greatest"),
        pytest.param(best_rmse(float("nan"), 2, 3, 4), 4, 2, id="a number is better than none"),
        pytest.param(Counting([1, 9, 9, 5], None, "validation_rmse"), 4, 4, id="without early stopping, the last"),
    ],
)
def test_training_ends_when_the_metric_gets_no_better_and_keeps_the_best_epoch(
    task: Counting, epochs: int, best: int
) -> None:
    trainer = Trainer(task)
    trainer.run()

    assert len(trainer.epochs) == epochs
    assert trainer.best_epoch is not None
    assert trainer.best_epoch.number == best
    assert task.network.weight.item() == best


def test_a_shorter_run_ends_at_its_last_epoch() -> None:
    trainer = Trainer(best_rmse(3, 2, 1, 0), last_epoch=2)
    trainer.run()

    assert [epoch.number for epoch in trainer.epochs] == [1, 2]


def test_no_epoch_begins_after_the_time_limit_but_the_first_one() -> None:
    trainer = Trainer(best_rmse(3, 2, 1, 0), time_limit=0)
    trainer.run()

    assert len(trainer.epochs) == 1


def test_a_run_takes_up_its_checkpoint_with_all_that_the_next_epoch_depends_on(tmp_path: Path) -> None:
    checkpoint = tmp_path / "run.safetensors"
    Trainer(best_rmse(3, 2, 1, 0), last_epoch=2).run(checkpoint)
    task = best_rmse(3, 2, 1, 0)
    seen: list[Progress] = []
    Trainer(task).run(checkpoint, seen.append)

    assert task.ran == [3, 4]
    assert task.momentum.item() == 4
    assert [progress.best.number for progress in seen if progress.best] == [2, 3]


def test_a_checkpoint_without_best_weights_is_of_another_version(tmp_path: Path) -> None:
    checkpoint = tmp_path / "run.safetensors"
    epoch = Epoch(number=1, train_loss=1.0, seconds=1.0).model_dump_json()
    write(checkpoint, {"kept.weight": torch.zeros(1)}, {"config": "{}", "epochs": f"[{epoch}]"})

    with pytest.raises(CheckpointError, match="another version"):
        Trainer(best_rmse(1)).run(checkpoint)


class Descent(StepTask):
    """Moves a weight towards 0; one step has a share of the weight in the mean that its samples do not tell."""

    name = "descent"
    settings = "{}"
    epochs = 1
    early_stopping = None
    seed = 0
    largest_gradient = 1.0

    def __init__(self, steps: list[tuple[float, int, int | None]]) -> None:
        self.network = nn.Linear(1, 1, bias=False)
        nn.init.constant_(self.network.weight, 10.0)
        self.optimizer = torch.optim.SGD(self.network.parameters(), lr=0.0)
        self.losses = steps
        self.rates: list[float] = []

    def step_count(self, epoch: int) -> int:
        return len(self.losses)

    def rate(self, epochs_done: float) -> float:
        self.rates.append(epochs_done)
        return 1.0

    def steps(self, epoch: int):
        for loss, samples, weight in self.losses:
            yield Step(self.network.weight.sum() * 0 + self.network.weight.sum() * 100 + loss, samples, weight)

    def validation(self) -> dict[str, float]:
        return {}


def test_gradients_are_clipped_and_the_rate_follows_the_share_of_the_epoch() -> None:
    task = Descent([(0.0, 1, None), (0.0, 1, None)])
    task.run_epoch(3, lambda *_: None)

    assert task.network.weight.item() == pytest.approx(8.0)  # two steps of 1: the norm of the clipped gradient
    assert task.rates == [2.5, 3.0]


@pytest.mark.parametrize(
    ("weights", "mean"), [pytest.param((None, None), 1.75, id="by samples"), pytest.param((1, 1), 1.5, id="by weights")]
)
def test_the_loss_of_an_epoch_is_the_mean_of_its_steps(weights: tuple[int | None, int | None], mean: float) -> None:
    task = Descent([(1.0, 10, weights[0]), (2.0, 30, weights[1])])
    task.largest_gradient = 0.0  # the weight stays at 10, which adds 1000 to the loss
    reports: list[tuple[int, int, float, int]] = []

    loss = task.run_epoch(1, lambda *report: reports.append(report))

    assert loss == pytest.approx(1000 + mean)
    assert [(step, steps, samples) for step, steps, _, samples in reports] == [(1, 2, 10), (2, 2, 40)]


def test_a_peers_network_is_trained_by_the_same_loop_and_keeps_the_greatest_ndcg(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scores = iter([0.1, 0.3, 0.2, 0.2])
    monkeypatch.setattr("benchmarks.neural.validation_ndcg", lambda *_: next(scores))
    network = nn.Linear(1, 1)
    numbers: list[int] = []

    def train_epoch(number: int) -> float:
        numbers.append(number)
        nn.init.constant_(network.weight, number)
        return 1.0

    class Peer:
        name = "peer"

    trainer = Trainer(PeerTask(Peer(), network, train_epoch, None, epochs=9, patience=2))
    trainer.run()

    assert numbers == [0, 1, 2, 3]
    assert network.weight.item() == 1
    assert [epoch.validation_ndcg for epoch in trainer.epochs] == [0.1, 0.3, 0.2, 0.2]
