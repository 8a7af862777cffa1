"""Plays users with known tastes against two services: one that retrains after each round, and one that never does."""

import resource
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from app.jobs.reporter import Reporter
from app.jobs.simulation.players import BEGUN, FEWEST, SESSIONS, Player, cast, write_first
from app.jobs.simulation.service import Service
from app.jobs.simulation.sessions import SessionScore, play, rate
from model.evaluation.bootstrap import MeanDifference, paired_mean_difference
from model.types import FloatArray
from seqrec.client import Client
from seqrec.schemas.model import Retraining
from seqrec.schemas.online import OnlineMeasurement

MODEL = "seqrec-small"
"""What both services begin with, and what is retrained: it is trained in seconds."""


class Round(NamedTuple):
    """A round: how good the lists of the same users were in both services, and the retraining that followed.

    Attributes:
        learned_from: ratings that the model of the loop has learned from.
        loop, frozen: by user, in the same order.
        retraining: what the loop's service did afterwards; None after the last round.
    """

    learned_from: int
    loop: list[SessionScore]
    frozen: list[SessionScore]
    retraining: Retraining | None

    @property
    def difference(self) -> MeanDifference:
        """Of NDCG, with retraining less without, over the same users."""
        return paired_mean_difference(ndcg_of(self.loop), ndcg_of(self.frozen))


class Simulation(NamedTuple):
    """What was played, and what both services say of it themselves.

    ``seconds`` are those of processor time, of all processes.
    """

    data: str
    users: int
    rounds: list[Round]
    loop: OnlineMeasurement
    frozen: OnlineMeasurement
    seconds: float


def simulate(data: Path, rounds: int, users: int, reporter: Reporter) -> Simulation:
    """``users`` newcomers in each of the rounds; works in a temporary folder alone.

    `DataError` if the folder has too few users, `SeqRecError` if a service or a command of it fails. An interruption
    ends all processes and removes the folder.
    """
    players = cast(data, rounds, users)
    with tempfile.TemporaryDirectory(prefix="seqrec-simulation-") as temporary:
        service = _first_service(Path(temporary), players.first, data, reporter)
        control = service.copy(Path(temporary) / "frozen")
        with service.serving() as loop, control.serving() as frozen:
            played = [
                _play_round(service, loop, frozen, newcomers, number, rounds, reporter)
                for number, newcomers in enumerate(players.rounds, start=1)
            ]
            online = loop.online_measurement(), frozen.online_measurement()
    return Simulation(data.name, users, played, *online, _processor_seconds())


def _processor_seconds() -> float:
    """Of this process and of those that it has waited for."""
    both = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in both)


def _first_service(folder: Path, players: Sequence[Player], data: Path, reporter: Reporter) -> Service:
    """A service whose model has learned from the first users: it was trained, and retrained once.

    A model that was trained once has learned for fewer epochs than a retrained one, and would not compare.
    """
    service, first = Service(folder / "loop"), folder / "first"
    service.folder.mkdir()
    write_first(players, data, first)
    reporter.message(f"First model: {MODEL} learns from {len(players):,} users")
    service.run("db", "load", first)
    service.run("train", "--data", first, "--model", MODEL)
    with service.serving() as client:
        rate(client, players, BEGUN, FEWEST)
        service.retrain(client)
    return service


def _play_round(
    service: Service,
    loop: Client,
    frozen: Client,
    newcomers: Sequence[Player],
    number: int,
    rounds: int,
    reporter: Reporter,
) -> Round:
    stage, steps = f"Round {number} of {rounds}", 2 * SESSIONS + 1
    learned_from = loop.model().card.data.ratings
    with_loop = play(loop, newcomers, lambda done: reporter.progress(stage, done, steps, "with retraining"))
    without = play(frozen, newcomers, lambda done: reporter.progress(stage, SESSIONS + done, steps, "without"))
    retraining = None
    if number < rounds:  # what a last one would learn, nobody would see
        reporter.progress(stage, 2 * SESSIONS, steps, "retraining")
        service.retrain(loop)
        retraining = loop.models().retrainings[0]
    reporter.progress(stage, steps, steps)
    played = Round(learned_from, with_loop, without, retraining)
    outcome = "" if retraining is None else f"; the new model is {retraining.outcome}"
    difference = played.difference
    reporter.message(
        f"{stage}: NDCG {ndcg_of(with_loop).mean():.4f} with retraining, {ndcg_of(without).mean():.4f} without, "
        f"difference {difference.mean:+.4f} ({difference.low:+.4f} to {difference.high:+.4f}){outcome}"
    )
    return played


def ndcg_of(scores: Sequence[SessionScore]) -> FloatArray:
    """Mean NDCG of each user's lists, shape (users,)."""
    return np.array([one.ndcg for one in scores], dtype=np.float32)
