"""Training of another library's network, an epoch at a time, until its lists for the validation users get no better."""

import logging
from collections.abc import Callable

from torch import Tensor, nn

from benchmarks.tuning import validation_ndcg
from model.data.splits import Split
from model.evaluation.interfaces import Ranker
from model.training.trainer import EarlyStopping, Report, Trainer

log = logging.getLogger(__name__)


class PeerTask:
    """A network whose library runs an epoch; keeps the epoch with the greatest NDCG@10 on validation.

    The library draws from its own generators, so that such a run is not resumed.
    """

    settings = ""

    def __init__(
        self,
        peer: Ranker,
        network: nn.Module,
        train_epoch: Callable[[int], float],
        split: Split,
        epochs: int,
        patience: int,
    ) -> None:
        """Set up a task.

        Args:
            peer: ranks with the network.
            network: what is trained.
            train_epoch: trains for the epoch of this number, from 0; returns the mean loss.
            split: its validation examples decide.
            epochs: at most.
            patience: epochs without a greater NDCG@10 after which training ends.
        """
        self.name = peer.name
        self.peer = peer
        self.network = network
        self.train_epoch = train_epoch
        self.split = split
        self.epochs = epochs
        self.early_stopping: EarlyStopping | None = EarlyStopping("validation_ndcg", patience, greatest=True)

    def run_epoch(self, number: int, report: Report) -> float:  # noqa: ARG002 - the library takes the steps
        loss = self.train_epoch(number - 1)
        log.info("  epoch %d: loss %.4f", number, loss)
        return loss

    def validation(self) -> dict[str, float]:
        self.network.eval()
        ndcg = validation_ndcg(self.peer, self.split)
        log.info("  NDCG@10 %.4f on validation", ndcg)
        return {"validation_ndcg": ndcg}

    def state(self) -> dict[str, Tensor]:
        return {}

    def restore(self, state: dict[str, Tensor]) -> None:
        raise NotImplementedError


def train_until_best(
    peer: Ranker,
    network: nn.Module,
    train_epoch: Callable[[int], float],
    split: Split,
    epochs: int,
    patience: int,
    minutes: float,
) -> Trainer:
    """Leave the network with its best epoch's weights; no epoch begins after so many minutes. See `PeerTask`."""
    task = PeerTask(peer, network, train_epoch, split, epochs, patience)
    trainer = Trainer(task, time_limit=60 * minutes)
    trainer.run()
    return trainer
