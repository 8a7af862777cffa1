"""A full disk, at each thing that writes: one clear error, nothing half-written, and all goes on when there is room."""

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from builders import SMALL
from command import Run
from disks import Limited, Mounted, small_disk
from fastapi.testclient import TestClient
from sqlalchemy import Engine, func, select, text

from app.jobs.bulk_load import load
from app.main import create_app
from app.storage.database import connect, upgrade
from app.storage.tables import Rating
from model.data.dataset import MovieLens
from model.inference import artifact
from model.inference.scorer import Scorer

Disk = Mounted | Limited

ROOM = 64 << 20
JSON_LINES = {"Content-Type": "application/jsonl"}


@pytest.fixture
def disk() -> Iterator[Disk]:
    with small_disk(ROOM) as disk:
        yield disk


@pytest.fixture
def engine_on_disk(disk: Disk, sample: MovieLens) -> Iterator[Engine]:
    """A database with the sample, on a disk with room."""
    engine = connect(f"sqlite:///{disk.folder}/seqrec.db")
    upgrade(engine)
    load(engine, sample)
    yield engine
    engine.dispose()


@pytest.fixture
def service(engine_on_disk: Engine, scorer: Scorer) -> Iterator[TestClient]:
    with TestClient(create_app(engine_on_disk, scorer), raise_server_exceptions=False) as client:
        yield client


def require_mounted(disk: Disk) -> None:
    if isinstance(disk, Limited):
        pytest.skip("wants a disk that is full for some files alone, and mounting one is refused here")


def assert_full(answer: Any) -> None:
    assert (answer.status_code, answer.json()["code"]) == (507, "storage_full")
    assert "Make room" in answer.json()["message"]


def assert_refused(run: tuple[int, str, str]) -> None:
    """The command has ended with one line that says what to do."""
    status, _, err = run
    assert status == 1
    assert err.splitlines()[-1].startswith("Error: ")
    assert "Make room" in err.splitlines()[-1]
    assert "Traceback" not in err


def lines(users: range, stars: float = 1) -> bytes:
    """An import that rates every movie anew."""
    return b"".join(
        b'{"user_id": %d, "movie_id": %d, "stars": %d}\n' % (user, movie, stars)
        for user in users
        for movie in range(1, 81)
    )


def count(engine: Engine) -> int:
    with engine.connect() as connection:
        return connection.scalar(select(func.count()).select_from(Rating)) or 0


