"""Lists for all users by a Ray cluster of two machines, which are processes of this one."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import polars as pl
import pytest
from sqlalchemy import Engine, text

from app.errors import ListsBusy, WorkerError
from app.jobs import recommend_all as one_machine
from app.jobs import recommend_with_ray as job
from app.services.catalogue.catalogue import Filter
from app.services.recommendations import RecommendationOptions
from app.settings import Settings
from model.errors import SettingsError

ray = pytest.importorskip("ray", reason="Ray is not installed: pip install 'seqrec[ray]'")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.parametrize("database_url", ["postgresql"], indirect=True),
    pytest.mark.filterwarnings("default"),  # Ray's own
]

OPTIONS = RecommendationOptions(n=5, filter=Filter(genres=["Drama", "Comedy"]))


class Silent:
    def message(self, text: str) -> None:
        pass

    def progress(self, stage: str, done: int, total: int | None, detail: str = "") -> None:
        pass


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    """The address of a cluster of two machines with one core each."""
    from ray.cluster_utils import Cluster  # noqa: PLC0415 - where Ray is installed

    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    started = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    started.add_node(num_cpus=1)
    yield started.address
    started.shutdown()


@pytest.fixture
def settings(loaded: Engine, database_url: str, artifact_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setattr(one_machine, "USERS_PER_BLOCK", 10)
    return Settings(database_url=database_url, artifacts=artifact_folder.parent, device="cpu")


def rows(folder: Path) -> list[dict]:
    return pl.concat([pl.read_parquet(part) for part in sorted(folder.glob("*.parquet"))]).to_dicts()


def test_a_cluster_writes_the_rows_of_one_machine_also_if_a_worker_is_killed(
    cluster: str, settings: Settings, tmp_path: Path
) -> None:
    out = tmp_path / "lists"
    killed: list[int] = []
    killer = threading.Thread(target=kill_a_worker, args=(out, killed), daemon=True)
    killer.start()

    assert job.recommend_with_ray(cluster, out, OPTIONS, settings, Silent()) == 120

    killer.join(10)
    assert killed
    assert (out / "_SUCCESS").exists()
    assert len(list(out.glob("*.parquet"))) == 12
    one_machine.recommend_all(tmp_path / "lists.parquet", OPTIONS, settings, Silent(), workers=1)
    expected = pl.read_parquet(tmp_path / "lists.parquet").to_dicts()
    assert len(expected) == 600
    for made, kept in zip(rows(out), expected, strict=True):
        assert made == pytest.approx(kept, abs=1e-4) if isinstance(kept, float) else made == kept


def kill_a_worker(out: Path, killed: list[int]) -> None:
    """As soon as a block is there, kill one of the processes that make them."""
    ends = time.monotonic() + 300
    while not list(out.glob("*.parquet")):
        if time.monotonic() > ends:
            return
        time.sleep(0.01)
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            title = process.read_bytes()
        except OSError:
            continue
        if title.startswith(b"ray::") and b"_Lists" in title:
            killed.append(int(process.parent.name))
            os.kill(killed[0], signal.SIGKILL)
            return


def test_a_finished_block_is_not_made_again(cluster: str, settings: Settings, tmp_path: Path) -> None:
    job.recommend_with_ray(cluster, tmp_path / "lists", OPTIONS, settings, Silent())
    interrupt(tmp_path / "lists")
    first, *others = sorted((tmp_path / "lists").glob("*.parquet"))
    first.unlink()
    before = {path: path.stat().st_mtime_ns for path in others}

    job.recommend_with_ray(cluster, tmp_path / "lists", OPTIONS, settings, Silent())

    assert first.exists()
    assert {path: path.stat().st_mtime_ns for path in others} == before


def interrupt(folder: Path) -> None:
    """Leave a folder as an interrupted run does."""
    (folder / job.WHOLE).unlink()


def test_a_run_that_goes_on_leaves_no_lists_of_blocks_that_there_are_no_longer(
    cluster: str, settings: Settings, loaded: Engine, tmp_path: Path
) -> None:
    job.recommend_with_ray(cluster, tmp_path / "lists", OPTIONS, settings, Silent())
    interrupt(tmp_path / "lists")
    with loaded.begin() as connection:
        connection.execute(text("DELETE FROM users WHERE id = 1"))

    assert job.recommend_with_ray(cluster, tmp_path / "lists", OPTIONS, settings, Silent()) == 119

    assert [row["user_id"] for row in rows(tmp_path / "lists")] == [user for user in range(2, 121) for _ in range(5)]


def test_lists_that_are_whole_are_not_made_again(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists" / job.WHOLE).touch()

    with pytest.raises(SettingsError, match="all lists of an earlier run: name a new folder"):
        job.recommend_with_ray("127.0.0.1:9", tmp_path / "lists", OPTIONS, settings, Silent())


def test_a_folder_of_other_lists_is_left_alone(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists" / "thesis.txt").write_text("years of work")

    with pytest.raises(SettingsError, match="holds other files"):
        job.recommend_with_ray("127.0.0.1:9", tmp_path / "lists", OPTIONS, settings, Silent())
    assert (tmp_path / "lists" / "thesis.txt").read_text() == "years of work"


def test_a_folder_that_lacks_lists_does_not_count_as_whole(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def make_one_less(plan: one_machine.Plan, blocks: list[one_machine.Block]) -> Iterator[None]:
        for block in blocks[1:]:
            plan.path(block).touch()
        return iter([None] * len(blocks))

    monkeypatch.setattr(job, "_cluster", lambda _: nullcontext())
    monkeypatch.setattr(job, "_make", make_one_less)

    with pytest.raises(WorkerError, match="lacks 1 of 12 files"):
        job.recommend_with_ray("127.0.0.1:9", tmp_path / "lists", OPTIONS, settings, Silent())
    assert not (tmp_path / "lists" / job.WHOLE).exists()


def test_two_runs_never_write_into_one_folder(settings: Settings, tmp_path: Path) -> None:
    with one_machine.alone(tmp_path / "lists"), pytest.raises(ListsBusy, match=f"Process {os.getpid()} writes"):
        job.recommend_with_ray("127.0.0.1:9", tmp_path / "lists", OPTIONS, settings, Silent())
    assert not list(tmp_path.iterdir())


def test_a_cluster_that_does_not_answer_is_an_error_that_says_what_to_do(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ray._private.ray_constants.NUM_REDIS_GET_RETRIES", 1)
    with pytest.raises(SettingsError, match=r"No Ray cluster answers at 127.0.0.1:9\. Start one"):
        job.recommend_with_ray("127.0.0.1:9", tmp_path / "lists", OPTIONS, settings, Silent())


def test_a_cluster_of_another_version_is_an_error_that_names_the_version(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def mismatch(*_: object, **__: object) -> None:
        raise RuntimeError("Version mismatch: The cluster was started with:\n    Ray: 1.0.0")

    monkeypatch.setattr("ray.init", mismatch)

    with pytest.raises(SettingsError, match=f"same on all machines; this one has Ray {ray.__version__}"):
        job.recommend_with_ray("127.0.0.1:9", tmp_path / "lists", OPTIONS, settings, Silent())
