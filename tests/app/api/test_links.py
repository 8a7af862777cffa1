"""What IMDb and TMDB call a movie, over HTTP."""

import pytest
from fastapi.testclient import TestClient

LINKS = {"imdb_id": "tt0114709", "tmdb_id": 862}


def test_links_of_a_movie_are_in_every_answer_that_has_the_movie(client: TestClient) -> None:
    assert client.get("/movies/1").json()["imdb_id"] is None

    assert client.patch("/movies/1", json=LINKS).status_code == 200
    client.put("/users/1/ratings/1", json={"stars": 4})

    title = client.get("/movies/1").json()["display_title"]
    listed = client.get("/users/1/ratings", params={"limit": 1000}).json()["ratings"]
    ranked = client.post("/rank", json={"user_id": 1, "movie_ids": [1]}).json()["recommendations"]
    searched = client.get("/movies", params={"q": title, "limit": 1000}).json()["movies"]
    for movies in ([client.get("/movies/1").json()], listed, ranked, searched):
        (movie,) = [movie for movie in movies if movie["movie_id"] == 1]
        assert {name: movie[name] for name in LINKS} == LINKS


def test_a_link_is_taken_away_by_null(client: TestClient) -> None:
    client.patch("/movies/1", json=LINKS)

    assert client.patch("/movies/1", json={"tmdb_id": None}).json()["tmdb_id"] is None
    assert client.get("/movies/1").json()["imdb_id"] == "tt0114709"


@pytest.mark.parametrize("imdb_id", ["0114709", "nm0114709", "tt1", "tt\N{ARABIC-INDIC DIGIT THREE}114709"])
def test_another_id_is_none_of_imdb(client: TestClient, imdb_id: str) -> None:
    answer = client.patch("/movies/1", json={"imdb_id": imdb_id})

    assert answer.status_code == 422
    assert "must be an id of IMDb, as tt0111161" in answer.json()["message"]
