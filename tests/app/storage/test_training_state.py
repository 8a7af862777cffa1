"""How far a training is, as the service reads it, and who may train."""

import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from app.errors import TrainingBusy
from app.storage import training_state
from app.storage.training_state import TrainingState

HOLD = """
import sys, time
from pathlib import Path
from app.storage import training_state
with training_state.lock(Path(sys.argv[1])):
    print("locked", flush=True)
    time.sleep(60)
"""


def running(**changes: object) -> TrainingState:
    now = training_state.now()
    state = TrainingState(
        model="seqrec",
        state="running",
        stage="lists, epoch 1 of 2",
        share=0.5,
        started_at=now - timedelta(minutes=4),
        started_with=0.3,
        updated_at=now,
        data="checksum",
    )
    return state.model_copy(update=changes)


def test_one_process_trains_at_a_time_and_a_second_one_is_told_which(tmp_path: Path) -> None:
    with (
        training_state.lock(tmp_path),
        pytest.raises(TrainingBusy, match=f"Process {os.getpid()} trains"),
        training_state.lock(tmp_path),
    ):
        pass
    with training_state.lock(tmp_path):  # free again
        pass


def test_whoever_reads_the_state_does_not_stand_in_the_way_of_who_trains(tmp_path: Path) -> None:
    training_state.write(tmp_path, running())
    for _ in range(20):
        training_state.read(tmp_path)
        with training_state.lock(tmp_path):
            pass


def test_a_training_that_was_killed_is_interrupted_whatever_its_file_says(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", HOLD, tmp_path], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    process.stdout.readline()
    training_state.write(tmp_path, running())

    def state() -> str | None:
        read = training_state.read(tmp_path)
        return None if read is None else read.state

    assert state() == "running"
    with pytest.raises(TrainingBusy, match=str(process.pid)), training_state.lock(tmp_path):
        pass
    process.kill()
    process.communicate()
    assert state() == "interrupted"


def test_the_rest_takes_as_long_for_its_share_as_what_this_run_has_done() -> None:
    state = running()  # from 0.3 to 0.5 in 4 minutes: 10 more for the other half

    assert state.ready_at is not None
    assert state.ready_at - state.updated_at == timedelta(minutes=10)
    assert running(share=0.31).ready_at is None  # reading the data has taken most of the time yet
    assert running(state="served", share=1.0).ready_at is None


def test_where_nothing_was_trained_there_is_no_state(tmp_path: Path) -> None:
    assert training_state.read(tmp_path) is None
    training_state.write(tmp_path, running())
    (tmp_path / training_state.FOLDER / "state.json").write_text("{")
    assert training_state.read(tmp_path) is None
