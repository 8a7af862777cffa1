"""The model is trained anew on the database, and takes over only if it is better."""

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders import SMALL
from pydantic import ValidationError
from sqlalchemy import Engine, text
from waiting import comes_true

from app.errors import RetrainingBusy, RetrainingLost, TrainingBusy
from app.jobs.background import LogReporter
from app.jobs.extract import extract
from app.jobs.retraining import lease as leases
from app.jobs.retraining import schedule
from app.jobs.retraining.comparison import Answers, HeldOutUser, Verdict, decide, evaluate, held_out_users
from app.jobs.retraining.lease import lease
from app.jobs.retraining.round import retrain
from app.services.models.collection import Collection, Models
from app.services.models.loading import load_scorer
from app.settings import Schedule, Settings
from app.storage import models, training_state
from app.storage.database import Database, connect
from model import pipeline
from model.card import Card
from model.data.dataset import MovieLens
from model.data.newest import newest_split
from model.device import choose_device
from model.errors import DataError, SettingsError
from model.features.users import UserContext
from model.inference import artifact
from model.inference.cold_start import carried_over
from model.rating_scale import HALF_STARS

NEW_MOVIE = 900


@pytest.fixture
def settings(sample: MovieLens, loaded: Engine, artifact_folder: Path, tmp_path: Path) -> Settings:
    """A service whose model was trained on all of the sample; half of its users have rated a new movie since."""
    artifacts = tmp_path / "artifacts"
    champion = artifact.load(artifact_folder)
    artifact.save(artifacts, champion.network, champion.catalogue, champion.card)
    newest = sample.newest
    with loaded.begin() as connection:
        connection.execute(text(f"INSERT INTO movies (id, title, year) VALUES ({NEW_MOVIE}, 'New (2026)', 2026)"))
        for user in range(1, 61):
            for movie, after in ((NEW_MOVIE, user), (movie_unrated_by(user, sample), 100 + user)):
                connection.execute(
                    text(f"INSERT INTO ratings VALUES ({user}, {movie}, {1 + user % 5}, {newest + after})")
                )
    return Settings(artifacts=artifacts, database_url=loaded.url.render_as_string(hide_password=False))


def movie_unrated_by(user: int, sample: MovieLens) -> int:
    rated = set(sample.ratings.filter(sample.ratings["user_id"] == user)["movie_id"].to_list())
    return next(movie for movie in sample.movies["movie_id"].to_list() if movie not in rated)


