"""Training by several processes, one of which is killed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

COMMAND = [sys.executable, "-m", "seqrec", "train", "--model", "seqrec-small"]
# Not with coverage: a signal that comes while it takes a line down is printed, and the training goes on.
UNMEASURED = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_PROCESS")}
ENVIRONMENT = UNMEASURED | {"OMP_NUM_THREADS": "1", "SEQREC_DEVICE": "cpu"}


def start(data: Path, out: Path, *options: str) -> subprocess.Popen[str]:
    command = [*COMMAND, "--data", str(data), "--out", str(out), *options]
    return subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def kill_process_of(launcher: subprocess.Popen[str], rank: int, out: Path) -> None:
    """Kill one process of a training once its factorization is done."""
    deadline = time.monotonic() + 400
    while not list(out.glob(".checkpoints/priors-*")):
        assert launcher.poll() is None, launcher.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    children = Path(f"/proc/{launcher.pid}/task/{launcher.pid}/children").read_text().split()
    [pid] = [pid for pid in children if f"LOCAL_RANK={rank}\0" in Path(f"/proc/{pid}/environ").read_text()]
    os.kill(int(pid), signal.SIGKILL)


def test_a_killed_process_ends_the_training_with_a_sentence_and_resume_goes_on(
    sample_folder: Path, tmp_path: Path
) -> None:
    training = start(sample_folder, tmp_path, "--processes", "2")
    kill_process_of(training, 1, tmp_path)
    out, err = training.communicate()

    assert training.returncode == 1
    assert not out
    lines = [line for line in err.splitlines() if line.startswith("Error: ")]
    assert (
        "Error: Process 1 of the training was ended by SIGKILL, perhaps for lack of memory. Finished epochs are "
        "saved: the same command with --resume goes on from there." in lines
    )
    assert len(lines) <= 2  # the other one may say that it has lost this one
    assert "Traceback" not in err
    assert not list(tmp_path.glob("*-seqrec-small"))

    resumed = start(sample_folder, tmp_path, "--resume")
    out, err = resumed.communicate()
    assert resumed.returncode == 0, err
    assert Path(out.strip(), "manifest.json").exists()
    assert "factorization" not in err


def test_after_the_first_process_was_killed_all_start_again_and_go_on(sample_folder: Path, tmp_path: Path) -> None:
    training = start(sample_folder, tmp_path, "--processes", "2", "--restarts", "1")
    kill_process_of(training, 0, tmp_path)
    out, err = training.communicate()

    assert training.returncode == 0, err
    assert Path(out.strip(), "manifest.json").exists()
    assert err.count("factorization: 92 of 92") == 1
