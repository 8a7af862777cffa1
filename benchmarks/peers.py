"""Measures recommenders of other libraries: ``python -m benchmarks.peers --help``."""

import argparse
import logging
import sys
from collections.abc import Callable, Collection, Sequence
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import cast

import torch

from benchmarks.tuning import Peer, PeerEvaluation, Tuned
from model.baselines.lists import ItemKnn, Popularity
from model.data.dataset import read
from model.data.sequences import Sequences
from model.data.splits import PROTOCOLS, Split, split
from model.evaluation.bootstrap import interval_of_mean
from model.evaluation.evaluate import RankingEvaluator
from model.evaluation.interfaces import Ranker
from model.evaluation.ranking_metrics import ndcg_of_users
from model.experiments.lists.comparisons import write_ranks
from model.experiments.lists.runs import PROTOCOLS as LIST_PROTOCOLS
from model.experiments.provenance import Fingerprint, Provenance, fingerprint, versions
from model.files import atomic_write
from model.training.context import TrainingContext

log = logging.getLogger(__name__)

PEERS = {
    "als": "benchmarks.implicit_peers.Als",
    "bpr": "benchmarks.implicit_peers.Bpr",
    "ease": "benchmarks.ease.Ease",
    "ease-recent": "benchmarks.ease.RecentEase",
    "sasrec": "benchmarks.rectools_peers.SasRec",
    "hstu": "benchmarks.rectools_peers.Hstu",
    "esasrec": "benchmarks.rectools_peers.ESasRec",
    "gru": "benchmarks.rectools_peers.Gru",
    "gru4rec": "benchmarks.recbole_peers.Gru4Rec",
}
"""Each peer's class by name, imported when it is needed, so that each library works without the others."""


FINGERPRINT_MINUTES = 10.0
"""Never reached: a fingerprint takes seconds."""


def main(arguments: Sequence[str] | None = None) -> None:
    options = parser().parse_args(arguments)
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    logging.getLogger("benchmarks").setLevel(logging.INFO)
    data = read(options.data)
    sequences = Sequences.of(data)
    for protocol in options.protocol:
        divided = split(protocol, sequences, task="ranking")
        for name in options.peers:
            result = options.out / f"{protocol}-{name}.json"
            if result.exists() and not options.again:
                log.info("%s is there already", result)
                continue
            peer = peer_class(name)
            software = versions(torch.device("cpu"), **{peer.package: version(peer.package)})  # fails now, if at all
            measured = measure(peer, divided, len(data.catalogue.vocabulary), options.minutes, result)
            measured.made_by = Provenance(
                fingerprint=peer_fingerprint(peer, protocol),
                seed=None,
                versions=software,
                data_checksum=data.checksum,
                minutes=measured.seconds / 60,
            )
            with atomic_write(result) as temporary:
                temporary.write_text(measured.model_dump_json(indent=2) + "\n")
            log.info("%s: NDCG@10 %.4f, HR@10 %.4f on test", result, measured.ndcg_at_10, measured.hr_at_10)


def parser() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(prog="python -m benchmarks.peers", description=__doc__)
    protocols = tuple(PROTOCOLS["ranking"])
    options.add_argument("--data", type=Path, required=True, help="a MovieLens 1M folder")
    options.add_argument("--out", type=Path, default=Path("docs/results/peers"), help="folder of the results")
    options.add_argument(
        "--protocol", type=one_of(protocols), default=LIST_PROTOCOLS, help=f"of {', '.join(protocols)}"
    )
    options.add_argument("--peers", type=one_of(PEERS), default=tuple(PEERS), help=f"of {', '.join(PEERS)}")
    options.add_argument("--minutes", type=float, default=600.0, help="of training a network, at most; [%(default)g]")
    options.add_argument("--again", action="store_true", help="measure what has a result too")
    return options


def one_of(names: Collection[str]) -> Callable[[str], list[str]]:
    """A parser of names separated by commas."""

    def parse(text: str) -> list[str]:
        chosen = text.split(",")
        if unknown := [name for name in chosen if name not in names]:
            raise argparse.ArgumentTypeError(f"no {', '.join(unknown)}; there are {', '.join(names)}")
        return chosen

    return parse


def peer_class(name: str) -> type[Peer]:
    module, _, attribute = PEERS[name].rpartition(".")
    peer: type[Peer] = getattr(import_module(module), attribute)
    return peer


def measure(peer: type[Peer], divided: Split, vocabulary_size: int, minutes: float, result: Path) -> PeerEvaluation:
    """Choose the peer's settings on validation and evaluate it once on test.

    The ranks of the targets are left beside the file ``result``, for comparisons.
    """
    tuned = Tuned(peer, divided.name, vocabulary_size, minutes)
    baselines: list[Ranker] = [Popularity(vocabulary_size), ItemKnn(vocabulary_size)]
    evaluation, ranking = RankingEvaluator().evaluate(tuned, divided, baselines)
    write_ranks(result, ranking.target_ranks)
    return PeerEvaluation(
        **evaluation.model_dump(),
        library=peer.library,
        version=version(peer.package),
        settings=tuned.settings,
        grid=tuned.trials,
        interval=interval_of_mean(ndcg_of_users(ranking.target_ranks)),
    )


def peer_fingerprint(peer: type[Peer], protocol: str) -> Fingerprint:
    """Of the peer with the first settings of its grid, trained for no more than two epochs."""

    def build(context: TrainingContext) -> Peer:
        limit = {"minutes": FINGERPRINT_MINUTES} if peer.takes_time else {}
        settings = peer.grid(protocol)[0] | limit
        made = cast(Callable[..., Peer], peer)(context.vocabulary_size, **settings)
        if peer.takes_time:
            made.most_epochs = 2
        return made

    return fingerprint(build, protocol, "ranking")


if __name__ == "__main__":
    main()
