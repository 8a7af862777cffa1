"""Two models that are served side by side: whom each answers, in every process, and what that shows."""

import json
import logging
import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from builders import SMALL
from command import Run
from fastapi.testclient import TestClient
from safetensors.torch import load_file, save_file
from sqlalchemy import Engine, update

from app.main import create_app
from app.services.feedback.attribution import AttributedList
from app.services.feedback.comparing import Outcome, compare, lists_of
from app.services.models.collection import Models
from app.services.models.loading import load_newest_scorer
from app.services.models.traffic import is_assigned_to_challenger
from app.storage import models as storage
from app.storage import revisions
from app.storage.database import Database
from app.storage.events import ListRecord
from app.storage.models import Comparison
from app.storage.tables import Dataset
from model.errors import ArtifactError, UnknownNameError
from model.factorization.bias import Bias
from model.factorization.cross_fitting import bias_prior
from model.features.history import Rated
from model.features.users import Profile, UserContext
from model.files import sha256
from model.inference import artifact
from model.network.rating import SeqRec
from model.rating_scale import HALF_STARS

CHAMPION, CHALLENGER, NEWEST = "20260101T000000Z-a", "20260102T000000Z-b", "20260103T000000Z-c"
USERS = range(1, 41)
HALVES = Comparison(CHAMPION, CHALLENGER, 0.5, 0)


def change_weights(folder: Path) -> None:
    """Another model: what it has learned of movies is another movie's."""
    weights = load_file(folder / artifact.WEIGHTS)
    for name, tensor in weights.items():
        if tensor.is_floating_point() and tensor.ndim == 2:
            weights[name] = tensor.flip(0).contiguous()
    save_file(weights, folder / artifact.WEIGHTS)
    write_checksums(folder)


def write_checksums(folder: Path) -> None:
    manifest = json.loads((folder / artifact.MANIFEST).read_text())
    manifest["files"] = {name: sha256(folder / name) for name in manifest["files"]}
    (folder / artifact.MANIFEST).write_text(json.dumps(manifest))


def change(folder: Path, name: str, make: Callable[[dict[str, Any]], None]) -> None:
    body = json.loads((folder / name).read_text())
    make(body)
    (folder / name).write_text(json.dumps(body))
    write_checksums(folder)


@pytest.fixture
def root(artifact_folder: Path, tmp_path: Path) -> Path:
    """Three artifacts; the challenger has other weights."""
    root = tmp_path / "artifacts"
    for name in (CHAMPION, CHALLENGER, NEWEST):
        shutil.copytree(artifact_folder, root / name)
    change_weights(root / CHALLENGER)
    return root


@pytest.fixture
def models(loaded: Engine, root: Path) -> Models:
    return Models(Database(loaded), root)


def service(models: Models) -> TestClient:
    """A process that serves, as it is after its start."""
    assert models.root is not None
    with models.database.reads() as session:
        scorer = load_newest_scorer(models.root, torch.device("cpu"), storage.pinned(session))
        reloads = revisions.read(session).reloads
    app = create_app(models.database.engine, scorer, artifacts=models.root)
    app.state.services.host.start(reloads)
    return TestClient(app)


def compares(client: TestClient, *, runs: bool = True) -> bool:
    deadline = time.monotonic() + 10
    while (client.get("/model").json()["comparison"] is not None) != runs and time.monotonic() < deadline:
        time.sleep(0.02)
    return (client.get("/model").json()["comparison"] is not None) == runs


def lists(client: TestClient) -> dict[int, dict[str, Any]]:
    return {user: client.get(f"/users/{user}/recommendations").json() for user in USERS}


def answered_by(client: TestClient) -> dict[int, str]:
    return {user: own["model"] for user, own in lists(client).items()}


def movies(answer: dict[str, Any]) -> list[int]:
    return [entry["movie_id"] for entry in answer["recommendations"]]


def test_every_process_answers_a_user_by_the_same_model_from_the_beginning_to_the_end(models: Models) -> None:
    one, other = service(models), service(models)
    assert set(answered_by(one).values()) == {NEWEST}

    models.compare(CHAMPION, CHALLENGER, 0.4)
    assert compares(one)
    assert compares(other)
    expected = {
        user: CHALLENGER if is_assigned_to_challenger(user, HALVES._replace(share=0.4)) else CHAMPION for user in USERS
    }
    assert set(expected.values()) == {CHAMPION, CHALLENGER}
    assert answered_by(one) == answered_by(other) == answered_by(service(models)) == expected

    models.pin(CHAMPION)
    assert compares(one, runs=False)
    assert compares(other, runs=False)
    assert set(answered_by(one).values()) == set(answered_by(other).values()) == {CHAMPION}


