"""A better model is trained while a preliminary one is served, and takes its place."""

import os
import shutil
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from builders import RATING_ONLY, SMALL, context_for
from server import running
from sqlalchemy import Engine, text

from app.jobs import improvement, prepare, training_progress
from app.jobs.training import train_model
from app.main import create_app
from app.settings import Settings
from app.storage import training_state
from app.storage.training_state import TrainedInVain
from model.card import Card
from model.data.dataset import MovieLens
from model.device import choose_device
from model.errors import DataError
from model.inference import artifact
from model.inference.scorer import Scorer
from model.network.config import RankingTrainingConfig
from model.pipeline import train


class Silent:
    """A reporter that keeps the messages."""

    def __init__(self) -> None:
        self.messages: list[str] = []

    def message(self, text: str) -> None:
        self.messages.append(text)

    def progress(self, stage: str, done: int, total: int | None, detail: str = "") -> None:
        """Progress is in the training's state."""


@pytest.fixture
def settings(sample: MovieLens, sample_folder: Path, loaded: Engine, tmp_path: Path) -> Settings:
    """A loaded database, and a preliminary model."""
    settings = Settings(
        data=sample_folder,
        artifacts=tmp_path / "artifacts",
        database_url=loaded.url.render_as_string(hide_password=False),
    )
    brief = {"refit": False, "ranking_training": RankingTrainingConfig(epochs=1)}
    train(sample, SMALL.model_copy(update=brief), settings.artifact_folder, context_for(sample), preliminary=True)
    return settings


@pytest.fixture(autouse=True)
def small_models(monkeypatch: pytest.MonkeyPatch, sample: MovieLens) -> None:
    """What is trained here is small and named `seqrec`, and its title vectors are random: they take no time."""
    monkeypatch.setattr(improvement, "preset", lambda _: SMALL.model_copy(update={"name": "seqrec"}))
    monkeypatch.setattr(training_progress, "WRITE_EVERY_SECONDS", 0.0)
    monkeypatch.setattr("app.jobs.training.title_vectors", lambda *_: context_for(sample).titles())


def always(better: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Card, "is_better_than", lambda *_: better)


def newest(settings: Settings) -> Card:
    card = prepare.newest_card(settings)
    assert card is not None
    return card


