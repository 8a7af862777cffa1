"""The main job, as a newcomer runs it: one command, from nothing to a service that answers."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from builders import star_figures
from reliability import Record
from server import free_port

from model.card import Card
from model.inference import artifact

SEQREC = Path(sys.executable).with_name("seqrec")


@contextmanager
def up(
    folder: Path, *options: str, within: float, end: signal.Signals = signal.SIGINT
) -> Iterator[tuple[httpx.Client, Path]]:
    """``seqrec up`` in a folder without a network; a client once it is ready, and the file with what it printed."""
    port, log = free_port(), folder / "up.log"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SEQREC_")}
    environment |= {"SEQREC_ML1M_URL": "http://127.0.0.1:9/ml-1m.zip", "SEQREC_PORT": str(port)}
    with log.open("w") as file:
        process = subprocess.Popen([SEQREC, "up", *options], cwd=folder, env=environment, stdout=file, stderr=file)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            _wait_until_ready(client, process, log, within)
            yield client, log
    finally:
        process.send_signal(end)
        process.wait(30)


def _wait_until_ready(client: httpx.Client, process: subprocess.Popen[bytes], log: Path, within: float) -> None:
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()
        try:
            if client.get("/health/ready").status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    pytest.fail(f"not ready within {within} s:\n{log.read_text()}")


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_one_command_goes_from_nothing_to_answers_and_is_quick_the_second_time(tmp_path: Path) -> None:
    small = ("--model", "seqrec-small")
    with up(tmp_path, *small, within=500) as (client, log):
        said = log.read_text()
        assert "could not be downloaded" in said
        assert "NOT REAL DATA" in said
        assert said.count("curl ") == 2
        assert client.get("/model").json()["sample_data"] is True
        listed = client.get("/users/1/recommendations", params={"n": 5}).json()["recommendations"]
        assert len(listed) == 5
        predicted = client.post("/predict", json={"user_id": 1, "movie_ids": [1, 2, 3]}).json()["predictions"]
        assert [entry["movie_id"] for entry in predicted] == [1, 2, 3]

    with up(tmp_path, *small, within=60) as (client, log):
        assert "training" not in log.read_text()
        assert client.get("/users/1/recommendations", params={"n": 5}).json()["recommendations"] == listed
        assert "NOT REAL DATA" in log.read_text()

    held_out = star_figures(newest_card(tmp_path))
    assert held_out.rmse < held_out.baselines["bias"].rmse


@pytest.mark.soak
@pytest.mark.timeout(1200)
def test_a_first_model_answers_while_the_whole_one_is_trained_whatever_is_killed_meanwhile(
    tmp_path: Path, record: Record
) -> None:
    with up(tmp_path, within=300, end=signal.SIGKILL) as (client, _):
        model = client.get("/model").json()
        assert model["card"]["preliminary"] is True
        killed = ask_until(client, lambda training: "stars" in training["stage"])  # the first factorization is done

    with up(tmp_path, within=60) as (client, log):
        assert "with held-out users" not in log.read_text().partition("is ready")[0]  # the first model is there
        stages: list[str] = []

        def is_past_what_was_done(training: dict[str, Any]) -> bool:
            if training["state"] == "running":
                stages.append(training["stage"])
            return bool(stages) and training["share"] > killed["share"]

        ask_until(client, is_past_what_was_done)
        # What was finished before the kill is not done again.
        assert not [stage for stage in stages if "factorization" in stage and "held-out" in stage]
        ended = ask_until(client, lambda training: training["state"] in {"served", "worse"})
        _wait_for_model(client, preliminary=ended["state"] == "worse")

    held_out = star_figures(newest_card(tmp_path))
    assert held_out.rmse < held_out.baselines["bias"].rmse
    with up(tmp_path, within=60) as (client, _):
        assert client.get("/model").json()["training"]["state"] == ended["state"]
    record("a training killed with the service that it runs beside, which goes on", database="sqlite", kills=1)


def ask_until(client: httpx.Client, reached: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """The state of the training, once it is so; the service answers all the while."""
    while True:
        assert client.get("/users/1/recommendations").status_code == 200
        training: dict[str, Any] = client.get("/model").json()["training"]
        assert training["state"] != "failed", training["stage"]
        if training["model"] == "seqrec" and reached(training):  # not that of the first model
            return training
        time.sleep(0.5)


def _wait_for_model(client: httpx.Client, *, preliminary: bool) -> None:
    """The service loads a new model in the background, a moment after it is there."""
    deadline = time.monotonic() + 60
    while client.get("/model").json()["card"]["preliminary"] != preliminary:
        assert time.monotonic() < deadline, "the new model was not loaded"
        time.sleep(0.2)


def newest_card(folder: Path) -> Card:
    newest = artifact.newest(folder / "data" / "artifacts")
    assert newest is not None
    return artifact.load_card(newest)