def test_the_newest_model_ends_a_comparison_too(models: Models) -> None:
    client = service(models)
    models.compare(CHAMPION, CHALLENGER, 0.5)
    assert compares(client)

    assert models.unpin() == NEWEST
    assert compares(client, runs=False)
    assert set(answered_by(client).values()) == {NEWEST}


def test_a_share_is_that_of_the_users_and_a_greater_one_takes_nobody_away() -> None:
    few, more = HALVES._replace(share=0.1), HALVES._replace(share=0.3)
    of_few, of_more = ({user for user in range(20_000) if is_assigned_to_challenger(user, own)} for own in (few, more))

    assert len(of_few) / 20_000 == pytest.approx(0.1, abs=0.01)
    assert len(of_more) / 20_000 == pytest.approx(0.3, abs=0.01)
    assert of_few < of_more
    of_another = {user for user in range(20_000) if is_assigned_to_challenger(user, more._replace(challenger="c"))}
    assert len(of_more & of_another) / 20_000 == pytest.approx(0.3 * 0.3, abs=0.01)


def test_an_anonymous_reader_stays_with_a_model_while_ratings_are_added() -> None:
    readers = [UserContext(Profile("F", age), [Rated(movie, 4.0)]) for age in (18, 25) for movie in range(1, 101)]
    grown = [UserContext(one.profile, [*one.history, Rated(900, 1.0)]) for one in readers]
    of = [is_assigned_to_challenger(one, HALVES) for one in readers]

    assert of == [is_assigned_to_challenger(one, HALVES) for one in grown]
    assert 70 < sum(of) < 130


def test_answers_name_their_model_in_body_header_and_id_and_no_cache_mixes_models(models: Models) -> None:
    alone = {}
    for version in (CHAMPION, CHALLENGER):
        models.pin(version)
        client = service(models)
        alone[version] = {user: movies(answer) for user, answer in lists(client).items()}
    assert sum(alone[CHAMPION][user] != alone[CHALLENGER][user] for user in USERS) > len(USERS) / 2
    models.compare(CHAMPION, CHALLENGER, 0.5)
    client = service(models)

    for user in (*USERS, *USERS):  # from the second time on, from memory
        answer = client.get(f"/users/{user}/recommendations")
        version = answer.json()["model"]
        assert movies(answer.json()) == alone[version][user]
        assert answer.headers["x-model-version"] == version
        assert (
            client.get(f"/users/{user}/recommendations", headers={"If-None-Match": answer.headers["etag"]}).headers[
                "x-model-version"
            ]
            == version
        )
        predicted = client.post("/predict", json={"user_id": user, "movie_ids": [1]})
        assert predicted.json()["model"] == predicted.headers["x-model-version"] == version
        ranked = client.post("/rank", json={"user_id": user, "movie_ids": [1, 2]})
        assert ranked.json()["model"] == ranked.headers["x-model-version"] == version
    assert {client.get("/genres").headers["x-model-version"]} == {CHAMPION}
    models.pin(CHAMPION)
    assert compares(client, runs=False)
    assert {user: movies(answer) for user, answer in lists(client).items()} == alone[CHAMPION]


def test_users_who_are_asked_about_together_are_each_answered_by_their_own_model(models: Models) -> None:
    models.compare(CHAMPION, CHALLENGER, 0.5)
    client = service(models)
    expected = answered_by(client)

    batch = client.post("/recommendations/batch", json={"user_ids": list(USERS)}).json()
    assert [own["model"] for own in batch["lists"]] == list(expected.values())
    singly = {user: client.post("/predict", json={"user_id": user, "movie_ids": [1]}).json() for user in USERS}
    queries = [{"user_id": user, "movie_id": 1} for user in reversed(USERS)]
    together = client.post("/predict", json={"queries": queries}).json()["predictions"]
    assert [one["model"] for one in together] == [expected[user] for user in reversed(USERS)]
    for one in together:
        (alone,) = singly[one["user_id"]]["predictions"]
        assert one["predicted_stars"] == pytest.approx(alone["predicted_stars"], abs=1e-3)
    group = client.post("/groups/recommendations", json={"members": [{"user_id": user} for user in (1, 2, 3)]})
    assert group.json()["model"] == CHAMPION