@pytest.fixture(autouse=True)
def small_models(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is trained here is small, and its title vectors are random: they take no time."""
    monkeypatch.setattr("app.jobs.retraining.round.preset", lambda *_: SMALL)
    monkeypatch.setattr(
        "app.jobs.training.title_vectors", lambda catalogue, *_: titles_of(len(catalogue.movie_ids) + 1)
    )


def titles_of(size: int) -> np.ndarray:
    return np.random.default_rng(0).normal(0, 0.05, (size, 384)).astype(np.float32)


def read(settings: Settings, engine: Engine) -> Collection:
    return Models(Database(engine), settings.artifacts).read()


def decided(monkeypatch: pytest.MonkeyPatch, *, better: bool) -> None:
    monkeypatch.setattr("app.jobs.retraining.round.decide", lambda *_: Verdict(better, "for a test"))


def test_a_better_model_is_served_and_knows_what_is_new(
    settings: Settings, loaded: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    decided(monkeypatch, better=True)
    retrain(settings, LogReporter())

    after = read(settings, loaded)
    challenger = after.stored[0]
    assert (challenger.served, challenger.aside) == (True, None)
    assert challenger.card is not None
    assert challenger.card.protocol == "newest"
    trained = artifact.load(settings.artifact_folder / challenger.version)
    assert NEW_MOVIE in trained.catalogue.movie_ids
    assert trained.first_movies
    assert after.champions[0].why == "retrained, for a test"
    assert [(one.outcome, one.version) for one in after.rounds] == [("served", challenger.version)]
    card = challenger.card
    assert card.data.newest == extract(loaded).newest - 100  # what it was judged by is new to it


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_better_model_is_kept_beside_a_pinned_one_and_nobody_says_that_it_is_served(
    settings: Settings, loaded: Engine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    champion = artifact.newest(settings.artifacts)
    assert champion is not None
    Models(Database(loaded), settings.artifacts).pin(champion.name)
    decided(monkeypatch, better=True)
    with caplog.at_level("INFO"):
        retrain(settings, LogReporter())

    after = read(settings, loaded)
    challenger = after.stored[0]
    assert (after.served, challenger.served, challenger.aside) == (champion.name, False, None)
    kept = "kept for `seqrec model serve --latest`, since another one is pinned"
    assert f"{challenger.version} is {kept}, for a test" in caplog.text
    assert after.rounds[0].reason == f"for a test; {kept}"


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_nobody_waits_to_write_while_a_better_model_is_uploaded(
    settings: Settings, loaded: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    uploaded: list[str] = []

    def while_another_process_writes(_: Path, folder: Path) -> None:
        with Database(connect(str(loaded.url), timeout=0.5)).writes() as session:
            session.execute(text("UPDATE revisions SET catalogue = catalogue"))
        uploaded.append(folder.name)

    monkeypatch.setattr(artifact, "publish", while_another_process_writes)
    decided(monkeypatch, better=True)
    retrain(settings, LogReporter())

    assert uploaded == [read(settings, loaded).served]


def test_a_model_that_is_not_better_is_set_aside_with_the_reason(
    settings: Settings, loaded: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = artifact.newest(settings.artifacts)
    decided(monkeypatch, better=False)
    retrain(settings, LogReporter())

    after = read(settings, loaded)
    assert artifact.newest(settings.artifacts) == before
    assert after.stored[0].aside == "for a test"
    assert after.champions == []
    assert after.rounds[0].outcome == "aside"


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_model_of_whole_stars_is_followed_by_one_of_half_stars(
    settings: Settings, loaded: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    with loaded.begin() as connection:
        connection.execute(text(f"UPDATE ratings SET stars = 3.5 WHERE movie_id = {NEW_MOVIE}"))
    decided(monkeypatch, better=True)
    retrain(settings, LogReporter())

    served = read(settings, loaded).champions[0].version
    assert artifact.load(settings.artifact_folder / served).network.config.rating_scale == HALF_STARS


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_round_that_fails_leaves_the_champion_and_says_why(
    settings: Settings, loaded: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_space(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    before = artifact.newest(settings.artifacts)
    monkeypatch.setattr(pipeline, "save", no_space)
    with pytest.raises(OSError, match="No space"):
        retrain(settings, LogReporter())

    after, state = read(settings, loaded), training_state.read(settings.artifact_folder)
    assert artifact.newest(settings.artifacts) == before
    assert (after.rounds[0].outcome, after.rounds[0].reason) == ("failed", "OSError")
    assert state is not None
    assert (state.state, state.stage) == ("failed", "No space left on device")


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_what_a_killed_round_has_left_is_gone_after_the_next_and_what_others_resume_stays(
    settings: Settings, loaded: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoints = settings.artifact_folder / ".checkpoints"
    left = [checkpoints / "database" / name for name in ("seqrec-0.safetensors", ".seqrec-0.safetensors.1.writing")]
    others = [checkpoints / name for name in ("seqrec-1.safetensors", "evaluate/seqrec-2.safetensors")]
    for file in (*left, *others):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()

    decided(monkeypatch, better=False)
    retrain(settings, LogReporter())
    assert {file for file in checkpoints.rglob("*") if file.is_file()} == {*others}


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_no_round_begins_while_something_is_trained_into_the_folder(settings: Settings, loaded: Engine) -> None:
    with training_state.lock(settings.artifact_folder), pytest.raises(TrainingBusy):
        retrain(settings, LogReporter())
    assert read(settings, loaded).rounds == []


def test_one_process_of_all_machines_retrains_at_a_time(loaded: Engine) -> None:
    with lease(loaded), pytest.raises(RetrainingBusy), lease(loaded):
        pass


def test_a_round_whose_process_has_died_is_taken_over_and_can_no_longer_end(loaded: Engine) -> None:
    database = Database(loaded)
    with database.writes() as session:
        dead = models.begin_round(session, int(time.time()) - 61, 0)
    assert dead is not None
    with lease(loaded), database.reads() as session:
        assert [one.outcome for one in models.rounds(session, 2)] == [None, "failed"]
    with database.writes() as session, pytest.raises(RetrainingLost):
        leases.Lease(database, dead).end(session, "served", "x", "")


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_long_round_stays_alive(loaded: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "BEAT_EVERY_SECONDS", 0.01)
    with lease(loaded):
        with loaded.begin() as connection:
            connection.execute(text("UPDATE retrainings SET heartbeat_at = 0"))
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            with loaded.connect() as connection:
                if connection.scalar(text("SELECT heartbeat_at FROM retrainings")):
                    return
    raise AssertionError("no heartbeat")


HELD_OUT = [HeldOutUser(UserContext(), {1: 5.0}) for _ in range(50)]


def answers(ndcg: float, stars: float, movies: int = 10) -> Answers:
    """Of a model whose list is as good for everyone, and whose stars are the same for everyone."""
    return Answers(np.full(50, ndcg, dtype=np.float32), np.full(50, stars, dtype=np.float32), movies)


@pytest.mark.parametrize(
    ("challenger", "better", "words"),
    [
        pytest.param(answers(0.6, 4.5), True, "better lists", id="better lists"),
        pytest.param(answers(0.5, 4.6), True, "better stars", id="better stars"),
        pytest.param(answers(0.6, 4.4), False, "not better", id="better lists, worse stars"),
        pytest.param(answers(0.4, 4.6), False, "not better", id="better stars, worse lists"),
        pytest.param(answers(0.5, 4.5), False, "not better", id="the same"),
        pytest.param(answers(0.5, 4.5, movies=12), True, "knows 2 more movies", id="the same, of more movies"),
        pytest.param(answers(0.496, 4.497, movies=12), True, "knows 2 more movies", id="within the margin"),
        pytest.param(answers(0.494, 4.5, movies=12), False, "not better", id="beyond the margin"),
    ],
)
def test_a_challenger_takes_over_only_if_it_is_better_or_as_good_and_knows_more(
    challenger: Answers, better: bool, words: str, sample: MovieLens
) -> None:
    verdict = decide(answers(0.5, 4.5), challenger, HELD_OUT, sample)

    assert verdict.better == better
    assert words in verdict.reason


@pytest.mark.parametrize(("ndcg", "better"), [(0.6, True), (0.4, False)])
def test_without_stars_lists_alone_decide(ndcg: float, better: bool, sample: MovieLens) -> None:
    champion, challenger = (answers(one, 5)._replace(stars=None) for one in (0.5, ndcg))

    verdict = decide(champion, challenger, HELD_OUT, sample.without_stars())

    assert verdict.better == better
    assert "RMSE" not in verdict.reason


def test_a_difference_by_chance_is_no_better_model(sample: MovieLens) -> None:
    noise = np.random.default_rng(0).normal(0, 0.2, 50).astype(np.float32)
    champion = answers(0.5, 4.5)
    luckier = champion._replace(ndcg=champion.ndcg + noise - noise.mean() + 0.01)

    assert not decide(champion, luckier, HELD_OUT, sample).better


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_newest_ratings_are_held_out_of_training_and_asked_for(settings: Settings, loaded: Engine) -> None:
    data = extract(loaded)
    since = data.newest - 160  # 60 ratings of the new movie, then 60 of others
    split, cut = newest_split(data, since)

    assert cut == since + 60
    assert split.test.target_counts.tolist() == [1] * 54
    assert split.validation.target_counts.tolist() == [1] * 6
    assert len(split.train.sequences.movies) == len(data.ratings) - 60
    held_out = held_out_users(split.test, data)
    assert held_out[0].context.has(NEW_MOVIE)
    (folder,) = artifact.newest_first(settings.artifacts)
    given = evaluate(load_scorer(folder, choose_device("cpu")), held_out, data, titles_of(len(data.movies) + 1))
    assert given.stars is not None
    assert (len(given.stars), len(given.ndcg), given.movies) == (
        54,
        sum(1 for one in held_out if max(one.later.values()) >= 4),
        80,
    )


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_without_new_ratings_there_is_nothing_to_judge_by(settings: Settings, loaded: Engine) -> None:
    with loaded.begin() as connection:
        connection.execute(text("DELETE FROM ratings WHERE movie_id = 900"))
        connection.execute(text("DELETE FROM ratings WHERE rated_at > (SELECT max(rated_at) - 30 FROM ratings)"))
    with pytest.raises(DataError, match="are needed to tell whether another one is better"):
        retrain(settings, LogReporter())

    (last,) = read(settings, loaded).rounds
    assert last.outcome == "failed"
    assert "Wait for more ratings" in (last.reason or "")


def test_a_network_is_carried_over_by_the_ids_of_movies(artifact_folder: Path, sample: MovieLens) -> None:
    loaded = artifact.load(artifact_folder)
    ids = (5, NEW_MOVIE, 3)  # other places, one that is new, and most are gone
    own = sample.catalogue.vocabulary
    catalogue = sample.catalogue.__class__(
        movie_ids=ids, titles=("a", "b", "c"), genres=((), (), ()), genre_names=sample.catalogue.genre_names
    )
    carried = carried_over(loaded, catalogue, titles_of(4))

    assert carried is not None
    before, after = (one.require_ranking().members[0].movies.embedding.weight for one in (loaded.network, carried))
    assert after[1].equal(before[own.index(5)])
    assert after[2].equal(before[0])  # the unknown movie's
    assert after[3].equal(before[own.index(3)])
    assert (
        carried_over(loaded, catalogue.__class__(ids, ("a", "b", "c"), ((), (), ()), ("Other",)), titles_of(4)) is None
    )


NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "last", "new_ratings", "due"),
    [
        ("10 ratings", NOON, 9, False),
        ("10 ratings", NOON, 10, True),
        ("0 3 * * *", NOON - timedelta(hours=8), 0, False),  # since four
        ("0 3 * * *", NOON - timedelta(hours=10), 0, True),  # since two, before three
    ],
)
def test_a_round_is_due_after_so_many_ratings_or_at_its_time(
    text: str, last: datetime, new_ratings: int, due: bool
) -> None:
    assert Schedule.parse(text).is_due(NOON, last, lambda: new_ratings) == due


@pytest.mark.parametrize("wrong", ["0 ratings", "nightly", "61 * * * *", "ten ratings"])
def test_a_wrong_schedule_is_refused_at_the_start(wrong: str) -> None:
    with pytest.raises(ValidationError, match="neither a number of ratings"):
        Settings(retrain=wrong)


def test_where_nothing_can_train_the_service_says_so_at_its_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)

    with (
        pytest.raises(SettingsError, match=r"pip install 'seqrec\[training\]'"),
        schedule.in_background(Settings(retrain="10 ratings")),
    ):
        pass


@pytest.fixture
def looked_often(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The times at which rounds were begun, in place of the rounds."""
    begun: list[float] = []
    monkeypatch.setattr(schedule, "LOOK_EVERY_SECONDS", 0.01)
    monkeypatch.setattr(schedule, "_run", lambda *_: begun.append(time.monotonic()))
    return begun


def test_a_schedule_of_times_counts_no_ratings(loaded: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.storage.ratings.count", lambda _: pytest.fail("it counts all ratings at every look"))
    hour_ago = datetime.now(UTC) - timedelta(hours=1)

    assert schedule.is_due(Schedule.parse("* * * * *"), Settings(), Database(loaded), hour_ago)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_what_a_model_has_learned_from_events_postpones_no_round(
    settings: Settings, loaded: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    load_card, now = artifact.load_card, datetime.now(UTC)

    def with_events(folder: Path) -> Card:
        card = load_card(folder)
        return card.model_copy(update={"data": card.data.model_copy(update={"ratings": card.data.ratings + 1_000})})

    monkeypatch.setattr(artifact, "load_card", with_events)

    assert schedule.is_due(Schedule.parse("120 ratings"), settings, Database(loaded), now)
    assert not schedule.is_due(Schedule.parse("121 ratings"), settings, Database(loaded), now)


def begin_round(engine: Engine, *, heartbeat_seconds_ago: int) -> None:
    with Database(engine).writes() as session:
        assert models.begin_round(session, int(time.time()) - heartbeat_seconds_ago, 0) is not None


def test_a_killed_round_holds_the_next_one_up_no_longer_than_its_heartbeat(settings: Settings, loaded: Engine) -> None:
    wanted, began = Schedule.parse("1 ratings"), datetime.now(UTC)

    begin_round(loaded, heartbeat_seconds_ago=models.LIVES_FOR_SECONDS + 1)
    assert schedule.is_due(wanted, settings, Database(loaded), began)

    begin_round(loaded, heartbeat_seconds_ago=0)
    assert not schedule.is_due(wanted, settings, Database(loaded), began)


@pytest.mark.parametrize(
    ("error", "seconds_ago", "due"),
    [
        pytest.param(KeyboardInterrupt(), 100, True, id="interrupted by a restart"),
        pytest.param(KeyboardInterrupt(), -100, False, id="interrupted while the service ran"),
        pytest.param(RuntimeError(), 100, False, id="failed"),
    ],
)
def test_a_round_that_a_restart_has_cut_short_costs_no_further_ratings(
    settings: Settings, loaded: Engine, error: BaseException, seconds_ago: int, due: bool
) -> None:
    with pytest.raises(type(error)), lease(loaded):
        raise error
    began = datetime.now(UTC) + timedelta(seconds=seconds_ago)

    assert schedule.is_due(Schedule.parse("120 ratings"), settings, Database(loaded), began) == due


def test_a_round_that_was_killed_with_the_service_costs_no_further_ratings(settings: Settings, loaded: Engine) -> None:
    with Database(loaded).writes() as session:
        models.begin_round(session, int(time.time()) - 100, 10**6)
    wanted, now = Schedule.parse("120 ratings"), datetime.now(UTC)

    assert schedule.is_due(wanted, settings, Database(loaded), now)
    assert not schedule.is_due(wanted, settings, Database(loaded), now - timedelta(seconds=200))


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_round_that_no_process_can_be_had_for_is_begun_at_the_next_look(
    settings: Settings, looked_often: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    begin, refusals = schedule._run, [OSError(12, "Cannot allocate memory")]

    def run(*given: Any) -> None:
        if refusals:
            raise refusals.pop()
        begin(*given)

    monkeypatch.setattr(schedule, "_run", run)
    with schedule.in_background(settings.model_copy(update={"retrain": "120 ratings"})):
        assert comes_true(lambda: bool(looked_often))


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_service_begins_a_round_after_enough_new_ratings(
    settings: Settings, looked_often: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    is_due, looks = schedule.is_due, list[bool]()

    def look(*given: Any) -> bool:
        looks.append(is_due(*given))
        return looks[-1]

    monkeypatch.setattr(schedule, "is_due", look)
    with schedule.in_background(settings.model_copy(update={"retrain": "121 ratings"})):
        assert comes_true(lambda: len(looks) > 1)
    assert not looked_often
    with schedule.in_background(settings.model_copy(update={"retrain": "120 ratings"})):
        assert comes_true(lambda: bool(looked_often))
