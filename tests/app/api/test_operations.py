"""Keys, logs, metrics, reload and several worker processes."""

import codecs
import json
import logging
import os
import re
import shutil
import threading
import time
import tracemalloc
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from fastapi.testclient import TestClient
from pydantic import ValidationError
from server import free_port, running, workers
from sqlalchemy import Engine, text
from waiting import comes_true

from app.edge.keys import Keys
from app.main import create_app
from app.server import listening_address, local_url
from app.services.ratings import Ratings
from app.settings import Settings
from app.storage.database import Database, connect
from model.inference import artifact
from model.inference.scorer import Scorer
from seqrec import (
    Client,
    DatabaseUnavailable,
    InvalidRequest,
    KeyRefused,
    KeyRequired,
    KeyUnknown,
    ReloadRefused,
    Unreachable,
    UserExists,
)

KEYS = Keys(api=("user", "writer"), admin="chief")


@pytest.fixture
def guarded(loaded: Engine, scorer: Scorer) -> Iterator[str]:
    with running(create_app(loaded, scorer, keys=KEYS)) as address:
        yield address


def test_with_keys_every_route_but_health_and_metrics_wants_one(loaded: Engine, scorer: Scorer) -> None:
    client = TestClient(create_app(loaded, scorer, keys=KEYS))
    paths = client.get("/openapi.json").json()["paths"]

    unguarded = set()
    for path, methods in paths.items():
        for method in methods:
            answer = client.request(method, re.sub(r"\{\w+\}", "1", path))
            if answer.status_code != 401:
                unguarded.add(path)
    assert unguarded == {"/health/live", "/health/ready", "/metrics"}


def test_a_key_opens_what_it_is_for(guarded: str) -> None:
    with Client(guarded) as without_key, pytest.raises(KeyRequired, match="X-API-Key"):
        without_key.recommend(1)
    with Client(guarded, key="wrong") as with_wrong_key, pytest.raises(KeyUnknown):
        with_wrong_key.recommend(1)
    with Client(guarded, key="writer") as writer:
        assert writer.rate(1, 1, 4).stars == 4
        with pytest.raises(KeyRefused, match="SEQREC_ADMIN_KEY"):
            writer.reload_model()
    with Client(guarded, key="chief") as chief:
        assert chief.user(1).user_id == 1


def test_keys_are_in_no_log_and_in_no_settings_that_are_printed(
    guarded: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEQREC_API_KEYS", "secret-one, secret-two")
    settings = Settings()
    with caplog.at_level(logging.DEBUG), Client(guarded, key="secret-three") as client, pytest.raises(KeyUnknown):
        client.recommend(1)

    assert [key.get_secret_value() for key in settings.api_keys] == ["secret-one", "secret-two"]
    assert "secret" not in repr(settings)
    assert "secret" not in caplog.text


@pytest.mark.parametrize("variable", ["SEQREC_API_KEYS", "SEQREC_ADMIN_KEY"])
def test_a_key_that_no_header_can_carry_is_refused_and_not_printed(
    variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, "secret€")
    with pytest.raises(ValidationError, match="characters that no header can carry") as refused:
        Settings()

    assert "cret" not in str(refused.value)


def test_an_empty_file_is_no_admin_key(tmp_path: Path) -> None:
    (tmp_path / "seqrec_admin_key").write_text(" \n")

    with pytest.raises(ValidationError, match=r"admin_key\n.* is empty: write a key into it"):
        Settings(_secrets_dir=tmp_path)


def test_without_keys_no_other_machine_is_served(caplog: pytest.LogCaptureFixture) -> None:
    assert listening_address(Settings(host="0.0.0.0")) == "127.0.0.1"
    assert "No keys are set" in caplog.text
    assert "SEQREC_API_KEYS" in caplog.text

    assert listening_address(Settings(host="0.0.0.0", api_keys="key")) == "0.0.0.0"
    assert listening_address(Settings(host="0.0.0.0", unprotected=True)) == "0.0.0.0"
    assert listening_address(Settings(host="localhost")) == "localhost"


@pytest.mark.parametrize(
    "name", ["request_timeout", "database_timeout", "drain_time", "shutdown_timeout", "event_retention"]
)
@pytest.mark.parametrize("value", ["inf", "nan"])
def test_a_number_that_is_none_is_refused_at_the_start(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"SEQREC_{name.upper()}", value)
    with pytest.raises(ValidationError, match=name):
        Settings()


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("0.0.0.0", "http://127.0.0.1:8000"),
        ("::", "http://[::1]:8000"),
        ("::1", "http://[::1]:8000"),
        ("192.0.2.7", "http://192.0.2.7:8000"),
        ("localhost", "http://localhost:8000"),
    ],
)
def test_the_announced_address_can_be_opened(host: str, url: str) -> None:
    assert local_url(host, 8000) == url


