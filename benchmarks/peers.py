"""Measures recommenders of other libraries: ``python -m benchmarks.peers --help``."""

import argparse
import logging
import sys
from collections.abc import Callable, Collection, Sequence
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

from benchmarks.tuning import Peer, PeerEvaluation, Tuned
from model.data.dataset import read
from model.data.sequences import Sequences
from model.data.splits import PROTOCOLS, Split, split
from model.evaluation.ranking import evaluate

log = logging.getLogger(__name__)

PEERS = {
    "als": "benchmarks.implicit_peers.Als",
    "bpr": "benchmarks.implicit_peers.Bpr",
    "ease": "benchmarks.ease.Ease",
    "ease-recent": "benchmarks.ease.RecentEase",
    "sasrec": "benchmarks.rectools_peers.SasRec",
    "gru": "benchmarks.rectools_peers.Gru",
    "gru4rec": "benchmarks.recbole_peers.Gru4Rec",
}
"""Each peer's class by name. It is imported when it is its turn, so that one library does without the others."""


def main(arguments: Sequence[str] | None = None) -> None:
    asked = parser().parse_args(arguments)
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    logging.getLogger("benchmarks").setLevel(logging.INFO)
    data = read(asked.data)
    sequences = Sequences.of(data)
    asked.out.mkdir(parents=True, exist_ok=True)
    for protocol in asked.protocol:
        divided = split(protocol, sequences, task="ranking")
        for name in asked.peers:
            result = asked.out / f"{protocol}-{name}.json"
            if result.exists() and not asked.again:
                log.info("%s is there already", result)
                continue
            measured = measure(peer_class(name), divided, len(data.catalogue.vocabulary), asked.minutes)
            result.write_text(measured.model_dump_json(indent=2) + "\n")
            log.info("%s: NDCG@10 %.4f, HR@10 %.4f on test", result, measured.ndcg_at_10, measured.hr_at_10)


def parser() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(prog="python -m benchmarks.peers", description=__doc__)
    protocols = tuple(PROTOCOLS["ranking"])
    options.add_argument("--data", type=Path, required=True, help="a MovieLens 1M folder")
    options.add_argument("--out", type=Path, default=Path("docs/results/peers"), help="folder of the results")
    options.add_argument("--protocol", type=one_of(protocols), default=protocols, help=f"of {', '.join(protocols)}")
    options.add_argument("--peers", type=one_of(PEERS), default=tuple(PEERS), help=f"of {', '.join(PEERS)}")
    options.add_argument("--minutes", type=float, default=600.0, help="of training a network, at most; [%(default)g]")
    options.add_argument("--again", action="store_true", help="measure what has a result too")
    return options


def one_of(names: Collection[str]) -> Callable[[str], list[str]]:
    """Reads names with commas between them."""

    def chosen(text: str) -> list[str]:
        asked = text.split(",")
        if unknown := [name for name in asked if name not in names]:
            raise argparse.ArgumentTypeError(f"no {', '.join(unknown)}; there are {', '.join(names)}")
        return asked

    return chosen


def peer_class(name: str) -> type[Peer]:
    module, _, attribute = PEERS[name].rpartition(".")
    found: type[Peer] = getattr(import_module(module), attribute)
    return found


def measure(peer: type[Peer], divided: Split, vocabulary_size: int, minutes: float) -> PeerEvaluation:
    """Choose the peer's settings on validation and evaluate_trained it once on test."""
    tuned = Tuned(peer, divided.name, vocabulary_size, minutes)
    return PeerEvaluation(
        **evaluate(tuned, divided).model_dump(),
        library=peer.library,
        version=version(peer.package),
        settings=tuned.settings,
        grid=tuned.trials,
    )


if __name__ == "__main__":
    main()
