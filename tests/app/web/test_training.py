"""What the page says while a better model is in training."""

import shutil
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from browsing import Visit
from playwright.sync_api import expect
from server import running
from sqlalchemy import Engine

from app.main import create_app
from app.services.models.collection import Models
from app.storage import training_state
from app.storage.database import Database
from app.storage.training_state import TrainingState
from model.device import choose_device
from model.inference import artifact
from model.inference.scorer import Scorer


@pytest.fixture
def artifacts(artifact_folder: Path, tmp_path: Path) -> Path:
    """A folder with a preliminary model."""
    loaded = artifact.load(artifact_folder)
    artifact.save(tmp_path, loaded.network, loaded.catalogue, loaded.card.model_copy(update={"preliminary": True}))
    return tmp_path


@pytest.fixture
def address(artifacts: Path, loaded: Engine) -> Iterator[str]:
    folder = artifact.newest(artifacts)
    assert folder is not None
    with running(
        create_app(loaded, Scorer(artifact.load(folder), choose_device("cpu")), artifacts=artifacts)
    ) as address:
        yield address


def in_training(share: float) -> TrainingState:
    now = training_state.now()
    return TrainingState(
        model="seqrec",
        state="running",
        stage="lists, epoch 3 of 12",
        share=share,
        started_at=now - timedelta(minutes=6),
        started_with=0.0,
        updated_at=now,
        data="",
    )


def test_the_page_says_that_the_model_is_a_first_one_and_how_far_the_better_one_is(
    visit: Visit, artifacts: Path
) -> None:
    with training_state.lock(artifacts):
        training_state.write(artifacts, in_training(0.42))
        page = visit()

        notice = page.locator("#training")
        expect(notice).to_contain_text("A first model")
        expect(notice).to_contain_text("42 % done, ready at about")
        expect(notice.get_by_role("progressbar")).to_have_attribute("value", "0.42")
        page.get_by_role("link", name="Model", exact=True).click()
        expect(page.get_by_role("region", name="Model card")).to_contain_text("(preliminary)")


def test_before_the_training_has_begun_the_page_waits_for_it(visit: Visit, artifacts: Path) -> None:
    # What is there is the state of the first model's own training.
    folder = artifact.newest(artifacts)
    assert folder is not None
    own = {"model": artifact.load_card(folder).model, "state": "served"}
    training_state.write(artifacts, in_training(1.0).model_copy(update=own))
    page = visit()
    expect(page.locator("#training")).to_contain_text("once it is trained")

    with training_state.lock(artifacts):
        training_state.write(artifacts, in_training(0.1))
        expect(page.locator("#training")).to_contain_text("10 % done", timeout=20_000)


def test_an_interrupted_training_is_said_to_go_on(visit: Visit, artifacts: Path) -> None:
    training_state.write(artifacts, in_training(0.42))

    notice = visit().locator("#training")

    expect(notice).to_contain_text("was interrupted")
    expect(notice.get_by_role("progressbar")).to_be_hidden()


def test_the_page_notices_when_the_better_model_has_taken_over(
    visit: Visit, artifacts: Path, artifact_folder: Path, address: str
) -> None:
    with training_state.lock(artifacts):
        training_state.write(artifacts, in_training(0.9))
        page = visit(user=1)
        expect(page.locator("#training")).to_be_visible()
    training_state.write(artifacts, in_training(1.0).model_copy(update={"state": "served"}))
    expect(page.locator("#training")).to_contain_text("in a moment", timeout=20_000)
    shutil.copytree(artifact_folder, artifacts / f"99991231T000000Z-{artifact_folder.name}")
    page.request.post(f"{address}/admin/reload")

    expect(page.get_by_text("A better model has taken over.")).to_be_visible(timeout=20_000)
    expect(page.locator("#training")).to_be_hidden()


def test_the_card_shows_how_good_the_models_before_were(visit: Visit, artifacts: Path, loaded: Engine) -> None:
    (only,) = artifact.newest_first(artifacts)
    card = artifact.load_card(only)
    assert card.held_out_lists is not None
    models = Models(Database(loaded), artifacts)
    models.record("earlier", card, "served from a start on")
    models.record(only.name, card, "served from a reload on")
    page = visit()
    page.get_by_role("link", name="Model", exact=True).click()

    picture = page.get_by_role("figure").filter(has_text="Models served so far")
    expect(picture.locator(".measure-dot")).to_have_count(2)
    expect(picture.locator(".ours")).to_contain_text(f"{card.held_out_lists.ndcg_at_10:.3f}")


def test_while_there_was_one_model_alone_there_is_no_such_picture(visit: Visit) -> None:
    page = visit()
    page.get_by_role("link", name="Model", exact=True).click()

    expect(page.get_by_text("Quality of the lists")).to_be_visible()
    expect(page.get_by_text("Models served so far")).to_be_hidden()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_while_two_models_are_compared_the_page_says_so_and_what_it_has_shown(
    visit: Visit, artifacts: Path, artifact_folder: Path, address: str, loaded: Engine
) -> None:
    with httpx.Client(base_url=address) as client:
        client.get("/users/1/recommendations")  # from here on the service follows what is loaded elsewhere
        (champion,) = artifact.newest_first(artifacts)
        challenger = shutil.copytree(artifact_folder, artifacts / f"00000101T000000Z-{artifact_folder.name}")
        Models(Database(loaded), artifacts).compare(champion.name, challenger.name, 0.25)
        deadline = time.monotonic() + 20
        while client.get("/model").json()["comparison"] is None:
            client.get("/users/1/recommendations")
            assert time.monotonic() < deadline
            time.sleep(0.05)
        for user in range(1, 81):  # so many that each model answers some
            answer = client.get(f"/users/{user}/recommendations").json()
            event = {"user_id": user, "movie_id": answer["recommendations"][0]["movie_id"], "kind": "impression"}
            client.post("/events", json={"events": [event | {"recommendation_id": answer["recommendation_id"]}]})

    page = visit()
    page.get_by_role("link", name="Model", exact=True).click()

    says = f"{champion.name} answers 75% of the users, {challenger.name} 25%."
    expect(page.get_by_text(says)).to_be_visible()
    expect(page.get_by_text("are compared. Not significant: the challenger's NDCG differs by")).to_be_visible()