def test_metrics_count_requests_by_route_and_status_and_know_times_cache_and_version(
    client: TestClient, scorer: Scorer
) -> None:
    def value(sample: str) -> float:
        found = re.search(rf"^{re.escape(sample)} (\S+)$", client.get("/metrics").text, re.MULTILINE)
        return float(found[1]) if found else 0.0

    counted = 'seqrec_requests_total{method="GET",route="/users/{user_id}/recommendations",status="200"}'
    missed = 'seqrec_requests_total{method="GET",route="/users/{user_id}/recommendations",status="404"}'
    before = value(counted), value(missed)
    for user_id in (1, 2, 9999):
        client.get(f"/users/{user_id}/recommendations")

    assert (value(counted) - before[0], value(missed) - before[1]) == (2, 1)
    assert value('seqrec_scoring_seconds_count{task="recommend"}') >= 2
    kept = [f'seqrec_user_cache_lookups_total{{result="{result}"}}' for result in ("hit", "miss")]
    catalogue = 'seqrec_catalogue_cache_lookups_total{result="hit"}'
    earlier = value(kept[0]), value(kept[1]), value(catalogue)
    for _ in range(3):
        client.get("/users/3/recommendations")
    assert (value(kept[0]) - earlier[0], value(kept[1]) - earlier[1], value(catalogue) - earlier[2]) == (2, 1, 3)
    assert value(f'seqrec_model_info{{version="{scorer.version}"}}') == 1


def test_a_request_is_one_line_in_the_log_with_its_id(client: TestClient, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="app.requests"):
        client.get("/users/1/recommendations?n=3", headers={"X-Request-ID": "mine-2"})

    (line,) = [record for record in caplog.records if record.name == "app.requests"]
    said = vars(line)
    assert (said["method"], said["path"], said["route"], said["status"]) == (
        "GET",
        "/users/1/recommendations",
        "/users/{user_id}/recommendations",
        200,
    )
    assert said["milliseconds"] > 0


@contextmanager
def later_artifacts(artifact_folder: Path, root: Path) -> Iterator[Path]:
    """A folder with the artifact and a later copy of it, which has another version."""
    shutil.copytree(artifact_folder, root / artifact_folder.name)
    loaded = artifact.load(artifact_folder)
    card = loaded.card.model_copy(update={"created_at": loaded.card.created_at + timedelta(days=1)})
    yield artifact.save(root, loaded.network, loaded.catalogue, card)


def test_a_reload_serves_the_newest_artifact_and_drops_no_request(
    loaded: Engine, artifact_folder: Path, scorer: Scorer, tmp_path: Path
) -> None:
    root = tmp_path / "artifacts"
    shutil.copytree(artifact_folder, root / artifact_folder.name)
    with running(create_app(loaded, scorer, artifacts=root)) as address, Client(address) as client:
        assert client.reload_model().version == scorer.version
        with later_artifacts(artifact_folder, tmp_path / "relevance") as later:
            shutil.copytree(later, root / later.name)
        stop = threading.Event()

        seen: set[str] = set()

        def ask() -> None:
            while not stop.is_set():
                seen.add(client.recommend(1).model)

        with ThreadPoolExecutor(4) as threads:
            asking = [threads.submit(ask) for _ in range(4)]
            assert comes_true(lambda: scorer.version in seen)
            reloaded = client.reload_model()
            assert comes_true(lambda: later.name in seen)
            stop.set()
            for asked in asking:
                asked.result()

        assert (reloaded.before, reloaded.version) == (scorer.version, later.name)
        assert seen == {scorer.version, later.name}
        assert client.model().version == later.name


