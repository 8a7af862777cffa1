"""Users and movies whose own ids have more than 32 bits, from a table to a list: no id is renumbered or rounded."""

import json
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
import torch
from builders import SMALL, context_for
from command import Run
from fastapi.testclient import TestClient
from sqlalchemy import Engine, select

from app.jobs.bulk_load import load
from app.main import create_app
from app.storage.database import connect
from app.storage.tables import Rating
from model.data import dataset
from model.data.conversion.convert import ConversionOptions, convert
from model.data.dataset import MovieLens
from model.inference import artifact
from model.inference.scorer import Scorer
from model.pipeline import train

FIRST_USER = 2**40
FIRST_MOVIE = 2**62
"""One more than a number of double precision, which has 53 bits, would be the same number."""


@pytest.fixture(scope="module")
def large_ids(sample: MovieLens, tmp_path_factory: pytest.TempPathFactory) -> MovieLens:
    """The sample, converted from a table whose ids begin at these."""
    folder = tmp_path_factory.mktemp("large-ids")
    item = (pl.col("movie_id") + FIRST_MOVIE).alias("item")
    ratings = sample.ratings.select((pl.col("user_id") + FIRST_USER).alias("user"), item, "stars", "rated_at")
    ratings.rename({"stars": "rating", "rated_at": "time"}).write_csv(folder / "ratings.csv")
    conversion = convert(folder / "ratings.csv", folder / "converted", ConversionOptions())
    assert (conversion.user_ids_as, conversion.movie_ids_as) == ("as they are", "as they are")
    return dataset.read(folder / "converted")


@pytest.fixture(scope="module")
def artifacts(large_ids: MovieLens, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("artifacts")
    train(large_ids, SMALL, folder, context_for(large_ids))
    return folder


@pytest.fixture
def filled(engine: Engine, large_ids: MovieLens) -> Engine:
    load(engine, large_ids)
    return engine


@pytest.fixture
def service(filled: Engine, artifacts: Path) -> Iterator[TestClient]:
    newest = artifact.newest(artifacts)
    assert newest is not None
    with TestClient(create_app(filled, Scorer(artifact.load(newest), torch.device("cpu")))) as client:
        yield client


def test_every_route_takes_and_answers_them_as_they_are(service: TestClient, large_ids: MovieLens) -> None:
    user = FIRST_USER + 7
    own = large_ids.ratings.filter(pl.col("user_id") == user).sort("rated_at", "movie_id")
    history = service.get(f"/users/{user}/ratings", params={"limit": 1000}).json()["ratings"]
    assert [(one["movie_id"], one["stars"]) for one in history] == own.select("movie_id", "stars").reverse().rows()

    listed = service.get(f"/users/{user}/recommendations", params={"limit": 100, "explain": True}).json()
    movies = [entry["movie_id"] for entry in listed["recommendations"]]
    assert movies
    assert set(movies) == set(large_ids.movies["movie_id"]) - set(own["movie_id"])
    assert all(entry["in_model"] for entry in listed["recommendations"])
    reasons = {reason["movie_id"] for entry in listed["recommendations"] for reason in entry["reasons"]}
    assert reasons <= set(own["movie_id"])
    best, second = movies[:2]
    asked = {"user_id": user, "movie_ids": [best], "explain": True}
    assert service.post("/rank", json=asked).json()["recommendations"][0]["reasons"]
    assert service.get(f"/movies/{best}/similar").json()["movie_id"] == best
    together = {"members": [{"user_id": user}, {"user_id": user + 1}]}
    answer = service.post("/groups/recommendations", json=together).json()
    assert [member["user_id"] for member in answer["members"]] == [user, user + 1]

    assert service.put(f"/users/{user}/ratings/{best}", json={"stars": 4}).json()["movie_id"] == best
    mark = {"user_id": user, "movie_id": second, "kind": "watchlist", "recommendation_id": listed["recommendation_id"]}
    assert service.post("/events", json={"events": [mark]}).json()["written"] == 1
    assert [movie["movie_id"] for movie in service.get(f"/users/{user}/watchlist").json()["movies"]] == [second]
    again = service.get(f"/users/{user}/recommendations", params={"limit": 100, "exclude": second}).json()
    assert {entry["movie_id"] for entry in again["recommendations"]} == set(movies) - {best, second}


def test_the_links_between_pages_of_users_lead_through_the_largest_ids(service: TestClient) -> None:
    largest = [2**63 - 2, 2**63 - 1]
    for user in largest:
        service.post("/users", json={"user_id": user})

    before, first = service.get("/users", params={"limit": 120}), service.get("/users", params={"limit": 121})

    assert [user["user_id"] for user in service.get(before.links["next"]["url"]).json()["users"]] == largest
    assert [user["user_id"] for user in service.get(first.links["next"]["url"]).json()["users"]] == largest[1:]


def test_the_next_free_id_is_one_more(service: TestClient, large_ids: MovieLens) -> None:
    assert service.post("/users", json={}).json()["user_id"] == max(large_ids.users["user_id"]) + 1
    assert (
        service.post("/movies", json={"title": "New (2026)"}).json()["movie_id"]
        == max(large_ids.catalogue.movie_ids) + 1
    )
    assert service.post("/users", json={"user_id": 2**63 - 1}).headers["Location"] == f"/users/{2**63 - 1}"


def test_what_is_exported_can_be_imported_again(service: TestClient, large_ids: MovieLens) -> None:
    exported = service.get("/export/ratings").text
    lines = [json.loads(line) for line in exported.splitlines()]
    pairs = {(line["user_id"], line["movie_id"]) for line in lines}
    assert pairs == set(large_ids.ratings.select("user_id", "movie_id").rows())

    service.delete(f"/users/{FIRST_USER + 7}/ratings/{lines[0]['movie_id']}")
    written = service.post("/import/ratings", content=exported, headers={"Content-Type": "application/jsonl"})
    assert written.json()["written"] == len(lines)
    assert service.get("/export/ratings").text == exported


def test_files_of_lists_and_copies_of_the_database_keep_them(
    seqrec: Run, filled: Engine, artifacts: Path, large_ids: MovieLens, tmp_path: Path
) -> None:
    url = filled.url.render_as_string(hide_password=False)
    seqrec.monkeypatch.setenv("SEQREC_ARTIFACTS", str(artifacts))
    seqrec.monkeypatch.setenv("SEQREC_DATABASE_URL", url)
    assert seqrec("recommend", "--all", "--out", "lists.parquet", "--workers", 1)[0] == 0
    lists = pl.read_parquet(tmp_path / "lists.parquet")
    assert set(lists["user_id"]) == set(large_ids.users["user_id"])
    assert set(lists["movie_id"]) <= set(large_ids.movies["movie_id"])
    status, printed, _ = seqrec("recommend", FIRST_USER + 7, FIRST_USER + 8, "--together", "--json")
    assert status == 0
    assert json.loads(printed)["recommendations"][0]["movie_id"] > FIRST_MOVIE

    assert seqrec("backup", "everything")[0] == 0
    seqrec.monkeypatch.setenv("SEQREC_DATABASE_URL", f"sqlite:///{tmp_path}/copy.db")
    assert seqrec("restore", "everything")[0] == 0
    copy = connect(f"sqlite:///{tmp_path}/copy.db")
    with copy.connect() as connection:
        pairs = {tuple(row) for row in connection.execute(select(Rating.user_id, Rating.movie_id))}
    copy.dispose()
    assert pairs == set(large_ids.ratings.select("user_id", "movie_id").rows())
