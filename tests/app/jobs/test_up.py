"""The main job, as a newcomer runs it: one command, from nothing to a service that answers."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from server import free_port

from model.inference import artifact

SEQREC = Path(sys.executable).with_name("seqrec")


@contextmanager
def up(folder: Path, *options: str, within: float) -> Iterator[tuple[httpx.Client, Path]]:
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
        process.send_signal(signal.SIGINT)
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


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "options",
    [
        pytest.param(["--model", "seqrec-small"], id="for a quick look", marks=pytest.mark.slow),
        pytest.param([], id="the whole model", marks=pytest.mark.soak),
    ],
)
def test_one_command_goes_from_nothing_to_answers_and_is_quick_the_second_time(
    tmp_path: Path, options: list[str]
) -> None:
    with up(tmp_path, *options, within=500) as (client, log):
        said = log.read_text()
        assert "could not be downloaded" in said
        assert "NOT REAL DATA" in said
        assert said.count("curl ") == 2
        assert client.get("/model").json()["sample_data"] is True
        listed = client.get("/users/1/recommendations", params={"n": 5}).json()["recommendations"]
        assert len(listed) == 5
        predicted = client.post("/predict", json={"user_id": 1, "movie_ids": [1, 2, 3]}).json()["predictions"]
        assert [entry["movie_id"] for entry in predicted] == [1, 2, 3]

    with up(tmp_path, *options, within=60) as (client, log):
        assert "training" not in log.read_text()
        assert client.get("/users/1/recommendations", params={"n": 5}).json()["recommendations"] == listed
        assert "NOT REAL DATA" in log.read_text()

    newest = artifact.newest(tmp_path / "data" / "artifacts")
    assert newest is not None
    held_out = artifact.load_card(newest).held_out
    assert held_out.rmse < held_out.baselines["bias"].rmse
