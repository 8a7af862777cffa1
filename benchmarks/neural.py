"""Training of a network of another library, an epoch at a time, until its lists on validation get no better."""

import logging
import time
from collections.abc import Callable

from torch import Tensor, nn

from benchmarks.tuning import validation_ndcg
from model.card import Epoch
from model.data.splits import Split
from model.evaluation.interfaces import Ranker

log = logging.getLogger(__name__)


def train_until_best(
    peer: Ranker,
    network: nn.Module,
    run_epoch: Callable[[int], float],
    split: Split,
    longest: int,
    patience: int,
    minutes: float,
) -> None:
    """Leave the network with the weights of the epoch that has the greatest NDCG@10 on validation.

    Args:
        peer: ranks with the network; its ``epochs`` grow.
        network: what is trained.
        run_epoch: trains for the epoch of this number, from 0, and gives the mean loss.
        split: its validation examples decides.
        longest: epochs at most.
        patience: epochs without a gain after which training ends.
        minutes: after which no epoch begins any more.
    """
    began = time.perf_counter()
    highest, best, best_weights = -1.0, 0, kept(network)
    for number in range(1, longest + 1):
        started = time.perf_counter()
        loss = run_epoch(number - 1)
        seconds = time.perf_counter() - started
        network.eval()
        ndcg = validation_ndcg(peer, split)
        peer.epochs.append(Epoch(number=number, train_loss=loss, validation_ndcg=ndcg, seconds=seconds))
        log.info("  epoch %d: loss %.4f, NDCG@10 %.4f on validation, %.0f s", number, loss, ndcg, seconds)
        if ndcg > highest:
            highest, best, best_weights = ndcg, number, kept(network)
        if number - best >= patience or time.perf_counter() - began > 60 * minutes:
            break
    network.load_state_dict(best_weights)
    network.eval()


def kept(network: nn.Module) -> dict[str, Tensor]:
    """A copy of the weights that training does not reach."""
    return {name: value.detach().clone() for name, value in network.state_dict().items()}
