"""A service whose data says what users like, and not how much: lists as ever, and stars nowhere."""

import json
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine

from app.jobs.extract import extract
from model.data.dataset import MovieLens
from model.features.history import Rated
from model.features.users import UserContext
from model.inference import artifact
from model.inference.cold_start import ColdStartMovie
from model.inference.scorer import Scorer
from model.rating_scale import LIKE

LINES = {"Content-Type": "application/jsonl"}


@pytest.fixture(scope="module")
def sample(likes: MovieLens) -> MovieLens:
    return likes


@pytest.fixture(scope="module")
def scorer(scorer_of_likes: Scorer) -> Scorer:
    return scorer_of_likes


def test_the_model_has_no_weights_for_stars_and_its_card_no_figures_of_them(artifact_folder_of_likes: Path) -> None:
    trained = artifact.load(artifact_folder_of_likes)

    assert trained.card.held_out is None
    assert trained.card.held_out_lists is not None
    assert {name.partition(".")[0] for name in trained.network.state_dict()} == {"movies", "ranking"}


def test_a_movie_added_later_is_ranked_too(scorer: Scorer) -> None:
    extended = scorer.with_cold_start([ColdStartMovie(900, "New One, The (2001)", ("Drama",), None)])

    (entry,) = extended.recommend(UserContext(history=[Rated(1, LIKE, "like")]), [900], n=1)

    assert (entry.movie_id, entry.stars) == (900, None)
    assert entry.relevance is not None


@pytest.mark.parametrize("rank_by", [None, "relevance", "next"])
def test_lists_are_ordered_by_what_is_learned_and_leave_stars_out(client: TestClient, rank_by: str | None) -> None:
    asked = {"explain": True} | ({} if rank_by is None else {"rank_by": rank_by})

    answer = client.get("/users/1/recommendations", params=asked).json()

    assert answer["rank_by"] == (rank_by or "relevance")
    entries = answer["recommendations"]
    assert [entry["relevance"] for entry in entries] == sorted((one["relevance"] for one in entries), reverse=True)
    assert {(entry["predicted_stars"], entry["like_probability"]) for entry in entries} == {(None, None)}
    reasons = [reason for entry in entries for reason in entry["reasons"]]
    assert {(reason["stars"], reason["feedback"]) for reason in reasons} == {(None, "like")}


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        pytest.param("POST", "/predict", {"user_id": 1, "movie_ids": [1, 2]}, id="predict"),
        pytest.param("POST", "/predict", {"history": [{"movie_id": 1}], "movie_ids": [2]}, id="predict anonymous"),
        pytest.param("GET", "/users/1/recommendations?rank_by=rating", None, id="list"),
        pytest.param("POST", "/recommendations/batch", {"user_ids": [1, 2], "rank_by": "rating"}, id="lists"),
        pytest.param("POST", "/rank", {"user_id": 1, "movie_ids": [1, 2], "rank_by": "rating"}, id="rank"),
        pytest.param(
            "POST",
            "/groups/recommendations",
            {"members": [{"user_id": 1}, {"user_id": 2}], "rank_by": "rating"},
            id="group",
        ),
        pytest.param("PUT", "/users/1/ratings/1", {"stars": 4}, id="rate"),
        pytest.param("POST", "/ratings", {"ratings": [{"user_id": 1, "movie_id": 1, "stars": 4}]}, id="rate many"),
    ],
)
def test_what_needs_stars_is_refused_with_what_to_do(
    client: TestClient, method: str, path: str, body: dict[str, object] | None
) -> None:
    answer = client.request(method, path, json=body)

    assert (answer.status_code, answer.json()["code"]) == (409, "no_stars")
    assert "rank_by=relevance" in answer.json()["message"]


def test_an_import_of_stars_is_refused(client: TestClient) -> None:
    line = json.dumps({"user_id": 1, "movie_id": 1, "stars": 4})
    assert client.post("/import/ratings", content=line, headers=LINES).json()["code"] == "no_stars"

    letterboxd = "Date,Name,Year,Letterboxd URI,Rating\n2024-01-01,Toy Story,1995,https://boxd.it/1,4\n"
    assert (
        client.post("/users/1/import", content=letterboxd, headers={"Content-Type": "text/csv"}).json()["code"]
        == "no_stars"
    )


