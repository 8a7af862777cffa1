"""Which movies a newcomer is asked about."""

from pathlib import Path

import torch
from fastapi.testclient import TestClient
from sqlalchemy import Engine

from app.main import create_app
from app.services.catalogue.catalogue import varied
from model.inference.artifact import load
from model.inference.scorer import Scorer


def asked(client: TestClient, limit: int = 12) -> list[int]:
    return [movie["movie_id"] for movie in client.get("/movies/first", params={"limit": limit}).json()["movies"]]


def test_the_movies_are_those_that_the_training_has_chosen(client: TestClient, scorer: Scorer) -> None:
    answer = client.get("/movies/first")

    assert (answer.json()["chosen_by"], answer.json()["model"]) == ("model", scorer.version)
    assert asked(client) == list(scorer.first_movies[:12])
    assert client.get("/movies/first", headers={"If-None-Match": answer.headers["ETag"]}).status_code == 304


def test_deleted_and_hidden_movies_fall_out_and_the_next_ones_fill_in(client: TestClient) -> None:
    before = asked(client, 14)

    client.delete(f"/movies/{before[0]}")
    client.patch(f"/movies/{before[5]}", json={"hidden": True})

    assert asked(client) == [movie_id for movie_id in before if movie_id not in (before[0], before[5])]


def test_a_model_that_has_chosen_none_is_helped_by_well_known_movies_of_many_genres(
    loaded: Engine, artifact_folder: Path
) -> None:
    old = Scorer(load(artifact_folder), torch.device("cpu"))
    old.first_movies = ()
    with TestClient(create_app(loaded, old)) as client:
        answer = client.get("/movies/first").json()
        best_known = client.get("/movies", params={"limit": 60}).json()["movies"]

    assert answer["chosen_by"] == "popularity"
    assert answer["movies"][0] == best_known[0]
    assert len({movie["genres"][0] for movie in answer["movies"]}) > 3
    assert {movie["movie_id"] for movie in answer["movies"]} <= {movie["movie_id"] for movie in best_known}


def test_a_genre_that_has_come_waits_for_others() -> None:
    assert varied([["Drama"], ["Drama"], ["Comedy"], ["War", "Drama"], []]) == [0, 2, 4, 3, 1]
