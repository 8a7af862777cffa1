"""What is counted, in one process and in several."""

import os
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families
from server import workers
from sqlalchemy import Engine

from app.edge.hosts import Hosts
from app.edge.keys import Keys
from app.main import create_app
from app.observability import metrics
from app.storage.database import MOST_CONNECTIONS
from model.inference.scorer import Scorer


def values(text: str) -> dict[tuple[str, frozenset[str]], float]:
    """Samples by name and values of their labels."""
    families = text_string_to_metric_families(text)
    return {
        (sample.name, frozenset(sample.labels.values())): sample.value
        for family in families
        for sample in family.samples
    }


def grown(client: TestClient, act: Callable[[], object]) -> Callable[..., float]:
    """By how much a metric grows while something is done: ``grown(client, act)("seqrec_lists_total", "model")``."""
    before = values(client.get("/metrics").text)
    act()
    after = values(client.get("/metrics").text)
    return lambda name, *labels: after.get((name, frozenset(labels)), 0) - before.get((name, frozenset(labels)), 0)


def test_ratings_that_are_written_and_deleted_are_counted(client: TestClient) -> None:
    def write() -> None:
        client.put("/users/1/ratings/1", json={"stars": 4})
        client.post("/ratings", json={"ratings": [{"user_id": 1, "movie_id": id_, "stars": 3} for id_ in (2, 3)]})
        line = '{"user_id": 2, "movie_id": 1, "stars": 4}\n'
        client.post("/import/ratings", content=line * 4, headers={"content-type": "application/jsonl"})
        client.put("/users/9999/ratings/1", json={"stars": 4})  # there is no such user
        client.delete("/users/1/ratings/1")
        client.delete("/users/1/ratings/1")  # it is gone
        client.get("/export/ratings")

    counted = grown(client, write)
    assert counted("seqrec_ratings_written_total") == 1 + 2 + 4
    assert counted("seqrec_ratings_deleted_total") == 1
    assert (counted("seqrec_imports_total"), counted("seqrec_exports_total")) == (1, 1)


def test_lists_are_counted_by_source_and_order_and_empty_ones_apart(client: TestClient) -> None:
    nobody = client.post("/users", json={}).json()["user_id"]

    def ask() -> None:
        for options in ({}, {"rank_by": "rating"}, {"year_from": 2099}):
            client.get("/users/1/recommendations", params=options)
        client.get(f"/users/{nobody}/recommendations")
        client.post("/recommendations/batch", json={"user_ids": [1, 2, nobody]})

    counted = grown(client, ask)
    assert counted("seqrec_lists_total", "model", "relevance") == 4
    assert counted("seqrec_lists_total", "model", "rating") == 1
    assert counted("seqrec_lists_total", "popular", "popularity") == 2
    assert counted("seqrec_empty_lists_total", "model") == 1
    assert counted("seqrec_empty_lists_total", "popular") == 0


def test_what_is_refused_is_counted_by_its_reason(loaded: Engine, scorer: Scorer) -> None:
    def refuse(client: TestClient) -> None:
        client.get("/users/1")
        client.get("/users/1", headers={"X-API-Key": "wrong"})
        client.get("/nowhere")
        client.get("/users/9999", headers={"X-API-Key": "right"})

    guarded = TestClient(create_app(loaded, scorer, keys=Keys(api=("right",))))
    counted = grown(guarded, lambda: refuse(guarded))
    for code in ("key_required", "key_unknown", "not_found", "user_not_found"):
        assert counted("seqrec_errors_total", code) == 1, code
    local = TestClient(create_app(loaded, scorer, hosts=Hosts(("testserver",))))
    assert (
        grown(local, lambda: local.get("/", headers={"host": "evil.example"}))("seqrec_errors_total", "foreign_host")
        == 1
    )


def test_methods_that_no_route_answers_are_counted_as_one(client: TestClient) -> None:
    counted = grown(client, lambda: [client.request(method, "/users/1") for method in ("LINK", "PURGE")])

    assert counted("seqrec_requests_total", "other", "/users/{user_id}", "405") == 2


def test_the_pool_says_how_many_connections_are_in_use(client: TestClient, loaded: Engine) -> None:
    def in_use() -> float:
        return values(client.get("/metrics").text)["seqrec_database_connections", frozenset()]

    before = in_use()
    with loaded.connect(), loaded.connect():
        assert in_use() - before == 2
    assert in_use() == before
    assert values(client.get("/metrics").text)["seqrec_database_connections_max", frozenset()] == MOST_CONNECTIONS


def test_the_model_says_when_it_was_made_and_memory_how_much_it_holds(client: TestClient, scorer: Scorer) -> None:
    client.get("/users/1/recommendations")
    found = values(client.get("/metrics").text)

    assert found["seqrec_model_created_timestamp_seconds", frozenset()] == scorer.card.created_at.timestamp()
    assert found["seqrec_user_cache_users", frozenset()] >= 1
    assert found["seqrec_user_cache_bytes", frozenset()] > 0
    assert found["process_resident_memory_bytes", frozenset()] > 1e8
    assert found["process_cpu_seconds_total", frozenset()] > 0


OTHER_UNITS = {"milliseconds", "ms", "microseconds", "minutes", "hours", "percent", "kib", "mib", "mb"}
"""Units that have a base unit, which names are to have."""


def test_names_have_base_units_and_those_of_counters_their_ending() -> None:
    families = [family for family in metrics.REGISTRY.collect() if family.name.startswith("seqrec_")]

    assert families
    for family in families:
        assert not OTHER_UNITS & set(family.name.split("_")), family.name
        if family.type == "counter":
            assert {sample.name.rpartition("_")[2] for sample in family.samples} <= {"total", "created"}, family.name


@pytest.mark.slow
def test_several_workers_answer_as_one_and_those_that_ended_hold_nothing(
    loaded: Engine, database_url: str, artifact_folder: Path, tmp_path: Path
) -> None:
    shutil.copytree(artifact_folder, tmp_path / "artifacts" / artifact_folder.name)

    def get(address: str) -> dict[tuple[str, frozenset[str]], float]:
        return values(httpx.get(f"{address}/metrics").text)

    log = tmp_path / "log"
    with workers(2, database_url, tmp_path / "artifacts", log) as address:
        until(lambda: len(pids(log)) == 2)
        for user_id in range(1, 21):
            httpx.get(f"{address}/users/{user_id}/recommendations")
        found = get(address)
        assert found["seqrec_lists_total", frozenset({"model", "relevance"})] == 20
        assert found["seqrec_user_cache_users", frozenset()] == 20
        assert found["seqrec_database_connections_max", frozenset()] == 2 * MOST_CONNECTIONS
        started, cpu = found["process_start_time_seconds", frozenset()], found["process_cpu_seconds_total", frozenset()]
        assert cpu > 2  # two processes that have imported torch
        os.kill(pids(log)[0], signal.SIGKILL)
        until(lambda: get(address)["process_start_time_seconds", frozenset()] > started)
        until(lambda: get(address)["seqrec_database_connections_max", frozenset()] == 2 * MOST_CONNECTIONS)
        found = get(address)
        assert found["seqrec_user_cache_users", frozenset()] < 20
        assert found["seqrec_lists_total", frozenset({"model", "relevance"})] == 20  # counters never go back


def pids(log: Path) -> list[int]:
    """Of the workers that have begun to serve."""
    said = (line for line in log.read_text().splitlines() if "Started server process" in line)
    return [int(line.partition("[")[2].partition("]")[0]) for line in said]


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            if condition():
                return
        except httpx.TransportError:
            pass
        assert time.monotonic() < deadline
        time.sleep(0.2)
