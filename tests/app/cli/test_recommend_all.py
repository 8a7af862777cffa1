"""Lists for all users in one file."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from command import Run
from fastapi.testclient import TestClient
from sqlalchemy import Engine, text

from app.jobs import recommend_all as job
from app.main import create_app
from app.services.recommendations import RecommendationOptions, Recommender
from app.settings import Settings
from app.storage import locks
from app.storage.database import connect
from model.inference.scorer import Scorer
from seqrec.limits import LARGEST_ID


class Silent:
    def message(self, text: str) -> None:
        pass

    def progress(self, stage: str, done: int, total: int | None, detail: str = "") -> None:
        pass


class Interrupting(Silent):
    """Interrupts after so many blocks."""

    def __init__(self, blocks: int) -> None:
        self.blocks = blocks

    def progress(self, stage: str, done: int, total: int | None, detail: str = "") -> None:
        if done == self.blocks:
            raise KeyboardInterrupt


@pytest.fixture
def settings(loaded: Engine, artifact_folder: Path) -> Settings:
    """Of a database with the sample and one user of whom nothing is known."""
    with loaded.begin() as connection:
        connection.execute(text("INSERT INTO users (id) VALUES (5000)"))
    url = loaded.url.set(drivername=loaded.url.get_backend_name()).render_as_string(hide_password=False)
    return Settings(database_url=url, artifacts=artifact_folder.parent, device="cpu")


def test_names_of_blocks_are_in_the_order_of_users_up_to_the_largest_id(tmp_path: Path) -> None:
    firsts = [1, 9_999_999_999, 10_000_000_000, LARGEST_ID]
    plan = job.Plan(Settings(), tmp_path, 1, RecommendationOptions(), tmp_path, ".parquet", "{}")

    paths = [plan.path(job.Block.of([first])) for first in firsts]

    assert sorted(paths) == paths


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job, "USERS_PER_BLOCK", 25)


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.parametrize(
    "query",
    [
        pytest.param({}, id="default"),
        pytest.param({"n": 5, "rank_by": "rating", "genre": ["Drama", "Comedy"]}, id="by rating"),
        pytest.param({"n": 5, "diversity": 0.5, "exclude": [1, 2], "year_from": 1950}, id="diverse"),
    ],
)
def test_every_list_is_what_the_api_answers(
    loaded: Engine, settings: Settings, scorer: Scorer, tmp_path: Path, small_blocks: None, query: dict
) -> None:
    from app.api import translation  # noqa: PLC0415
    from app.services.ids import OwnIds  # noqa: PLC0415
    from seqrec.schemas.recommendations import BatchRequest  # noqa: PLC0415

    options = translation.batch_options_from(BatchRequest(user_ids=[1], **query), OwnIds())
    count = job.recommend_all(tmp_path / "lists.jsonl", options, settings, Silent(), workers=2)

    assert count == 121
    by_user: dict[int, list[dict]] = {}
    for row in lines(tmp_path / "lists.jsonl"):
        by_user.setdefault(row["user_id"], []).append(row)
    with TestClient(create_app(loaded, scorer)) as client:
        together = client.post("/recommendations/batch", json={"user_ids": [5000, *range(120, 0, -1)], **query}).json()
        assert [one["user_id"] for one in together["lists"]] == [5000, *range(120, 0, -1)]
        for one in together["lists"]:
            alone = client.get(f"/users/{one['user_id']}/recommendations", params=query).json()
            assert (one["based_on"], one["rank_by"]) == (alone["based_on"], alone["rank_by"])
            same_list(one["recommendations"], alone["recommendations"])
            same_list(by_user[one["user_id"]], alone["recommendations"])
            assert [row["rank"] for row in by_user[one["user_id"]]] == list(range(1, len(alone["recommendations"]) + 1))
    assert {row["source"] for row in by_user[5000]} == {"model" if "rank_by" in query else "popular"}


def same_list(ours: list[dict], theirs: list[dict]) -> None:
    for field in ("movie_id", "title", "source"):
        assert [row[field] for row in ours] == [row[field] for row in theirs]
    for field, last_decimal in (("predicted_stars", 1e-4), ("relevance", 1e-6)):
        expected = [row[field] for row in theirs]
        assert [row[field] for row in ours] == pytest.approx(expected, abs=1.1 * last_decimal)


def test_an_interrupted_run_goes_on_where_it_stopped(
    settings: Settings, tmp_path: Path, small_blocks: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, options = tmp_path / "lists.jsonl", RecommendationOptions(n=3)
    with pytest.raises(KeyboardInterrupt):
        job.recommend_all(out, options, settings, Interrupting(3), workers=1)
    assert not out.exists()
    made = written_blocks(monkeypatch)

    job.recommend_all(out, options, settings, Silent(), workers=1)

    assert len(made) == 2
    assert [row["user_id"] for row in lines(out)] == [id_ for id_ in [*range(1, 121), 5000] for _ in range(3)]
    assert [path.name for path in tmp_path.glob("*lists*")] == ["lists.jsonl"]


@pytest.mark.parametrize("change", ["version", "options", "catalogue", "feedback"])
def test_blocks_of_another_version_catalogue_or_meaning_or_of_other_options_are_not_used(
    loaded: Engine,
    settings: Settings,
    tmp_path: Path,
    small_blocks: None,
    monkeypatch: pytest.MonkeyPatch,
    change: str,
) -> None:
    out, options = tmp_path / "lists.jsonl", RecommendationOptions(n=3)
    with pytest.raises(KeyboardInterrupt):
        job.recommend_all(out, options, settings, Interrupting(3), workers=1)
    if change == "options":
        options = options._replace(n=4)
    elif change == "feedback":
        settings = settings.model_copy(update={"feedback": {"like": {"stars": 4}}})
    elif change == "version":
        monkeypatch.setattr(job, "version", lambda _: "0.0.1")
    else:
        with loaded.begin() as connection:
            connection.execute(text("UPDATE movies SET title = 'Another (1999)' WHERE id = 1"))
    made = written_blocks(monkeypatch)

    job.recommend_all(out, options, settings, Silent(), workers=1)

    assert len(made) == 5


@pytest.mark.parametrize(
    ("change", "users"),
    [
        pytest.param("DELETE FROM users WHERE id = 110", [*range(1, 110), *range(111, 121), 5000], id="gone"),
        pytest.param("INSERT INTO users (id) VALUES (4000)", [*range(1, 121), 4000, 5000], id="new"),
    ],
)
def test_an_interrupted_run_goes_on_with_the_users_that_there_are_then(
    loaded: Engine,
    settings: Settings,
    tmp_path: Path,
    small_blocks: None,
    monkeypatch: pytest.MonkeyPatch,
    change: str,
    users: list[int],
) -> None:
    out, options = tmp_path / "lists.jsonl", RecommendationOptions(n=1)
    with pytest.raises(KeyboardInterrupt):
        job.recommend_all(out, options, settings, Interrupting(5), workers=1)
    with loaded.begin() as connection:
        connection.execute(text(change))
    made = written_blocks(monkeypatch)

    job.recommend_all(out, options, settings, Silent(), workers=1)

    assert len(made) == 1
    assert [row["user_id"] for row in lines(out)] == users


def written_blocks(monkeypatch: pytest.MonkeyPatch) -> list[job.Block]:
    """The blocks that are made from now on."""
    made, write = [], job.write_block

    def recorded(plan: job.Plan, recommender: Recommender, block: job.Block) -> None:
        made.append(block)
        write(plan, recommender, block)

    monkeypatch.setattr(job, "write_block", recorded)
    return made


def test_a_killed_run_leaves_no_processes_and_no_output(filled: Run, tmp_path: Path) -> None:
    script = (
        "import sys; from app.jobs import recommend_all as job; job.USERS_PER_BLOCK = 1\n"
        "from app.cli import main\n"
        "if __name__ == '__main__': sys.argv[1:] = ['recommend', '--all', '--out', 'a.jsonl', '--workers', '2']; main()"
    )
    (tmp_path / "run.py").write_text(script)
    run = subprocess.Popen([sys.executable, "run.py"], cwd=tmp_path, stderr=subprocess.DEVNULL, start_new_session=True)
    until(lambda: len(list(tmp_path.glob(".a.jsonl.blocks/*-*.jsonl"))) > 2, seconds=200)
    run.kill()
    run.wait()

    until(lambda: not group_lives(run.pid))
    assert not (tmp_path / "a.jsonl").exists()


def test_two_runs_never_write_one_file(filled: Run, tmp_path: Path) -> None:
    with locks.lock(tmp_path / ".a.jsonl.lock", lambda _: AssertionError()):
        status, _, said = filled("recommend", "--all", "--out", "a.jsonl")
        assert (status, f"Process {os.getpid()} writes a.jsonl already" in said) == (1, True)
        assert filled("recommend", "--all", "--out", "b.jsonl")[0] == 0

    assert filled("recommend", "--all", "--out", "a.jsonl")[0] == 0
    assert not list(tmp_path.glob(".*.lock"))


def until(condition: Callable[[], bool], seconds: float = 60) -> None:
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends
        time.sleep(0.02)


def group_lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def test_parquet_has_the_rows_of_json_lines(filled: Run, tmp_path: Path) -> None:
    assert filled("recommend", "--all", "--out", "a.jsonl", "-n", 4, "--genre", "Drama")[0] == 0
    status, out, said = filled("recommend", "--all", "--out", "a.parquet", "-n", 4, "--genre", "Drama")

    assert (status, out) == (0, "")
    assert "a.parquet: lists for 120 users" in said
    assert pl.read_parquet(tmp_path / "a.parquet").to_dicts() == lines(tmp_path / "a.jsonl")


def test_a_database_without_users_gives_an_empty_table(filled: Run, tmp_path: Path) -> None:
    engine = connect(Settings().database_url)
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM users"))
    engine.dispose()

    assert filled("recommend", "--all", "--out", "a.parquet")[0] == 0
    table = pl.read_parquet(tmp_path / "a.parquet")
    assert (len(table), table.columns[:3]) == (0, ["user_id", "rank", "movie_id"])


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        pytest.param(("--all",), "by --out", id="no file"),
        pytest.param((1, "--all", "--out", "a.jsonl"), "name no user", id="user"),
        pytest.param((1, "--out", "a.jsonl"), "options of --all", id="file for one"),
        pytest.param((1, "--ray", "auto"), "options of --all", id="cluster for one"),
        pytest.param(("--all", "--out", "a", "--ray", "auto", "--workers", 2), "this machine alone", id="both"),
        pytest.param(("--all", "--out", "."), "is a folder", id="folder"),
        pytest.param(("--all", "--out", "a.csv"), ".jsonl or .parquet", id="ending"),
        pytest.param(("--all", "--out", "a.jsonl", "--genre", "Dramedy"), "no genre 'Dramedy'", id="genre"),
        pytest.param((1, "--year-from", 2000, "--year-to", 1990), "later than --year-to", id="years"),
    ],
)
def test_what_cannot_be_written_is_an_error_that_says_why(
    filled: Run, arguments: tuple[object, ...], complaint: str
) -> None:
    status, out, err = filled("recommend", *arguments)

    assert (status, out) == (1, "")
    assert complaint in err


def test_where_polars_is_missing_the_command_says_what_to_install(filled: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)

    assert "pip install 'seqrec[training]'" in filled("recommend", "--all", "--out", "a.parquet")[2]