def test_a_damaged_artifact_is_refused_and_the_one_before_served_on(
    loaded: Engine, artifact_folder: Path, scorer: Scorer, tmp_path: Path
) -> None:
    with later_artifacts(artifact_folder, tmp_path) as later:
        (later / "weights.safetensors").write_bytes(b"damaged")
    with running(create_app(loaded, scorer, artifacts=tmp_path)) as address, Client(address) as client:
        with pytest.raises(ReloadRefused, match=f"damaged.*{scorer.version} stays in use"):
            client.reload_model()
        assert client.recommend(1).model == scorer.version


@pytest.mark.slow
def test_what_one_worker_writes_counts_in_the_next_answer_of_every_worker(
    loaded: Engine, database_url: str, artifact_folder: Path, scorer: Scorer, tmp_path: Path
) -> None:
    artifacts = tmp_path / "artifacts"
    shutil.copytree(artifact_folder, artifacts / artifact_folder.name)
    log = tmp_path / "log"
    with workers(2, database_url, artifacts, log) as address:
        for attempt in range(30):
            with Client(address) as writer, Client(address) as user:  # each a connection, maybe to another worker
                first = writer.recommend(1).recommendations[0].movie_id
                writer.update_movie(first, hidden=attempt % 2 == 0)
                listed = [entry.movie_id for entry in user.recommend(1, n=100).recommendations]
                assert (first in listed) == (attempt % 2 == 1)
                writer.update_movie(first, hidden=False)
                writer.rate(1, first, 5)
                assert first not in [entry.movie_id for entry in user.recommend(1, n=100).recommendations]
                writer.delete_rating(1, first)

        with later_artifacts(artifact_folder, tmp_path / "relevance") as later:
            shutil.copytree(later, artifacts / later.name)
        with Client(address) as chief:
            chief.reload_model()
        deadline = time.monotonic() + 30
        while {httpx.get(f"{address}/health/live").headers["x-model-version"] for _ in range(20)} != {later.name}:
            for _ in range(5):
                httpx.get(f"{address}/users/1/recommendations")
            assert time.monotonic() < deadline
        counted = sum(
            float(line.split()[-1])
            for line in httpx.get(f"{address}/metrics").text.splitlines()
            if line.startswith("seqrec_requests_total") and 'route="/users/{user_id}/recommendations"' in line
        )
        assert counted >= 90  # of both processes together

    lines = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
    requests = [line for line in lines if line["logger"] == "app.requests"]
    assert len(requests) >= 90
    assert {"request_id", "method", "path", "status", "milliseconds", "timestamp"} <= set(requests[0])


def test_many_write_at_once_and_nothing_is_lost(loaded: Engine, scorer: Scorer) -> None:
    with running(create_app(loaded, scorer)) as address, Client(address) as client:
        user_id = client.create_user().user_id

        def write(movie_id: int) -> None:
            client.rate(user_id, movie_id, 3)
            client.create_user()
            client.recommend(user_id, n=1)

        with ThreadPoolExecutor(8) as threads:
            list(threads.map(write, range(1, 61)))

        assert client.user(user_id).ratings == 60
        assert len(client.recommend(user_id, n=100).recommendations) == 20


def test_a_taken_id_is_refused(client: TestClient, loaded: Engine, scorer: Scorer) -> None:
    answer = client.post("/users", json={"user_id": 1})
    assert (answer.status_code, answer.json()["code"]) == (409, UserExists.code)
    answer = client.post("/movies", json={"movie_id": 1, "title": "Another"})
    assert (answer.status_code, answer.json()["code"]) == (409, "movie_exists")