def test_a_user_has_one_model_by_either_id_and_a_new_one_by_the_first_answer_on(models: Models) -> None:
    models.compare(CHAMPION, CHALLENGER, 0.5)
    client = service(models)
    for number in range(10):
        name = f"ann-{number}@example.org"
        own = client.post("/users", json={"external_id": name, "gender": "F"}).json()["user_id"]
        first = client.get(f"/users/{name}/recommendations").json()["model"]
        client.put(f"/users/{own}/ratings/1", json={"stars": 5})
        assert client.get(f"/users/{own}/recommendations").json()["model"] == first


def test_the_model_its_metrics_and_the_list_of_models_say_what_is_compared(models: Models) -> None:
    client = service(models)
    before = client.get("/model")
    models.compare(CHAMPION, CHALLENGER, 0.25)
    assert compares(client)

    model = client.get("/model", headers={"If-None-Match": before.headers["etag"]}).json()
    assert model["version"] == CHAMPION
    assert model["comparison"]["champion"] == {"version": CHAMPION, "share": 0.75}
    assert model["comparison"]["challenger"] == {"version": CHALLENGER, "share": 0.25}
    metrics = client.get("/metrics").text
    for version, share in ((CHAMPION, 0.75), (CHALLENGER, 0.25), (NEWEST, 0.0)):
        assert f'seqrec_model_users_ratio{{version="{version}"}} {share}' in metrics
    assert f'seqrec_model_info{{version="{CHALLENGER}"}} 0.0' in metrics  # else models would seem to differ
    listed = client.get("/models").json()
    assert listed["comparison"] == model["comparison"]
    assert {one["version"]: one["share"] for one in listed["models"]} == {
        CHAMPION: 0.75, CHALLENGER: 0.25, NEWEST: None
    }  # fmt: skip

    models.pin(CHALLENGER)
    assert compares(client, runs=False)
    listed = client.get("/models").json()
    assert listed["comparison"] is None
    assert listed["comparisons"][0]["ended_at"] is not None
    assert f'seqrec_model_users_ratio{{version="{CHALLENGER}"}} 1.0' in client.get("/metrics").text


def test_what_cannot_be_compared_is_refused_and_nothing_changes(models: Models, root: Path) -> None:
    client = service(models)
    with pytest.raises(UnknownNameError, match=f"no model 'x'.*{NEWEST}"):
        models.compare(CHAMPION, "x", 0.5)
    with pytest.raises(ArtifactError, match="cannot be compared with itself"):
        models.compare(CHAMPION, CHAMPION, 0.5)
    (root / NEWEST / artifact.WEIGHTS).write_bytes(b"")
    with pytest.raises(ArtifactError, match="damaged"):
        models.compare(CHAMPION, NEWEST, 0.5)

    assert models.read().comparisons == []
    assert client.get("/model").json()["comparison"] is None
    assert client.get("/users/1/recommendations").json()["model"] == NEWEST


def test_models_of_other_movies_or_other_stars_are_not_compared(models: Models, root: Path) -> None:
    change(root / CHALLENGER, artifact.CARD, lambda card: card["data"].update(checksum="0" * 64, name="other"))
    with models.database.reads() as session:
        assert session.get(Dataset, artifact.load_card(root / CHAMPION).data.checksum) is not None
    with pytest.raises(ArtifactError, match=r"trained on other.*ids mean different movies"):
        models.compare(CHAMPION, CHALLENGER, 0.5)

    with models.database.writes() as session:
        session.execute(update(Dataset).values(checksum="0" * 64))
    with pytest.raises(ArtifactError, match=f"{CHAMPION} was trained on"):
        models.compare(CHAMPION, CHALLENGER, 0.5)
    half_stars = SMALL.network.model_copy(update={"rating_scale": HALF_STARS})
    kept = artifact.load(root / NEWEST)
    seqrec = SeqRec(half_stars, torch.from_numpy(kept.catalogue.genre_matrix), kept.network.movies.titles)
    bias = Bias(3.5, np.zeros(len(kept.catalogue.vocabulary), dtype=np.float32))
    seqrec.prior = bias_prior(bias, HALF_STARS)
    other = artifact.save(root, seqrec, kept.catalogue, kept.card)
    with pytest.raises(ArtifactError, match=rf"{NEWEST} 1, 2 and so on; {other.name} 0.5, 1"):
        models.compare(NEWEST, other.name, 0.5)
    assert models.read().comparisons == []