def test_a_rating_that_finds_no_room_is_refused_and_those_answered_before_are_there(
    disk: Disk, service: TestClient, engine_on_disk: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    assert service.put("/users/1/ratings/1", json={"stars": 1}).status_code == 200
    disk.fill()
    written, refused = {}, None
    for number in range(4000):
        user, movie, stars = 1 + number % 50, 1 + number // 50 % 80, 1 + number % 5
        answer = service.put(f"/users/{user}/ratings/{movie}", json={"stars": stars, "rated_at": 10**9 + number})
        if answer.status_code != 200:
            refused = (user, movie)
            break
        written[user, movie] = stars

    assert refused is not None
    assert_full(answer)
    assert "retry-after" not in answer.headers  # to ask again is no help
    assert "no room on the disk: " in caplog.text
    if isinstance(disk, Mounted):  # a limit on files shows in no number of free bytes
        assert service.get("/health/ready").status_code == 503
    assert service.get("/health/live").status_code == 200
    assert service.get("/users/2/recommendations").status_code == 200  # who reads is served

    disk.empty()

    assert service.get("/health/ready").status_code == 200
    assert service.put(f"/users/{refused[0]}/ratings/{refused[1]}", json={"stars": 5}).status_code == 200
    with engine_on_disk.connect() as connection:
        stored = {tuple(row[:2]): row[2] for row in connection.execute(text("SELECT * FROM ratings"))}
        assert connection.scalar(text("PRAGMA integrity_check")) == "ok"
    assert {key: stored[key] for key in written} == written


def test_an_import_over_http_is_written_whole_or_not_at_all(
    disk: Disk, service: TestClient, engine_on_disk: Engine
) -> None:
    before = count(engine_on_disk)
    disk.fill(room=100_000)

    assert_full(service.post("/import/ratings", content=lines(range(1, 121)), headers=JSON_LINES))

    assert count(engine_on_disk) == before
    disk.empty()
    answer = service.post("/import/ratings", content=lines(range(1, 121)), headers=JSON_LINES)
    assert answer.json() == {"written": 120 * 80}


def test_an_import_that_cannot_be_received_is_refused(
    disk: Disk, client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(disk.folder))
    disk.fill()

    assert_full(client.post("/import/ratings", content=lines(range(1, 121)) * 4, headers=JSON_LINES))

    disk.empty()
    assert client.post("/import/ratings", content=lines(range(1, 3)), headers=JSON_LINES).json() == {"written": 160}


def test_an_export_over_http_needs_no_room(disk: Disk, service: TestClient, engine_on_disk: Engine) -> None:
    disk.fill()
    exported = service.get("/export/ratings").text
    disk.empty()

    assert len(exported.splitlines()) == count(engine_on_disk)


def test_the_commands_that_write_the_database(disk: Disk, seqrec: Run, engine_on_disk: Engine, tmp_path: Path) -> None:
    seqrec.monkeypatch.setenv("SEQREC_DATABASE_URL", f"sqlite:///{disk.folder}/seqrec.db")
    (tmp_path / "lines").write_bytes(lines(range(1, 121)))
    before = count(engine_on_disk)
    disk.fill(room=100_000)

    assert_refused(seqrec("import", tmp_path / "lines"))

    assert count(engine_on_disk) == before
    disk.empty()
    assert seqrec("import", tmp_path / "lines")[0] == 0


def test_an_empty_database_that_cannot_be_filled_stays_empty(disk: Disk, seqrec: Run, sample_folder: Path) -> None:
    url = f"sqlite:///{disk.folder}/seqrec.db"
    seqrec.monkeypatch.setenv("SEQREC_DATABASE_URL", url)
    rooms = [0, 50_000]  # for no file, for some of the tables
    if isinstance(disk, Mounted):
        rooms.append(300_000)  # for some of the ratings: for all files together
    for room in rooms:
        disk.fill(room)
        assert_refused(seqrec("db", "load", sample_folder))
    disk.empty()
    assert seqrec("db", "load", sample_folder)[0] == 0
    with closing(connect(url).connect()) as connection:
        assert connection.scalar(text("PRAGMA integrity_check")) == "ok"


def test_an_export_that_finds_no_room_leaves_no_part(disk: Disk, filled: Run) -> None:
    disk.fill(room=50_000)
    out = disk.folder / "ratings.jsonl"

    assert_refused(filled("export", "--out", out))

    assert [path.name for path in disk.folder.iterdir() if path.name != "ballast"] == []
    disk.empty()
    assert filled("export", "--out", out)[0] == 0
    assert json.loads(out.read_text().splitlines()[0])["user_id"] == 1


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
def test_lists_for_all_users_go_on_where_there_was_no_room(disk: Disk, filled: Run, suffix: str) -> None:
    require_mounted(disk)
    out = disk.folder / f"lists{suffix}"
    for room in (0, 4_000):
        disk.fill(room)
        assert_refused(filled("recommend", "--all", "--out", out, "--workers", 1))
        assert not out.exists()
        assert not list(disk.folder.rglob("*.writing"))
    disk.empty()
    assert filled("recommend", "--all", "--out", out, "--workers", 1)[0] == 0
    lists = pl.read_parquet(out) if suffix == ".parquet" else pl.read_ndjson(out)
    assert lists["user_id"].n_unique() == 120


@pytest.mark.slow
def test_a_training_that_finds_no_room_keeps_what_is_finished_and_goes_on(
    disk: Disk, seqrec: Run, sample_folder: Path
) -> None:
    seqrec.monkeypatch.setattr("model.training.presets.preset", lambda *_: SMALL)
    artifacts = disk.folder / "artifacts"
    failed_at = []
    for room in range(0, ROOM, 60_000):
        disk.fill(room)
        run = seqrec("train", "--data", sample_folder, "--out", artifacts, "--resume")
        if run[0] == 0:
            break
        assert_refused(run)
        failed_at.append(run[2].splitlines()[-1])
        assert artifact.newest(artifacts) is None
        assert not list(disk.folder.rglob("*.writing"))

    for written in ("/.cache/titles", "/.checkpoints/"):
        assert any(written in message for message in failed_at), written
    assert artifact.newest(artifacts) is not None


def test_an_artifact_that_finds_no_room_is_not_there(disk: Disk, artifact_folder: Path) -> None:
    saved = artifact.load(artifact_folder)
    root = disk.folder / "artifacts"
    rooms = [0, 20_000]  # for no folder, for no weights
    if isinstance(disk, Mounted):
        rooms.append(150_000)  # for weights alone
    for room in rooms:
        disk.fill(room)
        with pytest.raises(OSError, match=r"No space left|File too large"):
            artifact.save(root, saved.network, saved.catalogue, saved.card)
        assert not root.exists() or list(root.iterdir()) == []
    disk.empty()
    artifact.load(artifact.save(root, saved.network, saved.catalogue, saved.card))


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_postgres_server_without_room_is_told_as_such(disk: Disk, loaded: Engine, scorer: Scorer) -> None:
    require_mounted(disk)
    (disk.folder / "tables").mkdir()
    shutil.chown(disk.folder / "tables", server_user(loaded))
    with loaded.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        connection.execute(text(f"CREATE TABLESPACE small LOCATION '{disk.folder}/tables'"))
        connection.execute(text("ALTER TABLE ratings SET TABLESPACE small"))
    with TestClient(create_app(loaded, scorer), raise_server_exceptions=False) as client:
        before = count(loaded)
        disk.fill()
        assert_full(client.post("/import/ratings", content=lines(range(1, 121)), headers=JSON_LINES))
        assert count(loaded) == before
        disk.empty()
        assert client.get("/health/ready").status_code == 200
        answer = client.post("/import/ratings", content=lines(range(1, 121)), headers=JSON_LINES)
        assert answer.json() == {"written": 120 * 80}
    with loaded.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        connection.execute(text("ALTER TABLE ratings SET TABLESPACE pg_default"))
        connection.execute(text("DROP TABLESPACE small"))


def server_user(engine: Engine) -> str:
    """Whom the server runs as."""
    with engine.connect() as connection:
        process = int(connection.scalar(text("SELECT pg_backend_pid()")) or 0)
    return Path(f"/proc/{process}").owner()


@pytest.mark.slow
def test_standard_output_that_takes_no_more_ends_a_command_in_one_sentence(filled: Run, tmp_path: Path) -> None:
    with Path("/dev/full").open("w") as full:
        command = [sys.executable, "-c", "from app.cli import main; main()", "export"]
        run = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)

    assert_refused((run.returncode, "", run.stderr))
