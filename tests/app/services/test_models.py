"""Which of the trained models is served, how to go back, and which ones are kept."""

import json
import logging
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from threading import Thread

import pytest
import torch
from builders import star_figures
from command import Run
from fastapi.testclient import TestClient
from sqlalchemy import Engine
from waiting import comes_true

from app.main import create_app
from app.services import model_host
from app.services.models.collection import Models
from app.services.models.loading import load_newest_scorer, load_scorer
from app.storage import models as storage
from app.storage import revisions
from app.storage.database import Database
from model.errors import ArtifactError, UnknownNameError
from model.inference import artifact
from model.inference.scorer import Scorer

CPU = torch.device("cpu")
OLDEST, OLDER, NEWEST = "20260101T000000Z-a", "20260102T000000Z-b", "20260103T000000Z-c"
SET_ASIDE = "20260104T000000Z-d"


@pytest.fixture
def root(artifact_folder: Path, tmp_path: Path) -> Path:
    """Three artifacts, and a newer one that was set aside."""
    root = tmp_path / "artifacts"
    for name in (OLDEST, OLDER, NEWEST, f"{artifact.ASIDE}/{SET_ASIDE}"):
        shutil.copytree(artifact_folder, root / name)
    return root


@pytest.fixture
def models(loaded: Engine, root: Path) -> Models:
    return Models(Database(loaded), root)


def service(models: Models, meanwhile: Callable[[], object] = lambda: None) -> TestClient:
    """A process that serves, as it is after its start; ``meanwhile`` happens while it starts."""
    assert models.root is not None
    with models.database.reads() as session:
        scorer = load_newest_scorer(models.root, CPU, storage.pinned(session))
        reloads = revisions.read(session).reloads
    app = create_app(models.database.engine, scorer, artifacts=models.root, keep_models=models.keep)
    meanwhile()
    app.state.services.host.start(reloads)
    return TestClient(app)


def names(folder: Path) -> list[str]:
    return [one.name for one in artifact.newest_first(folder)]


def serves(client: TestClient, version: str) -> bool:
    return comes_true(lambda: client.get("/model").json()["version"] == version)


def test_every_process_goes_back_to_a_pinned_model_and_forward_again(models: Models) -> None:
    one, other = service(models), service(models)
    assert serves(one, NEWEST)

    models.pin(OLDEST)
    assert serves(one, OLDEST)
    assert serves(other, OLDEST)
    assert one.post("/admin/reload").json() == {"before": OLDEST, "version": OLDEST}
    assert service(models).get("/model").json()["version"] == OLDEST  # also after a start

    assert models.unpin() == NEWEST
    assert serves(one, NEWEST)
    assert serves(other, NEWEST)


def test_a_pin_that_comes_while_a_process_starts_is_followed(models: Models) -> None:
    assert serves(service(models, meanwhile=lambda: models.pin(OLDEST)), OLDEST)


