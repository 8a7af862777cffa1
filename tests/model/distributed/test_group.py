"""Processes that train together: what they learn, and what they say when they cannot."""

import json
import os
import subprocess
import sys
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
import torch
import trains_together

from model.distributed import group, launcher
from model.distributed.group import StepShare, joined, share, share_of_users
from model.distributed.launcher import Launch
from model.errors import DeviceError, ProcessGroupError

ROOT = Path(__file__).parents[3]
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node"]

Learned = dict[str, list[float]]


def by_processes(count: int, *script: object) -> subprocess.CompletedProcess[str]:
    paths = {"PYTHONPATH": f"{ROOT}:{ROOT / 'tests' / 'support'}", "OMP_NUM_THREADS": "1"}
    command = [*TORCHRUN, str(count), *map(str, script)]
    return subprocess.run(command, env=os.environ | paths, capture_output=True, text=True, check=False)


def learned_by(processes: int, data: Path, out: Path, epochs: int = 2) -> Learned:
    """What `trains_together` learns."""
    if processes == 1:
        return trains_together.train(data, out, epochs)
    done = by_processes(processes, trains_together.__file__, data, out, epochs)
    assert done.returncode == 0, done.stderr
    learned: Learned = json.loads((out / "learned.json").read_text())
    return learned


@pytest.fixture(scope="module")
def alone(sample_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Learned:
    return learned_by(1, sample_folder, tmp_path_factory.mktemp("alone"))


def assert_same(some: Learned, others: Learned) -> None:
    for name, values in some.items():
        assert others[name] == pytest.approx(values, abs=1e-4), name


@pytest.mark.slow
def test_three_processes_learn_what_one_learns(alone: Learned, sample_folder: Path, tmp_path: Path) -> None:
    assert_same(alone, learned_by(3, sample_folder, tmp_path))


@pytest.mark.slow
@pytest.mark.parametrize(("first", "then"), [(1, 2), (2, 1)])
def test_any_number_of_processes_goes_on_from_the_checkpoint_of_any_other(
    first: int, then: int, alone: Learned, sample_folder: Path, tmp_path: Path
) -> None:
    begun = learned_by(first, sample_folder, tmp_path, 1)
    learned = learned_by(then, sample_folder, tmp_path)

    assert begun["stars"] == learned["stars"][:1]
    assert not begun["lists"]
    assert_same(alone, learned)


CANDIDATES = """
import sys, torch
from pathlib import Path
from model.distributed.group import joined, rank
from model.training.softmax import Sampler

with joined(torch.device("cpu")):
    torch.manual_seed(rank())
    drawn = Sampler(torch.arange(1000), 100).draw().movies.tolist()
    own = torch.rand(1).item()
    Path(sys.argv[1], str(rank())).write_text(f"{drawn}\\n{own}")
"""


@pytest.mark.slow
def test_processes_tell_targets_from_the_same_movies_though_their_random_numbers_differ(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(CANDIDATES)
    assert by_processes(2, tmp_path / "script.py", tmp_path).returncode == 0

    (movies, own), (others_movies, others) = ((tmp_path / name).read_text().splitlines() for name in "01")
    assert movies == others_movies
    assert own != others


MISMATCH = """
import sys, torch
from model.distributed.group import joined, rank, require_same
from model.errors import ProcessGroupError

with joined(torch.device("cpu")):
    try:
        require_same({"version of SeqRec": "1", "checksum of its data": "abc" if rank() == 0 else "def"})
    except ProcessGroupError as error:
        print(error)
        raise
    print("trains")
"""


@pytest.mark.slow
def test_processes_with_different_data_are_told_so_and_do_not_train(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(MISMATCH)
    done = by_processes(2, tmp_path / "script.py")

    assert done.returncode != 0
    [line] = done.stdout.splitlines()
    assert line.startswith("Process 1 on ")
    assert " has another checksum of its data (def) than process 0 on " in line
    assert line.endswith(" (abc). Give all machines the same versions, data and options.")


def test_a_first_process_that_cannot_be_reached_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    address = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "9", "RANK": "1", "WORLD_SIZE": "2"}
    for name, value in address.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(group, "SECONDS_TO_MEET", 1)

    with (
        pytest.raises(ProcessGroupError, match=r"^Process 1 cannot reach the first one, at 127\.0\.0\.1:9\. See that"),
        joined(torch.device("cpu")),
    ):
        pass


def test_an_environment_that_lacks_something_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    with (
        pytest.raises(ProcessGroupError, match=r"\(RANK is not set\).*\(not set\):\(not set\)"),
        joined(torch.device("cpu")),
    ):
        pass


def test_a_process_without_a_gpu_of_its_own_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "8")
    monkeypatch.setenv("LOCAL_RANK", "7")
    with pytest.raises(DeviceError, match=r"fewer GPUs \(\d\) than processes"), joined(torch.device("cuda")):
        pass


def test_machines_that_do_not_meet_are_told_where_and_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # so that it is put back
    monkeypatch.setattr(launcher, "SECONDS_TO_MEET", 1)

    with pytest.raises(ProcessGroupError, match=r"^2 machines did not meet at nowhere\.invalid:29400, or one"):
        launcher.run(Launch(1, machines=2, rendezvous="nowhere.invalid:29400"), ["true"])


def as_process(monkeypatch: pytest.MonkeyPatch, rank: int, size: int) -> None:
    monkeypatch.setattr(group, "rank", lambda: rank)
    monkeypatch.setattr(group, "size", lambda: size)


@pytest.mark.parametrize("things", [0, 2, 10])
def test_shares_are_the_row_and_about_equal(things: int, monkeypatch: pytest.MonkeyPatch) -> None:
    shares = []
    for rank in range(3):
        as_process(monkeypatch, rank, 3)
        shares.append(list(range(things))[share(things)])

    assert list(chain(*shares)) == list(range(things))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_processes_share_users_by_their_ratings(monkeypatch: pytest.MonkeyPatch) -> None:
    ratings = np.array([60, 10, 10, 10, 10, 20])
    shares = []
    for rank in range(2):
        as_process(monkeypatch, rank, 2)
        shares.append(ratings[share_of_users(ratings)].tolist())

    assert shares == [[60], [10, 10, 10, 10, 20]]


@pytest.mark.parametrize("users", [2, 3, 7])
def test_the_mean_over_processes_is_that_over_all_samples(users: int, monkeypatch: pytest.MonkeyPatch) -> None:
    losses = [[float(user + number) for number in range(user + 1)] for user in range(users)]  # ragged
    everything = list(chain(*losses))
    means = []
    for rank in range(3):
        as_process(monkeypatch, rank, 3)
        step = StepShare(users)
        own = list(chain(*losses[step.users]))
        means.append(np.mean(own) * step.weight(len(own), len(everything)))

    assert np.mean(means) == pytest.approx(np.mean(everything))