def test_where_the_challenger_cannot_be_loaded_the_champion_answers_all(
    models: Models, root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    client = service(models)
    models.compare(CHAMPION, CHALLENGER, 0.5)
    shutil.rmtree(root / CHALLENGER)

    with caplog.at_level(logging.ERROR):
        started = service(models)
    assert f"{CHAMPION} answers all users" in caplog.text
    answer = client.post("/admin/reload")
    assert (answer.status_code, answer.json()["code"]) == (409, "reload_refused")
    assert f"challenger {CHALLENGER} is not in" in answer.json()["message"]
    for one in (client, started):
        assert set(answered_by(one).values()) == {CHAMPION}
        assert one.get("/model").json()["comparison"] is None


def test_the_challenger_is_not_pruned(models: Models, root: Path) -> None:
    models.keep = 1
    models.compare(NEWEST, CHAMPION, 0.5)

    assert models.prune() == [CHALLENGER]


def test_a_pin_of_an_earlier_version_ends_a_comparison_too(models: Models) -> None:
    models.compare(CHAMPION, CHALLENGER, 0.5)
    with models.database.writes() as session:
        storage.pin(session, NEWEST)  # which knows no comparisons
        revisions.count_reload(session)

    assert models.read().comparison is None
    assert set(answered_by(service(models)).values()) == {NEWEST}


def test_what_users_do_is_attributed_to_the_model_that_made_their_list(models: Models) -> None:
    client = service(models)
    send(client, *shown(client, 1))  # before the comparison
    models.compare(CHAMPION, CHALLENGER, 0.5)
    time.sleep(1.1)  # times of lists are in seconds
    assert compares(client)
    by_model: dict[str, list[int]] = {CHAMPION: [], CHALLENGER: []}
    for user, version in answered_by(client).items():
        by_model[version].append(user)
        own = shown(client, user)
        send(client, *own)
        if version == CHALLENGER:  # all of its users click at once on what is first, nobody else does
            send(client, own[0] | {"kind": "click", "position": None})

    outcome = client.get("/model/online").json()["comparison"]
    assert [outcome[name]["model"] for name in ("champion", "challenger")] == [CHAMPION, CHALLENGER]
    assert [outcome[name]["users"] for name in ("champion", "challenger")] == [
        len(by_model[version]) for version in (CHAMPION, CHALLENGER)
    ]
    assert outcome["champion"]["list_hit_rate"]["value"] == 0
    assert outcome["challenger"]["list_hit_rate"]["value"] == 1
    assert outcome["ndcg"] == {"value": 1, "low": 1, "high": 1, "significant": True}
    assert outcome["verdict"].startswith("Significant: the challenger's lists are better")

    models.pin(CHAMPION)
    assert client.get("/model/online", params={"days": 7}).json()["comparison"]["ended_at"] is not None


def shown(client: TestClient, user: int) -> list[dict[str, Any]]:
    answer = client.get(f"/users/{user}/recommendations", params={"limit": 3}).json()
    own = {"user_id": user, "recommendation_id": answer["recommendation_id"], "kind": "impression"}
    return [own | {"movie_id": one, "position": place} for place, one in enumerate(movies(answer), start=1)]


def send(client: TestClient, *events: dict[str, Any]) -> None:
    assert client.post("/events", json={"events": events}).status_code == 200


def attributed(version: str, hit: float, users: range, seed: int = 0) -> list[AttributedList]:
    """A list of ten for each user, with a hit at its head as often as said."""
    draws = np.random.default_rng(seed)
    return [
        AttributedList(
            ListRecord("", user, version, "relevance", 100), range(10), [0] if wanted else [], 1 if wanted else None
        )
        for user, wanted in zip(users, draws.random(len(users)) < hit, strict=True)
    ]


def compared(comparison: Comparison, lists: list[AttributedList]) -> Outcome:
    own = lists_of(comparison)
    own.add(lists, {})
    return compare(comparison, own, np.arange(10))


@pytest.mark.parametrize(
    ("before", "after", "verdict"),
    [
        pytest.param(0.3, 0.3, "Not significant", id="as good"),
        pytest.param(0.3, 0.5, "Significant: the challenger's lists are better", id="better"),
        pytest.param(0.5, 0.3, "Significant: the challenger's lists are worse", id="worse"),
    ],
)
def test_the_verdict_says_whether_a_difference_is_more_than_chance(before: float, after: float, verdict: str) -> None:
    lists = attributed(CHAMPION, before, range(500)) + attributed(CHALLENGER, after, range(500, 800), seed=1)

    outcome = compared(HALVES, lists)
    ndcg = outcome.differences["ndcg"]
    assert outcome.verdict.startswith(verdict)
    assert ndcg is not None
    assert ndcg.value == outcome.challenger.ndcg.value - outcome.champion.ndcg.value  # type: ignore[union-attr]
    # Two shares of so many users: a normal interval is as wide.
    width = 2 * 1.96 * np.sqrt(before * (1 - before) / 500 + after * (1 - after) / 300)
    assert ndcg.high - ndcg.low == pytest.approx(width, rel=0.15)  # type: ignore[operator]


def test_without_lists_of_both_models_nothing_is_said() -> None:
    lists = attributed(CHAMPION, 0.5, range(10))
    assert compared(HALVES, lists).verdict.startswith("Not known yet: of one of the models")
    few = attributed(CHALLENGER, 1, range(1))
    assert compared(HALVES, lists + few).verdict.startswith("Not known yet: each")
    ended = HALVES._replace(begun_at=10, ended_at=99)  # the lists are of second 100
    assert compared(ended, lists + few).champion.lists == 0


@pytest.fixture
def command(filled: Run, root: Path) -> Run:
    filled.monkeypatch.setenv("SEQREC_ARTIFACTS", str(root))
    return filled


def test_the_command_begins_shows_and_ends_a_comparison(command: Run) -> None:
    status, _, err = command("model", "serve", f"{CHAMPION}=0.9", f"{CHALLENGER}=0.1")
    assert (status, f"{CHAMPION} answers 0.9 of the users" in re.sub(r"\s+", " ", err)) == (0, True)
    listed = command("model", "list")[1]
    assert "90% of the users" in re.sub(r"[\s│]+", " ", listed)
    assert f"{CHAMPION} answers 0.9 of the users and {CHALLENGER} 0.1" in listed
    _, card, said = command("model", "show", CHALLENGER)
    assert json.loads(card)["model"] == "small"
    assert "answers 0.9 of the users" in re.sub(r"\s+", " ", said)
    assert "answers" not in command("model", "show", NEWEST)[2]
    of = {user: json.loads(command("recommend", user, "--json")[1])["model"] for user in range(1, 31)}
    assert set(of.values()) == {CHAMPION, CHALLENGER}

    assert command("model", "serve", "--latest")[0] == 0
    assert json.loads(command("model", "list", "--json")[1])["comparison"] is None
    assert CHALLENGER in command("model", "history")[1]


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        pytest.param((f"{CHAMPION}=0.9", f"{CHALLENGER}=0.2"), "they have to sum to 1", id="too much"),
        pytest.param((f"{CHAMPION}=1", f"{CHALLENGER}=0"), "Both have to be above 0", id="nothing"),
        pytest.param((f"{CHAMPION}=nan", f"{CHALLENGER}=nan"), "they have to sum to 1", id="no number"),
        pytest.param((f"{CHAMPION}=most", f"{CHALLENGER}=0.2"), "'most' is not a share", id="a word"),
        pytest.param((CHAMPION, CHALLENGER), "each with its share", id="no shares"),
        pytest.param((f"{CHAMPION}=1",), "each with its share", id="one alone"),
        pytest.param((f"{CHAMPION}=0.5", "x=0.5"), "no model 'x'", id="unknown"),
    ],
)
def test_a_wrong_comparison_is_refused_in_one_line(command: Run, arguments: tuple[str, ...], error: str) -> None:
    status, _, err = command("model", "serve", *arguments)
    assert (status, error in re.sub(r"\s+", " ", err)) == (1, True)
    assert json.loads(command("model", "list", "--json")[1])["comparison"] is None