def test_a_pin_that_comes_while_a_reload_loads_another_model_is_followed(
    models: Models, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, other = service(models), service(models)
    shutil.copytree(root / NEWEST, root / "20260105T000000Z-e")
    pins = [OLDEST]

    def pinned_meanwhile(folder: Path, device: torch.device) -> Scorer:
        scorer = load_scorer(folder, device)
        if pins:
            models.pin(pins.pop())
        return scorer

    monkeypatch.setattr("app.services.model_host.load_scorer", pinned_meanwhile)

    assert client.post("/admin/reload").json() == {"before": NEWEST, "version": OLDEST}
    assert client.get("/model").json()["version"] == OLDEST
    assert serves(other, OLDEST)
    assert models.read().served == OLDEST


def test_a_model_that_cannot_be_loaded_is_tried_again(
    models: Models, root: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(model_host, "AGAIN_AFTER_SECONDS", 0.05)
    client = service(models)
    away = root / OLDEST, root.parent / "away"
    models.pin(OLDEST)
    away[0].rename(away[1])

    assert comes_true(lambda: client.get("/model").is_success and "is tried again" in caplog.text)
    away[1].rename(away[0])

    assert serves(client, OLDEST)


@pytest.mark.parametrize("failure", [OSError(28, "No space left on device"), RuntimeError("unforeseen")])
def test_a_reload_is_tried_again_whatever_it_failed_of(
    models: Models, failure: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures = [failure]

    def failing_once(folder: Path, device: torch.device) -> Scorer:
        if failures:
            raise failures.pop()
        return load_scorer(folder, device)

    monkeypatch.setattr(model_host, "AGAIN_AFTER_SECONDS", 0.05)
    monkeypatch.setattr(model_host, "load_scorer", failing_once)
    client = service(models)
    models.pin(OLDEST)

    assert serves(client, OLDEST)
    assert not failures


def test_a_model_that_a_start_could_not_load_is_served_when_it_is_there_again(
    models: Models, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_host, "AGAIN_AFTER_SECONDS", 0.05)
    models.pin(OLDEST)
    away = root.parent / "away"
    (root / OLDEST).rename(away)
    client = service(models)
    assert client.get("/model").json()["version"] == NEWEST

    away.rename(root / OLDEST)

    assert serves(client, OLDEST)
    assert comes_true(lambda: models.read().served == OLDEST)


def test_a_model_that_was_set_aside_is_served_only_when_it_is_pinned(models: Models) -> None:
    client = service(models)
    assert client.post("/admin/reload").json()["version"] == NEWEST

    models.pin(SET_ASIDE)
    assert serves(client, SET_ASIDE)


def test_a_damaged_or_unknown_model_is_not_pinned(models: Models, root: Path) -> None:
    (root / OLDER / "weights.safetensors").write_bytes(b"")

    with pytest.raises(ArtifactError, match="damaged"):
        models.pin(OLDER)
    with pytest.raises(UnknownNameError, match=f"no model 'x'.*{NEWEST}"):
        models.pin("x")
    assert models.read().pinned is None


def test_a_pinned_model_that_is_gone_is_refused_by_a_reload_and_passed_over_by_a_start(
    models: Models, root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    models.pin(OLDER)
    client = service(models)
    shutil.rmtree(root / OLDER)

    answer = client.post("/admin/reload")
    assert answer.status_code == 409
    assert f"pinned model {OLDER} is not in" in answer.json()["message"]
    with caplog.at_level(logging.ERROR):
        assert service(models).get("/model").json()["version"] == NEWEST
    assert "seqrec model serve --latest" in caplog.text


def test_the_history_says_what_was_served_from_when_until_when_and_why(models: Models) -> None:
    client = service(models)
    service(models)  # a second process with the same model adds nothing,
    client.post("/admin/reload")  # and neither does a reload of it
    models.pin(OLDER)
    models.unpin()

    body = client.get("/models").json()
    assert [(entry["version"], entry["why"]) for entry in body["history"]] == [
        (NEWEST, "the newest, when none was pinned any more"),
        (OLDER, "pinned by hand"),
        (NEWEST, "served from a start on"),
    ]
    assert [entry["served_until"] for entry in body["history"]] == [
        None,
        body["history"][0]["served_from"],
        body["history"][1]["served_from"],
    ]


def test_models_are_listed_with_their_figures_and_why_one_was_set_aside(models: Models, root: Path) -> None:
    card = artifact.load_card(root / NEWEST)
    assert card.held_out_lists is not None
    with models.database.writes() as session:
        round_id = storage.begin_round(session, 1000, 5)
        assert round_id is not None
        storage.end_round(session, round_id, 1001, "aside", SET_ASIDE, "its lists are worse")
    (root / OLDEST / "card.json").write_text("{")

    body = service(models).get("/models").json()

    assert [(one["version"], one["served"], one["aside"], one["damaged"]) for one in body["models"]] == [
        (SET_ASIDE, False, "its lists are worse", False),
        (NEWEST, True, None, False),
        (OLDER, False, None, False),
        (OLDEST, False, None, True),
    ]
    assert body["models"][1]["rmse"] == star_figures(card).rmse
    assert body["models"][1]["ndcg_at_10"] == card.held_out_lists.ndcg_at_10
    assert body["retrainings"][0]["outcome"] == "aside"


def test_a_reload_keeps_the_served_the_pinned_and_the_newest_models(models: Models, root: Path) -> None:
    models.keep = 1
    models.pin(OLDEST)
    shutil.copytree(root / NEWEST, root / artifact.ASIDE / "20260103T120000Z-older-aside")

    service(models).post("/admin/reload")

    assert names(root) == [NEWEST, OLDEST]
    assert names(root / artifact.ASIDE) == [SET_ASIDE]


def test_what_is_served_stays_though_newer_models_have_come(models: Models, root: Path) -> None:
    models.keep = 1
    service(models)
    shutil.copytree(root / NEWEST, root / "20260105T000000Z-e")

    assert models.prune() == [OLDER, OLDEST]
    assert names(root) == ["20260105T000000Z-e", NEWEST]


def test_a_pinned_model_stays_though_another_one_had_to_be_served(models: Models, root: Path) -> None:
    models.keep = 1
    models.pin(OLDEST)
    models.record(NEWEST, artifact.load_card(root / NEWEST), "served from a start on")

    assert models.prune() == [OLDER]
    assert names(root) == [NEWEST, OLDEST]


def test_a_model_that_is_deleted_while_it_is_loaded_is_not_pinned(
    models: Models, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    models.keep = 1
    load = Models._load

    def load_and_prune(self: Models, version: str) -> Scorer:
        scorer = load(self, version)
        models.prune()
        return scorer

    monkeypatch.setattr(Models, "_load", load_and_prune)
    with pytest.raises(UnknownNameError):
        models.pin(OLDER)

    assert models.read().pinned is None


def test_a_model_that_is_being_pinned_is_not_deleted(models: Models, root: Path) -> None:
    models.keep = 1
    other_process = Models(Database(models.database.engine), root, keep=1)
    with models.database.writes() as session:
        storage.pin(session, OLDEST)
        pruning = Thread(target=other_process.prune)
        pruning.start()
        time.sleep(0.3)  # it would have read and deleted by now
    pruning.join()

    assert names(root) == [NEWEST, OLDEST]


def test_a_kill_while_models_are_deleted_leaves_no_half_artifact(
    models: Models, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    models.keep = 1
    service(models)
    with monkeypatch.context() as killed:
        killed.setattr(shutil, "rmtree", lambda *_, **__: exec("raise KeyboardInterrupt"))
        with pytest.raises(KeyboardInterrupt):
            models.prune()
    assert names(root) == [NEWEST, OLDEST]

    models.prune()
    assert sorted(one.name for one in root.iterdir()) == [artifact.ASIDE, NEWEST]


@pytest.fixture
def command(filled: Run, root: Path) -> Run:
    filled.monkeypatch.setenv("SEQREC_ARTIFACTS", str(root))
    return filled


def test_the_command_goes_back_and_forward(command: Run) -> None:
    assert command("model", "serve", OLDER)[0] == 0
    listed = json.loads(command("model", "list", "--json")[1])
    assert (listed["served"], listed["pinned"]) == (OLDER, OLDER)
    assert "served" in next(line for line in command("model", "list")[1].splitlines() if OLDER in line)

    status, _, err = command("model", "serve", "--latest")
    assert (status, f"{NEWEST}, the newest model" in err.replace("\n", "")) == (0, True)
    assert [entry["why"] for entry in json.loads(command("model", "history", "--json")[1])["history"]] == [
        "the newest, when none was pinned any more",
        "pinned by hand",
    ]
    assert OLDER in command("model", "history")[1]


def test_on_a_narrow_terminal_names_of_models_are_whole(command: Run) -> None:
    command.monkeypatch.setenv("COLUMNS", "80")
    command("model", "serve", OLDER)

    for what in ("list", "history"):
        assert OLDER in command("model", what)[1]


def test_the_command_wants_a_version_or_the_latest(command: Run) -> None:
    for arguments in ((), (OLDER, "--latest")):
        status, _, err = command("model", "serve", *arguments)
        assert status == 1
        assert "Name one of them: a VERSION; two, each with its share" in err


def test_the_command_shows_compares_and_prunes(command: Run, root: Path) -> None:
    command.monkeypatch.setenv("SEQREC_KEEP_MODELS", "2")
    card = artifact.load_card(root / OLDER)

    assert json.loads(command("model", "show", OLDER)[1])["held_out"]["rmse"] == star_figures(card).rmse
    compared = command("model", "compare", OLDER, NEWEST)[1]
    assert compared.count(f"{star_figures(card).rmse:.4f}") == 2
    assert command("model", "prune")[1].split() == [OLDEST]
