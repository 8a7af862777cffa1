"""What is served when artifacts are damaged, and the end of a process that loads one."""

import json
import logging
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from fastapi.testclient import TestClient
from safetensors.torch import load_file, save_file
from sqlalchemy import Engine

from app.main import create_app
from app.services.models.loading import load_newest_scorer
from model.errors import ArtifactError
from model.files import sha256
from model.inference import artifact
from model.inference.scorer import Scorer

CPU = torch.device("cpu")
OLDER, NEWER = "20260101T000000Z-a", "20260102T000000Z-b"


@pytest.fixture
def root(artifact_folder: Path, tmp_path: Path) -> Path:
    """Two artifacts that are whole."""
    for name in (OLDER, NEWER):
        shutil.copytree(artifact_folder, tmp_path / name)
    return tmp_path


def cut_off(folder: Path) -> None:
    weights = folder / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])


def with_a_folder_for_a_file(folder: Path) -> None:
    (folder / "weights.safetensors").unlink()
    (folder / "weights.safetensors").mkdir()


def with_a_folder_for_the_manifest(folder: Path) -> None:
    (folder / "manifest.json").unlink()
    (folder / "manifest.json").mkdir()


def with_weights_that_are_no_numbers(folder: Path) -> None:
    weights = load_file(folder / "weights.safetensors")
    next(tensor for tensor in weights.values() if tensor.is_floating_point()).view(-1)[0] = torch.nan
    save_file(weights, folder / "weights.safetensors")
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"]["weights.safetensors"] = sha256(folder / "weights.safetensors")
    (folder / "manifest.json").write_text(json.dumps(manifest))


DAMAGES = [cut_off, with_a_folder_for_a_file, with_a_folder_for_the_manifest, with_weights_that_are_no_numbers]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_newest_artifact_is_passed_over_at_the_start(
    root: Path, damage: object, caplog: pytest.LogCaptureFixture
) -> None:
    damage(root / NEWER)  # type: ignore[operator]

    with caplog.at_level(logging.ERROR):
        assert load_newest_scorer(root, CPU).version == OLDER

    assert f"serving the older model {OLDER}" in caplog.text
    assert NEWER in caplog.text


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_reload_of_a_damaged_artifact_is_refused_and_says_why(loaded: Engine, root: Path, damage: object) -> None:
    served = Scorer(artifact.load(root / OLDER), CPU)
    client = TestClient(create_app(loaded, served, artifacts=root), raise_server_exceptions=False)
    damage(root / NEWER)  # type: ignore[operator]

    answer = client.post("/admin/reload")

    assert (answer.status_code, answer.json()["code"]) == (409, "reload_refused")
    assert f"{OLDER} stays in use" in answer.json()["message"]
    assert client.get("/users/1/recommendations").json()["model"] == OLDER


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_model_for_which_there_is_no_memory_is_refused_by_a_reload_and_passed_over_by_a_start(
    loaded: Engine, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load = artifact.load

    def with_memory_for_the_older_one(folder: Path) -> artifact.Artifact:
        if folder.name == NEWER:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return load(folder)

    monkeypatch.setattr(artifact, "load", with_memory_for_the_older_one)
    served = load_newest_scorer(root, CPU)
    client = TestClient(create_app(loaded, served, artifacts=root), raise_server_exceptions=False)

    answer = client.post("/admin/reload")

    assert served.version == OLDER
    assert (answer.status_code, answer.json()["code"]) == (409, "reload_refused")
    assert "CUDA out of memory" in answer.json()["message"]


ENDS = """\
import atexit, threading, time
from app.server import from_settings
from app.services.model_host import ModelHost
from app.settings import Settings
from app.storage import revisions
ModelHost._load_chosen = lambda host: time.sleep(0.5)
atexit.register(lambda: print([one.name for one in threading.enumerate()]))
host = from_settings(Settings()).state.services.host
with host.database.writes() as session:
    revisions.count_reload(session)
host.follow_reloads()
print([one.name for one in threading.enumerate()])
"""
"""Names of the threads of a service that follows a reload, and of those that the end of its process finds."""


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_reload_in_the_background_ends_before_its_process_does(loaded: Engine, database_url: str, root: Path) -> None:
    environment = os.environ | {"SEQREC_DATABASE_URL": database_url, "SEQREC_ARTIFACTS": str(root)}

    ended = subprocess.run([sys.executable, "-c", ENDS], env=environment, stdout=subprocess.PIPE, check=True, text=True)

    at_first, at_last = ended.stdout.splitlines()
    assert "reload" in at_first
    assert "reload" not in at_last


def test_where_no_artifact_is_whole_the_newest_ones_damage_is_named(root: Path) -> None:
    cut_off(root / OLDER)
    cut_off(root / NEWER)

    with pytest.raises(ArtifactError, match=f"{NEWER}.*damaged"):
        load_newest_scorer(root, CPU)


def test_without_an_artifact_the_command_to_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="seqrec train"):
        load_newest_scorer(tmp_path, CPU)
