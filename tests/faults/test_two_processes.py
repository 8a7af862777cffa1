"""Two processes at once, where they would collide: the second one waits, or says who is at work."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from command import Run
from reliability import Record
from sqlalchemy import Engine, func, select, text

from app.storage.database import connect, wait_for_turn
from app.storage.tables import Rating

COMMAND = [sys.executable, "-c", "from app.cli import main; main()"]


def run(folder: Path, *arguments: object) -> subprocess.Popen[str]:
    command = [*COMMAND, *map(str, arguments)]
    return subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, stdin=subprocess.PIPE, text=True)


@contextmanager
def importing(folder: Path, lines: int) -> Iterator[subprocess.Popen[str]]:
    """An import that has begun and waits for the rest of its lines."""
    process = run(folder, "import", "-")
    assert process.stdin is not None
    process.stdin.write('{"user_id": 1, "movie_id": 1, "stars": 1}\n' * lines)
    process.stdin.flush()
    lock = folder / "data" / "seqrec.db.lock"
    deadline = time.monotonic() + 60
    while not lock.exists() or lock.read_text() != str(process.pid):
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.05)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.slow
def test_an_import_beside_an_import_or_a_load_is_told_who_writes(
    filled: Run, sample_folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "lines").write_text('{"user_id": 1, "movie_id": 2, "stars": 1}\n')
    with importing(tmp_path, lines=10) as first:
        for command in (["import", tmp_path / "lines"], ["db", "load", sample_folder]):
            status, _, err = filled(*command)
            assert status == 1
            assert err.splitlines()[-1] == (
                f"Error: Process {first.pid} fills sqlite:///data/seqrec.db already. Wait for it, then run the command "
                "again."
            )
        first.send_signal(signal.SIGKILL)  # the kernel frees the lock
        first.wait(30)

        assert filled("import", tmp_path / "lines")[0] == 0
        assert filled("db", "load", sample_folder)[0] == 0


@pytest.mark.slow
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_of_two_loads_at_once_one_fills_the_database_and_the_other_says_so(
    database_url: str, sample_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEQREC_DATABASE_URL", database_url)
    both = [run(tmp_path, "db", "load", sample_folder) for _ in range(2)]
    said = [process.communicate(timeout=120)[1] for process in both]

    for process, text_ in zip(both, said, strict=True):
        assert process.returncode == 0 or "already. Wait for it" in text_.splitlines()[-1], text_
    assert sum("loaded 120 users" in text_ for text_ in said) == 1


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_load_into_postgres_waits_for_another_one(
    engine: Engine, database_url: str, seqrec: Run, sample_folder: Path
) -> None:
    seqrec.monkeypatch.setenv("SEQREC_DATABASE_URL", database_url)
    with engine.begin() as other:
        wait_for_turn(other)
        waiting = run(Path.cwd(), "db", "load", sample_folder)
        deadline = time.monotonic() + 60
        while not other.scalar(text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")):
            assert waiting.poll() is None, waiting.communicate()[1]
            assert time.monotonic() < deadline
            time.sleep(0.05)

    assert "loaded 120 users" in waiting.communicate(timeout=60)[1]
    assert waiting.returncode == 0
    with engine.connect() as connection:
        assert connection.scalar(select(func.count()).select_from(Rating))


@pytest.mark.soak
@pytest.mark.timeout(1500)
def test_of_two_preparations_in_one_empty_folder_one_does_the_work_and_the_other_says_who(
    tmp_path: Path, record: Record
) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SEQREC_")}
    environment |= {"SEQREC_ML1M_URL": "http://127.0.0.1:9/ml-1m.zip"}
    command = [*COMMAND, "prepare", "--model", "seqrec-small"]
    both = [
        subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True) for _ in range(2)
    ]
    said = [process.communicate(timeout=1200)[1] for process in both]

    assert sorted(process.returncode for process in both) == [0, 1], said
    (worker, refused) = sorted(both, key=lambda process: process.returncode)
    assert f"Error: Process {worker.pid} " in said[both.index(refused)].splitlines()[-1]
    assert "Traceback" not in "".join(said)
    assert len(list((tmp_path / "data" / "artifacts").glob("*/manifest.json"))) == 1
    engine = connect(f"sqlite:///{tmp_path}/data/seqrec.db")
    with engine.connect() as connection:
        assert connection.scalar(select(func.count()).select_from(Rating))
    engine.dispose()
    record("two preparations at once in one empty folder", database="sqlite", faults=1)