def test_a_like_counts_in_the_next_list_and_stands_in_the_history_without_stars(client: TestClient) -> None:
    best = client.get("/users/1/recommendations").json()["recommendations"][0]["movie_id"]

    written = client.put(f"/users/1/ratings/{best}", json={}).json()

    assert (written["movie_id"], written["stars"]) == (best, None)
    newest = client.get("/users/1/ratings").json()["ratings"][0]
    assert (newest["movie_id"], newest["stars"]) == (best, None)
    listed = client.get("/users/1/recommendations?limit=100").json()["recommendations"]
    assert best not in {entry["movie_id"] for entry in listed}
    assert client.delete(f"/users/1/ratings/{best}").status_code == 204
    assert client.get("/users/1/recommendations").json()["recommendations"][0]["movie_id"] == best


def test_likes_are_exported_without_stars_and_imported_again(client: TestClient, likes: MovieLens) -> None:
    exported = client.get("/export/ratings").text

    lines = [json.loads(line) for line in exported.splitlines()]
    assert len(lines) == len(likes.ratings)
    assert {line["stars"] for line in lines} == {None}
    assert client.post("/import/ratings", content=exported, headers=LINES).json() == {"written": len(lines)}


def test_popular_movies_are_those_with_the_most_likes(client: TestClient, likes: MovieLens) -> None:
    movies = client.get("/movies/popular?limit=5").json()["movies"]

    most = likes.ratings["movie_id"].value_counts().sort(["count", "movie_id"], descending=[True, False])
    assert [movie["movie_id"] for movie in movies] == most["movie_id"].to_list()[:5]
    assert {(movie["weighted_rating"], movie["mean_stars"]) for movie in movies} == {(None, None)}
    best = client.get(f"/movies/{movies[0]['movie_id']}").json()
    assert (best["ratings"], best["mean_stars"]) == (most["count"][0], None)


def test_a_group_gets_one_list_and_no_member_has_stars(client: TestClient) -> None:
    answer = client.post("/groups/recommendations", json={"members": [{"user_id": 1}, {"user_id": 2}], "seen": "liked"})

    opinions = [own for entry in answer.json()["recommendations"] for own in entry["members"]]
    assert opinions
    assert {(own["predicted_stars"], own["like_probability"], own["own_stars"]) for own in opinions} == {
        (None, None, None)
    }


def test_the_database_is_read_back_as_data_without_stars(loaded: Engine, likes: MovieLens) -> None:
    data = extract(loaded)

    assert not data.has_stars
    assert data.ratings.sort("user_id", "movie_id").equals(likes.ratings.sort("user_id", "movie_id"))


def test_an_anonymous_history_without_stars_is_one_of_likes(client: TestClient) -> None:
    liked = client.post("/recommendations", json={"history": [{"movie_id": 1}], "explain": True}).json()

    reasons = {reason["feedback"] for entry in liked["recommendations"] for reason in entry["reasons"]}
    assert liked["based_on"] == "history"
    assert reasons <= {"like"}


def test_what_is_not_of_interest_leaves_the_list_and_says_nothing_of_other_movies(client: TestClient) -> None:
    stranger = client.post("/users", json={}).json()["user_id"]
    path = f"/users/{stranger}/recommendations"
    before = [entry["movie_id"] for entry in client.get(path, params={"limit": 20}).json()["recommendations"]]

    told = client.post("/events", json={"events": [{"user_id": stranger, "movie_id": before[0], "kind": "dislike"}]})

    assert told.json()["written"] == 1
    after = client.get(path, params={"limit": 19}).json()
    assert after["based_on"] == "nothing"
    assert [entry["movie_id"] for entry in after["recommendations"]] == before[1:]


def test_a_model_learns_of_events_what_is_liked_alone(client: TestClient, loaded: Engine, likes: MovieLens) -> None:
    rated = set(likes.ratings.filter(likes.ratings["user_id"] == 1)["movie_id"])
    unrated = [movie for movie in likes.movies["movie_id"] if movie not in rated]
    kinds: list[dict[str, Any]] = [{"kind": "watch", "share": 1}, {"kind": "dislike"}, {"kind": "like"}]
    events = [{"user_id": 1, "movie_id": movie, **kind} for movie, kind in zip(unrated, kinds, strict=False)]
    assert client.post("/events", json={"events": events}).json()["written"] == 3

    learned = extract(loaded).ratings

    assert len(learned) == len(likes.ratings) + 2
    assert set(learned["stars"]) == {LIKE}
