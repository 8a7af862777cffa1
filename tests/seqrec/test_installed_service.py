"""The service and its command line from an installed wheel."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from server import workers

from app.jobs.bulk_load import load
from app.storage.database import connect
from model.data.dataset import MovieLens
from seqrec import Client

COMMAND = "from seqrec.command import main; main()"


def command(folder: Path, installed: Path, *arguments: str, before: str = "") -> subprocess.CompletedProcess[str]:
    """Run the console script in a folder."""
    path = os.pathsep.join([str(installed), os.environ.get("PYTHONPATH", "")])
    return subprocess.run(
        [sys.executable, "-c", before + COMMAND, *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": path, "SEQREC_DATABASE_URL": "sqlite:///seqrec.db"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_it_migrates_and_serves_with_workers_in_the_folder_of_another_project(
    installed: Path, foreign_project: Path, artifact_folder: Path, sample: MovieLens, tmp_path: Path
) -> None:
    migrated = command(foreign_project, installed, "db", "upgrade")
    assert migrated.returncode == 0, migrated.stderr
    engine = connect(f"sqlite:///{foreign_project}/seqrec.db")
    load(engine, sample)
    artifacts = tmp_path / "artifacts"
    shutil.copytree(artifact_folder, artifacts / artifact_folder.name)

    with (
        workers(2, str(engine.url), artifacts, tmp_path / "log", COMMAND, foreign_project, installed) as address,
        Client(address) as client,
    ):
        assert len(client.recommend(1, n=5).recommendations) == 5
        assert "SeqRec" in httpx.get(address).text
    engine.dispose()


@pytest.mark.parametrize(
    ("missing", "arguments", "extra"),
    [
        pytest.param("typer", ["--help"], "service", id="the command line"),
        pytest.param("fastapi", ["serve"], "service", id="the service"),
        pytest.param("polars", ["data", "describe", "."], "training", id="training"),
    ],
)
def test_where_packages_are_missing_it_says_what_to_install(
    installed: Path, tmp_path: Path, missing: str, arguments: list[str], extra: str
) -> None:
    done = command(tmp_path, installed, *arguments, before=f"import sys; sys.modules['{missing}'] = None\n")

    assert done.returncode == 1
    assert done.stderr.strip().endswith(
        f"Error: This command needs the package {missing}. Install it with: pip install 'seqrec[{extra}]'"
    )
    assert "Traceback" not in done.stderr


ONLY_FOR_TRAINING = ("polars", "scipy", "sklearn", "matplotlib")


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(["--help"], id="help"),
        pytest.param(["db", "upgrade"], id="migrations"),
        pytest.param(["openapi"], id="description"),
        pytest.param(["export"], id="export"),
    ],
)
def test_what_serves_needs_nothing_that_only_training_needs(
    installed: Path, tmp_path: Path, arguments: list[str]
) -> None:
    hidden = f"import sys; sys.modules |= dict.fromkeys({ONLY_FOR_TRAINING!r})\n"
    if arguments == ["export"]:
        command(tmp_path, installed, "db", "upgrade")
    done = command(tmp_path, installed, *arguments, before=hidden)

    assert done.returncode == 0, done.stderr