def test_the_better_model_takes_over_under_load_and_no_request_fails(
    settings: Settings, loaded: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    always(better=True, monkeypatch=monkeypatch)
    folder = artifact.newest(settings.artifact_folder)
    assert folder is not None
    scorer = Scorer(artifact.load(folder), choose_device("cpu"))
    statuses: list[int] = []
    done = threading.Event()

    def ask(address: str) -> None:
        with httpx.Client(base_url=address, timeout=30) as client:
            while not done.is_set():
                statuses.append(client.get("/users/1/recommendations").status_code)
                statuses.append(client.post("/predict", json={"user_id": 2, "movie_ids": [1]}).status_code)

    with (
        running(create_app(loaded, scorer, artifacts=settings.artifact_folder)) as address,
        ThreadPoolExecutor(2) as pool,
    ):
        assert httpx.get(f"{address}/model").json()["card"]["preliminary"] is True
        askers = [pool.submit(ask, address) for _ in range(2)]
        improvement.improve(settings, Silent())
        for _ in range(200):
            model = httpx.get(f"{address}/model").json()
            if not model["card"]["preliminary"]:
                break
            done.wait(0.05)
        done.set()
        for asker in askers:
            asker.result()

    assert model["card"]["preliminary"] is False
    assert model["training"]["state"] == "served"
    assert set(statuses) == {200}


def test_a_model_that_is_no_better_is_not_served_and_not_trained_again(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    always(better=False, monkeypatch=monkeypatch)
    first, again = Silent(), Silent()

    improvement.improve(settings, first)
    last = training_state.read(settings.artifact_folder)
    assert last is not None
    retrained = last.model_copy(update={"data": "of the database", "state": "worse"})  # a round of retraining
    training_state.write(settings.artifact_folder, retrained)
    improvement.improve(settings, again)

    assert newest(settings).preliminary
    assert any("no better" in message for message in first.messages)
    assert again.messages == ["Model: there is no preliminary one to improve"]


def test_an_interrupted_training_goes_on_where_it_was(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    always(better=True, monkeypatch=monkeypatch)
    interrupt = InterruptsInLists(settings)

    with pytest.raises(KeyboardInterrupt):
        improvement.improve(settings, interrupt)
    state = training_state.read(settings.artifact_folder)
    assert state is not None
    assert state.state == "interrupted"
    assert newest(settings).preliminary
    improvement.improve(settings, goes_on := InterruptsInLists(settings, interrupts=False))

    assert not newest(settings).preliminary
    assert goes_on.first_share > 0.3  # stars were learned before


def test_a_training_deletes_what_others_have_left_half_written(settings: Settings, sample: MovieLens) -> None:
    checkpoints = settings.artifact_folder / ".checkpoints"
    checkpoints.mkdir()
    for name in (".seqrec-0.safetensors.1.writing", "seqrec-0.safetensors"):
        (checkpoints / name).touch()

    old, new = ".20260101T000000Z-seqrec.1.writing", ".20260101T000000Z-seqrec.2.writing"
    places = [settings.artifact_folder / name for name in ("", artifact.ASIDE, ".cache")]
    for place in places:
        for name in (old, new):
            (place / name).mkdir(parents=True)
            (place / name / "weights.safetensors").touch()
        a_day_ago = time.time() - 86_401
        os.utime(place / old, (a_day_ago, a_day_ago))
    (settings.artifact_folder / ".cache" / ".titles.npy.1.writing").touch()
    os.utime(settings.artifact_folder / ".cache" / ".titles.npy.1.writing", (0, 0))

    train_model(sample, RATING_ONLY, settings, Silent(), resume=False)

    assert [file.name for file in checkpoints.iterdir()] == ["seqrec-0.safetensors"]
    for place in places:  # what is new may be a download of another process
        assert [one.name for one in place.glob("*.writing")] == [new]


class InterruptsInLists(Silent):
    """Interrupts the training when it learns lists, or only notes how much was done at its first step."""

    def __init__(self, settings: Settings, *, interrupts: bool = True) -> None:
        super().__init__()
        self.settings = settings
        self.interrupts = interrupts
        self.first_share = 0.0

    def progress(self, stage: str, done: int, total: int | None, detail: str = "") -> None:
        if self.interrupts and stage.startswith("lists, epoch 2"):
            raise KeyboardInterrupt
        state = training_state.read(self.settings.artifact_folder)
        if not self.first_share and state is not None and stage.startswith("lists"):
            self.first_share = state.share


def test_what_was_trained_before_a_kill_is_served_by_the_next_start(
    settings: Settings, loaded: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    always(better=True, monkeypatch=monkeypatch)
    monkeypatch.setattr("app.storage.revisions.count_reload", _killed)
    with pytest.raises(KeyboardInterrupt):
        improvement.improve(settings, Silent())
    monkeypatch.undo()
    with loaded.connect() as connection:
        before = connection.scalar(text("SELECT reloads FROM revisions"))

    improvement.improve(settings, Silent())

    with loaded.connect() as connection:
        assert connection.scalar(text("SELECT reloads FROM revisions")) == before + 1


def _killed(_: object) -> None:
    raise KeyboardInterrupt


def test_a_whole_training_takes_the_place_of_a_preliminary_model_also_of_generated_data_that_is_no_setting(
    settings: Settings, sample_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As after a start without a network: the sample lies where it is generated, and no setting names it.
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(prepare, "preset", lambda _=None: SMALL.model_copy(update={"name": "seqrec"}))
    shutil.copytree(sample_folder, tmp_path / "data" / "sample")
    always(better=True, monkeypatch=monkeypatch)

    prepare.prepare(settings.model_copy(update={"data": None}), Silent())

    assert not newest(settings).preliminary


def test_without_the_data_of_the_preliminary_model_nothing_is_trained(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()

    with pytest.raises(DataError, match="no longer there"):
        improvement.improve(settings.model_copy(update={"data": tmp_path / "elsewhere"}), Silent())


def test_a_failed_training_says_why(settings: Settings, sample: MovieLens, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_space(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("model.pipeline.save", no_space)

    with pytest.raises(OSError, match="No space"):
        train_model(sample, RATING_ONLY, settings, Silent(), resume=False)

    state = training_state.read(settings.artifact_folder)
    assert state is not None
    assert (state.state, state.stage) == ("failed", "No space left on device")


@pytest.mark.parametrize(
    ("served", "in_vain", "model", "to_improve"),
    [
        ({"preliminary": True}, None, "seqrec", True),
        ({"preliminary": False}, None, "seqrec", False),
        ({"preliminary": True}, {"model": "seqrec"}, "seqrec", False),
        ({"preliminary": True}, {"model": "seqrec", "data": "other"}, "seqrec", True),
        ({"preliminary": True}, {"model": "seqrec-rating"}, "seqrec", True),
        ({"preliminary": True, "model": "seqrec-small"}, None, "seqrec-small", False),  # it is what was asked for
    ],
)
def test_a_preliminary_model_is_improved_once(
    artifact_folder: Path,
    tmp_path: Path,
    served: dict[str, object],
    in_vain: dict[str, object] | None,
    model: str,
    to_improve: bool,
) -> None:
    card = artifact.load_card(artifact_folder).model_copy(update=served)
    if in_vain is not None:
        trained = TrainedInVain.model_validate({"data": card.data.checksum} | in_vain)
        training_state.write_in_vain(tmp_path, trained)

    assert prepare.is_to_improve(Settings(artifacts=tmp_path), card, model) == to_improve
