"""Two servers behind a proxy, restarted one after the other: who asks through the proxy notices nothing."""

from contextlib import ExitStack
from pathlib import Path

import pytest
from callers import Callers
from proxies import CHECKED_EVERY, Balancer, listening
from reliability import Record
from server import process
from soak import part
from sqlalchemy import Engine

DRAIN_TIME = 6 * CHECKED_EVERY
"""Seconds: on a busy machine too, the proxy has learned by then that a server is about to stop."""


def restart_in_turn(database_url: str, artifacts: Path, folder: Path, rounds: int) -> Callers:
    """What callers were answered while each of two servers was restarted so many times."""
    first, second = ExitStack(), ExitStack()

    def start(stack: ExitStack, name: str) -> str:
        return stack.enter_context(process(1, database_url, artifacts, folder / name, drain_time=DRAIN_TIME))[0]

    with first, second:
        balancer = Balancer([start(first, "first.log"), start(second, "second.log")])
        with listening(balancer.serve) as port:
            callers = Callers(f"http://127.0.0.1:{port}", reconnect=True)
            with callers.asking():
                for number in range(rounds):
                    for place, stack in enumerate((first, second)):
                        stack.close()  # tells it to stop, and waits until it has
                        balancer.servers[place] = start(stack, f"{place}-{number}.log")
    return callers


@pytest.mark.slow
@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_no_request_fails_while_two_servers_are_restarted_in_turn(
    loaded: Engine, database_url: str, artifact_folder: Path, tmp_path: Path
) -> None:
    restart_in_turn(database_url, artifact_folder.parent, tmp_path, rounds=1).assert_nothing_was_lost(loaded)


@pytest.mark.soak
@pytest.mark.timeout(600)
@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_no_request_fails_in_many_restarts(
    loaded: Engine, database_url: str, artifact_folder: Path, tmp_path: Path, record: Record
) -> None:
    callers = restart_in_turn(database_url, artifact_folder.parent, tmp_path, rounds=(rounds := part(5)))

    callers.assert_nothing_was_lost(loaded)
    record(
        "two servers behind a proxy, restarted in turn under load",
        database="postgresql",
        requests=callers.answers.total(),
        restarts=2 * rounds,
        failed=0,
    )