@pytest.mark.slow
def test_an_import_six_times_as_long_takes_no_more_memory(loaded: Engine, tmp_path: Path) -> None:
    def peak(lines: int) -> int:
        with (tmp_path / "lines").open("wb") as file:
            for index in range(lines):
                file.write(b'{"user_id": %d, "movie_id": %d, "stars": 4}\n' % (1 + index % 120, 1 + index // 120 % 80))
        tracemalloc.start()
        with (tmp_path / "lines").open("rb") as file:
            assert Ratings(Database(loaded)).import_lines(file) == lines
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    assert peak(60_000) < 1.5 * peak(10_000)


def test_an_import_may_come_through_a_pipe(loaded: Engine) -> None:
    reading, writing = os.pipe()
    with os.fdopen(writing, "wb") as sender:
        sender.write(codecs.BOM_UTF8 + b'{"user_id": 1, "movie_id": 1, "stars": 4}\n\n')
        sender.write(b'{"user_id": 1, "movie_id": 2, "stars": 3}')
    with os.fdopen(reading, "rb") as file:
        assert Ratings(Database(loaded)).import_lines(file) == 2


def test_an_import_of_junk_ends_after_a_hundred_bad_lines(loaded: Engine, tmp_path: Path) -> None:
    (tmp_path / "junk").write_bytes(b"x\n" * 1_000_000)
    started = time.perf_counter()
    with (tmp_path / "junk").open("rb") as file, pytest.raises(InvalidRequest) as caught:
        Ratings(Database(loaded)).import_lines(file)

    assert len(caught.value.details) == 100
    assert time.perf_counter() - started < 5


def test_readers_are_answered_while_writers_wait_for_their_turn(loaded: Engine, scorer: Scorer) -> None:
    database = Database(loaded)
    app = create_app(loaded, scorer)
    with running(app) as address, Client(address) as client, ThreadPoolExecutor(20) as threads:
        with database.writes() as session:
            session.execute(text("UPDATE users SET age = age"))
            writing = [threads.submit(client.rate, 1, movie_id, 3) for movie_id in range(1, 19)]
            time.sleep(0.5)
            started = time.perf_counter()
            assert client.recommend(1).user_id == 1
            assert httpx.get(f"{address}/health/ready").status_code == 200
            assert time.perf_counter() - started < 5
        assert [done.result().stars for done in writing] == [3] * 18


def test_many_sign_up_at_once_and_all_get_an_id(loaded: Engine, scorer: Scorer) -> None:
    with running(create_app(loaded, scorer)) as address, Client(address) as client, ThreadPoolExecutor(8) as threads:
        ids = [user.user_id for user in threads.map(lambda _: client.create_user(), range(24))]

    assert sorted(ids) == list(range(121, 145))


def test_where_the_largest_id_is_taken_a_free_one_is_found(client: TestClient) -> None:
    assert client.post("/users", json={"user_id": 2**63 - 1}).status_code == 201
    assert client.post("/users", json={}).json()["user_id"] == 121
    assert client.post("/users", json={}).json()["user_id"] == 122


def test_a_page_of_another_site_cannot_write_to_a_service_without_keys(client: TestClient) -> None:
    foreign = {"Origin": "http://elsewhere.example"}
    for method, path in (("POST", "/users"), ("POST", "/admin/reload"), ("DELETE", "/users/1")):
        answer = client.request(method, path, headers=foreign)
        assert (answer.status_code, answer.json()["code"]) == (403, "foreign_origin"), path

    assert client.get("/users/1", headers=foreign).status_code == 200
    assert client.post("/users", json={}, headers={"Origin": "http://testserver"}).status_code == 201


def test_what_is_asked_for_by_head_is_answered_without_its_body(client: TestClient) -> None:
    for path in ("/", "/health/live", "/users/1/recommendations"):
        answer = client.head(path)
        assert (answer.status_code, answer.content) == (200, b"")


def test_an_export_without_a_database_is_an_error_and_no_empty_file(scorer: Scorer) -> None:
    engine = connect("postgresql://seqrec:secret@127.0.0.1:9/seqrec")
    with running(create_app(engine, scorer)) as address:
        client = Client(address, retries=0)
        with client, pytest.raises(DatabaseUnavailable):
            next(client.export_ratings())
    with Client(f"http://127.0.0.1:{free_port()}") as client, pytest.raises(Unreachable):
        next(client.export_ratings())


def test_the_api_is_documented_without_another_host(client: TestClient) -> None:
    page = client.get("/docs").text

    assert not re.findall(r"https?://", page)
    for path in re.findall(r'(?:src|href)="([^"]+)"', page):
        assert client.get(path).status_code == 200, path
