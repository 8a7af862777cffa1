"""Artifacts in an object store: downloaded once, checked, and listed anew at each reload."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from builders import SMALL, context_for
from fastapi.testclient import TestClient
from fsspec import url_to_fs
from object_stores import s3_server
from sqlalchemy import Engine, text
from waiting import comes_true

from app.jobs import prepare
from app.jobs.background import LogReporter
from app.jobs.training import train_model
from app.main import create_app
from app.services.models.collection import Models
from app.services.models.loading import load_newest_scorer
from app.settings import Settings
from app.storage.database import Database, connect
from model.data.dataset import MovieLens
from model.errors import ArtifactError, SettingsError, UnknownNameError
from model.inference import artifact
from model.inference.scorer import Scorer
from model.object_store import ObjectStore

CPU = torch.device("cpu")
NEWER = "99990101T000000Z-seqrec"


@pytest.fixture(scope="session")
def s3() -> Iterator[str]:
    with s3_server() as address:
        yield address


@pytest.fixture(params=["file", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ObjectStore:
    """An empty store, in a folder and behind S3."""
    if request.param == "file":
        return ObjectStore(f"file://{tmp_path}/store", tmp_path / "cache")
    monkeypatch.setenv("AWS_ENDPOINT_URL", request.getfixturevalue("s3"))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "any")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "any")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    name = f"bucket-{tmp_path.name.replace('_', '-').lower()}"[:60].rstrip("-")
    make_bucket(name)
    return ObjectStore(f"s3://{name}/models", tmp_path / "cache")


def make_bucket(name: str) -> None:
    import boto3  # noqa: PLC0415 - where an object store is asked for

    boto3.client("s3").create_bucket(Bucket=name)


def copy_as(folder: Path, name: str, parent: Path) -> Path:
    """The artifact under another name."""
    copied = shutil.copytree(folder, parent / name)
    return Path(copied)


def test_the_newest_artifact_is_downloaded_once(store: ObjectStore, artifact_folder: Path, tmp_path: Path) -> None:
    assert artifact.newest(store) is None
    artifact.publish(store, artifact_folder)
    artifact.publish(store, copy_as(artifact_folder, NEWER, tmp_path / "trained"))

    found = artifact.newest_first(store)

    assert found == [store.cache / NEWER]
    assert load_newest_scorer(store, CPU).version == NEWER
    (store.cache / NEWER / "mark").touch()
    artifact.newest(store)
    assert (store.cache / NEWER / "mark").exists()


@pytest.mark.slow
@pytest.mark.postgres
@pytest.mark.parametrize(("store", "database_url"), [("s3", "postgresql")], indirect=True)
def test_an_empty_database_and_an_empty_store_are_prepared_from_a_data_folder(
    store: ObjectStore, database_url: str, sample_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prepare, "preset", lambda _: SMALL)
    settings = Settings(
        data=sample_folder, database_url=database_url, artifacts=store, artifacts_cache=store.cache, device="cpu"
    )

    prepare.prepare(settings, LogReporter())

    elsewhere = ObjectStore(store.url, tmp_path / "elsewhere")
    with TestClient(create_app(engine := connect(database_url), load_newest_scorer(elsewhere, CPU))) as replica:
        assert replica.get("/health/ready").status_code == 200
        assert replica.get("/users/1/recommendations").json()["based_on"] == "history"
    engine.dispose()


def test_a_damaged_upload_is_passed_over_and_nothing_of_it_is_kept(
    store: ObjectStore, artifact_folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    damaged = copy_as(artifact_folder, NEWER, tmp_path / "trained")
    (damaged / "card.json").write_bytes((damaged / "card.json").read_bytes() + b" ")
    artifact.publish(store, artifact_folder)
    artifact.publish(store, damaged)

    assert load_newest_scorer(store, CPU).version == artifact_folder.name
    assert not (store.cache / NEWER).exists()
    assert f"{NEWER} is passed over" in caplog.text


def test_an_upload_that_is_not_whole_yet_does_not_count(store: ObjectStore, artifact_folder: Path) -> None:
    artifact.publish(store, artifact_folder)
    half = store.cache.parent / "half" / NEWER
    half.mkdir(parents=True)
    (half / "weights.safetensors").write_bytes(b"much")
    store.publish(half, last="manifest.json")

    assert artifact.newest_first(store) == [store.cache / artifact_folder.name]


def test_an_artifact_of_another_format_is_not_even_downloaded(
    store: ObjectStore, artifact_folder: Path, tmp_path: Path
) -> None:
    other = copy_as(artifact_folder, NEWER, tmp_path / "trained")
    manifest = json.loads((other / "manifest.json").read_text()) | {"format": 99}
    (other / "manifest.json").write_text(json.dumps(manifest))
    artifact.publish(store, artifact_folder)
    artifact.publish(store, other)

    assert artifact.newest_first(store) == [store.cache / artifact_folder.name]
    assert not (store.cache / NEWER).exists()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_reload_lists_the_store_anew(
    store: ObjectStore, loaded: Engine, artifact_folder: Path, tmp_path: Path
) -> None:
    artifact.publish(store, artifact_folder)
    with TestClient(create_app(loaded, load_newest_scorer(store, CPU), artifacts=store)) as client:
        artifact.publish(store, copy_as(artifact_folder, NEWER, tmp_path / "trained"))

        assert client.post("/admin/reload").json() == {"before": artifact_folder.name, "version": NEWER}
        assert client.get("/model").json()["version"] == NEWER


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_model_of_the_store_is_pinned_and_downloaded_where_it_is_not(
    store: ObjectStore, loaded: Engine, artifact_folder: Path, tmp_path: Path
) -> None:
    artifact.publish(store, artifact_folder)
    artifact.publish(store, copy_as(artifact_folder, NEWER, tmp_path / "trained"))
    elsewhere = ObjectStore(store.url, tmp_path / "elsewhere")
    with TestClient(create_app(loaded, load_newest_scorer(store, CPU), artifacts=store)) as client:
        assert client.get("/model").json()["version"] == NEWER
        Models(Database(loaded), elsewhere).pin(artifact_folder.name)

        assert comes_true(lambda: client.get("/model").json()["version"] == artifact_folder.name)
    assert load_newest_scorer(elsewhere, CPU, artifact_folder.name).version == artifact_folder.name
    with pytest.raises(UnknownNameError):
        Models(Database(loaded), elsewhere).pin("20200101T000000Z-seqrec")


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_old_models_are_deleted_on_this_machine_and_stay_in_the_store(
    store: ObjectStore, loaded: Engine, artifact_folder: Path, tmp_path: Path
) -> None:
    artifact.publish(store, artifact_folder)
    artifact.newest(store)
    artifact.publish(store, copy_as(artifact_folder, NEWER, tmp_path / "trained"))
    artifact.newest(store)

    assert Models(Database(loaded), store, keep=1).prune() == [artifact_folder.name]
    assert artifact.newest_first(store) == [store.cache / NEWER]
    assert sorted(store.folders_with("manifest.json")) == [artifact_folder.name, NEWER]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_model_that_was_set_aside_is_uploaded_only_when_it_takes_over(
    store: ObjectStore, loaded: Engine, artifact_folder: Path
) -> None:
    aside = copy_as(artifact_folder, NEWER, store.cache / artifact.ASIDE)
    with pytest.raises(ArtifactError, match="other machines could not load it"):
        Models(Database(loaded), store).pin(NEWER)

    artifact.publish(store, aside)
    artifact.promote(store, aside)
    assert artifact.newest(store) == store.cache / NEWER
    assert not aside.exists()


def test_a_model_takes_over_also_where_another_process_has_downloaded_it_meanwhile(
    store: ObjectStore, artifact_folder: Path
) -> None:
    aside = copy_as(artifact_folder, NEWER, store.cache / artifact.ASIDE)
    artifact.publish(store, aside)
    assert artifact.newest(store) == store.cache / NEWER

    artifact.promote(store, aside)

    assert artifact.newest_first(store.cache) == [store.cache / NEWER]
    assert not aside.exists()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_model_that_only_the_cache_has_is_not_served(
    store: ObjectStore, loaded: Engine, artifact_folder: Path
) -> None:
    copy_as(artifact_folder, NEWER, store.cache)

    with pytest.raises(ArtifactError, match=f"{NEWER} is on this machine alone"):
        Models(Database(loaded), store).pin(NEWER)


class Reporter:
    """Keeps what a training reports."""

    def __init__(self) -> None:
        self.messages: list[str] = []
        self.stages: set[str] = set()

    def message(self, text: str) -> None:
        self.messages.append(text)

    def progress(self, stage: str, done: int, total: int | None, detail: str = "") -> None:
        self.stages.add(stage)


@pytest.fixture
def random_titles(sample: MovieLens, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.jobs.training.title_vectors", lambda *_: context_for(sample).titles())


def test_a_training_whose_upload_fails_is_not_lost(
    store: ObjectStore, sample: MovieLens, random_titles: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise ArtifactError("no room")

    settings, first, second = Settings(artifacts=store, artifacts_cache=store.cache), Reporter(), Reporter()
    with monkeypatch.context() as patched:
        patched.setattr(ObjectStore, "publish", refuse)
        with pytest.raises(ArtifactError, match="no room"):
            train_model(sample, SMALL, settings, first, resume=False)
    assert "--resume" in first.messages[-1]
    assert any("epoch" in stage for stage in first.stages)

    trained = train_model(sample, SMALL, settings, second, resume=True)

    assert store.folders_with("manifest.json") == [trained.folder.name]
    assert not any("epoch" in stage for stage in second.stages)
    assert not list((store.cache / ".checkpoints").glob("*.safetensors"))


def test_a_store_that_takes_nothing_is_found_before_the_training(
    sample: MovieLens, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    no_folder = ObjectStore(f"file://{tmp_path}/file", tmp_path / "cache")
    settings = Settings(artifacts=no_folder, artifacts_cache=no_folder.cache)
    monkeypatch.setattr("model.pipeline.train", lambda *_, **__: pytest.fail("it was trained"))

    with pytest.raises(ArtifactError, match="does not answer as expected"):
        train_model(sample, SMALL, settings, Reporter(), resume=False)


def test_to_see_whether_a_store_takes_models_leaves_nothing_in_it(store: ObjectStore) -> None:
    store.require_writable()
    store.require_writable()

    files, root = url_to_fs(store.url, skip_instance_cache=True)
    assert files.find(root) == []


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_nobody_waits_to_write_while_the_store_is_asked(
    store: ObjectStore, loaded: Engine, artifact_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    artifact.publish(store, artifact_folder)
    list_store, asked = ObjectStore.folders_with, []

    def while_another_process_writes(own: ObjectStore, file: str) -> list[str]:
        with Database(connect(str(loaded.url), timeout=0.5)).writes() as session:
            session.execute(text("UPDATE revisions SET catalogue = catalogue"))
        asked.append(file)
        return list_store(own, file)

    monkeypatch.setattr(ObjectStore, "folders_with", while_another_process_writes)
    models = Models(Database(loaded), store)
    models.pin(artifact_folder.name)
    models.unpin()

    assert asked


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_while_the_store_is_away_what_was_downloaded_is_served(
    loaded: Engine, scorer: Scorer, artifact_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = ObjectStore("s3://models/seqrec", tmp_path / "cache")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "any")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "any")
    with pytest.raises(ArtifactError, match="s3://models/seqrec does not answer as expected"):
        load_newest_scorer(away, CPU)

    copy_as(artifact_folder, artifact_folder.name, tmp_path / "cache")
    assert load_newest_scorer(away, CPU).version == artifact_folder.name
    with TestClient(create_app(loaded, scorer, artifacts=away)) as client:
        refused = client.post("/admin/reload")
        assert (refused.status_code, refused.json()["code"]) == (409, "reload_refused")
        assert "stays in use" in refused.json()["detail"]
        assert client.get("/users/1/recommendations").status_code == 200


def test_a_store_whose_library_is_missing_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object, **__: object) -> None:
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr("fsspec.url_to_fs", missing)

    with pytest.raises(SettingsError, match=r"pip install 'seqrec\[s3\]'"):
        artifact.newest(ObjectStore("s3://models", tmp_path))


def test_the_setting_takes_a_folder_or_an_address(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SEQREC_ARTIFACTS", "some/folder")
    assert Settings().artifacts == Settings().artifact_folder == Path("some/folder")

    monkeypatch.setenv("SEQREC_ARTIFACTS", "s3://bucket/models")
    monkeypatch.setenv("SEQREC_ARTIFACTS_CACHE", str(tmp_path))
    assert Settings().artifacts == ObjectStore("s3://bucket/models", tmp_path)
    assert Settings().artifact_folder == tmp_path
