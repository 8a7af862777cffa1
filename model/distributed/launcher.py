"""Starts the processes of a training: PyTorch's elastic launcher, as `torchrun` starts it, with other words."""

import logging
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.elastic.rendezvous import RendezvousError
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from model.errors import ProcessGroupError

SECONDS_TO_MEET = 60
"""How long a machine tries to reach the first one."""

MINUTES_TO_GATHER = 10
"""How long the machines wait until all are there."""


class Launch(NamedTuple):
    """What to start.

    Attributes:
        processes: on each machine.
        machines: number of them; the same command is given on each.
        rendezvous: ``host:port`` of one of them, where all meet; None for one machine.
        restarts: how often to start all processes again after one has ended too early.
    """

    processes: int
    machines: int = 1
    rendezvous: str | None = None
    restarts: int = 0


def run(launch: Launch, command: list[str]) -> None:
    """Run a command in each of the processes, to its end.

    A process that has failed has said why, and this one exits with its status. `ProcessGroupError` if a process was
    killed, or if the machines do not meet.
    """
    os.environ.setdefault("OMP_NUM_THREADS", str(max((os.cpu_count() or 1) // launch.processes, 1)))
    config = LaunchConfig(
        min_nodes=launch.machines,
        max_nodes=launch.machines,
        nproc_per_node=launch.processes,
        max_restarts=launch.restarts,
        run_id="seqrec",
        rdzv_backend="c10d",
        rdzv_endpoint=launch.rendezvous or "localhost:0",
        rdzv_configs={"timeout": 60 * MINUTES_TO_GATHER, "read_timeout": SECONDS_TO_MEET},
        logs_specs=DefaultLogsSpecs(),
    )
    try:
        with _nothing_logged():
            elastic_launch(config, command[0])(*command[1:])
    except ChildFailedError as error:
        rank, failure = error.get_first_failure()
        if failure.exitcode > 0:
            sys.exit(failure.exitcode)
        raise ProcessGroupError(
            f"Process {rank} of the training was ended by {signal.Signals(-failure.exitcode).name}, perhaps for lack "
            "of memory. Finished epochs are saved: the same command with --resume goes on from there."
        ) from error
    except (RendezvousError, ValueError) as error:  # the latter for an address that is none
        raise ProcessGroupError(
            f"{launch.machines} machines did not meet at {launch.rendezvous}, or one of them has ended and says why. "
            f"Within {MINUTES_TO_GATHER} minutes, give all of them the same command, with the address of one of them "
            "and a port that no firewall closes; --resume goes on after the last finished epoch."
        ) from error
    except SignalException as error:
        sys.exit(128 + error.sigval)


@contextmanager
def _nothing_logged() -> Iterator[None]:
    """PyTorch's launcher logs what this one says in a sentence."""
    before = logging.root.manager.disable
    logging.disable()
    try:
        yield
    finally:
        logging.disable(before)
