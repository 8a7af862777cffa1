"""Callers who have an answer already are told so, as long as it is right, and not a moment longer."""

import copy
import gzip
import json

import pytest
from answers import without_list_ids
from fastapi.testclient import TestClient
from sqlalchemy import Engine, text

from app.main import create_app
from app.services.feedback.kinds import DEFAULT_MEANINGS, meanings_from
from model.inference.scorer import Scorer

LIST = "/users/1/recommendations"
PATHS = ["/movies", "/movies?q=the&limit=5", "/movies/1", "/genres", "/movies/1/similar", "/model", LIST]
PAGE = ["/", "/static/page.js"]


def changed(engine: Engine, statement: str) -> None:
    with engine.begin() as connection:
        connection.execute(text(statement))


def still_right(client: TestClient, path: str, tag: str) -> bool:
    """Whether the service answers 304 to the caller who has the answer of this tag."""
    answer = client.get(path, headers={"If-None-Match": tag})
    assert answer.status_code in {200, 304}
    assert (answer.status_code == 304) == (answer.content == b"")
    return answer.status_code == 304


@pytest.mark.parametrize("path", [*PATHS, *PAGE])
def test_what_has_not_changed_is_not_sent_again(client: TestClient, path: str) -> None:
    first = client.get(path)
    tag = first.headers["etag"]

    again = client.get(path, headers={"If-None-Match": f'"another", {tag}'})

    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == tag
    assert again.headers["cache-control"] == first.headers["cache-control"]
    assert again.headers["vary"] == "Accept-Encoding"
    assert not still_right(client, path, 'W/"another"')


def test_a_page_with_pictures_is_sent_once(loaded: Engine, scorer: Scorer) -> None:
    with TestClient(create_app(loaded, scorer, image_url="https://images.example/{tmdb_id}.jpg")) as client:
        tag = client.get("/").headers["etag"]

        assert still_right(client, "/", tag)
    with TestClient(create_app(loaded, scorer, image_url="https://other.example/{tmdb_id}.jpg")) as client:
        assert not still_right(client, "/", tag)


@pytest.mark.parametrize(
    ("path", "statement"),
    [
        pytest.param("/movies", "UPDATE movies SET title = 'Other (1990)' WHERE id = 1", id="search"),
        pytest.param("/genres", "DELETE FROM movie_genres WHERE movie_id = 1", id="genres"),
        pytest.param("/movies/1", "UPDATE movies SET hidden = true WHERE id = 1", id="movie"),
        pytest.param("/movies/1", "DELETE FROM ratings WHERE movie_id = 1", id="ratings of a movie"),
        pytest.param("/movies/1/similar", "UPDATE movies SET title = 'Other (1990)' WHERE id = 2", id="similar"),
        pytest.param(LIST, "UPDATE movies SET title = 'Other (1990)' WHERE id = 2", id="catalogue of a list"),
        pytest.param(LIST, "DELETE FROM ratings WHERE user_id = 1 AND movie_id % 2 = 0", id="history of a list"),
        pytest.param(LIST, "UPDATE users SET age = 33 WHERE id = 1", id="profile of a list"),
    ],
)
def test_a_change_is_told_whoever_makes_it(client: TestClient, loaded: Engine, path: str, statement: str) -> None:
    tag = client.get(path).headers["etag"]
    assert still_right(client, path, tag)

    changed(loaded, statement)

    assert not still_right(client, path, tag)


def test_a_rating_of_one_user_leaves_the_lists_of_others_as_they_are(client: TestClient) -> None:
    tags = {path: client.get(path).headers["etag"] for path in (LIST, "/users/2/recommendations", "/genres")}

    client.put("/users/1/ratings/1", json={"stars": 1})

    assert [still_right(client, path, tag) for path, tag in tags.items()] == [False, True, True]


def test_a_list_of_another_user_under_the_same_address_has_another_tag(client: TestClient, loaded: Engine) -> None:
    client.patch("/users/1", json={"external_id": "ann"})
    changed(loaded, "UPDATE users SET revision = 5000 WHERE id = 1")
    tag = client.get("/users/ann/recommendations").headers["etag"]

    client.patch("/users/1", json={"external_id": None})
    client.patch("/users/2", json={"external_id": "ann"})
    changed(loaded, "UPDATE users SET revision = 5000 WHERE id = 2")

    assert not still_right(client, "/users/ann/recommendations", tag)


def test_another_model_has_other_tags(loaded: Engine, scorer: Scorer) -> None:
    newer = copy.copy(scorer)
    newer.version = "newer"
    client, client_of_newer = TestClient(create_app(loaded, scorer)), TestClient(create_app(loaded, newer))

    tags = {path: client.get(path).headers["etag"] for path in PATHS}

    assert [path for path, tag in tags.items() if still_right(client_of_newer, path, tag)] == ["/movies/1"]


def test_another_meaning_of_events_changes_the_tags_of_lists_alone(loaded: Engine, scorer: Scorer) -> None:
    changed = meanings_from({"skip": {"days": 30}})
    before, after = (TestClient(create_app(loaded, scorer, meanings=own)) for own in (DEFAULT_MEANINGS, changed))

    tags = {path: before.get(path).headers["etag"] for path in PATHS}

    assert [path for path, tag in tags.items() if not still_right(after, path, tag)] == [LIST]


def test_a_list_of_popular_movies_depends_on_everyone_and_has_no_tag(client: TestClient) -> None:
    user = client.post("/users", json={}).json()["user_id"]

    answer = client.get(f"/users/{user}/recommendations")

    assert answer.json()["rank_by"] == "popularity"
    assert "etag" not in answer.headers


def test_an_error_is_told_also_to_those_who_have_had_an_answer(client: TestClient) -> None:
    tag = client.get("/movies/1").headers["etag"]
    client.delete("/movies/1")

    answer = client.get("/movies/1", headers={"If-None-Match": tag})

    assert (answer.status_code, answer.headers["cache-control"]) == (404, "no-store")
    assert "etag" not in answer.headers


def test_answers_about_users_are_for_their_callers_cache_alone(client: TestClient) -> None:
    for path in (LIST, "/users/1", "/users", "/users/1/ratings", "/users/1/similar", "/export/ratings"):
        assert client.get(path).headers["cache-control"] == "private, no-cache", path
    for path in ("/movies", "/movies/1", "/genres", "/model", "/"):
        assert client.get(path).headers["cache-control"] == "no-cache", path


@pytest.mark.parametrize("path", ["/users/1/recommendations?limit=70&explain=true", "/openapi.json"])
def test_a_long_answer_is_compressed_for_those_who_can_read_it(client: TestClient, path: str) -> None:
    plain = client.get(path, headers={"Accept-Encoding": "identity"})
    with client.stream("GET", path, headers={"Accept-Encoding": "gzip"}) as answer:
        sent = b"".join(answer.iter_raw())

    assert "content-encoding" not in plain.headers
    assert answer.headers["content-encoding"] == "gzip"
    assert plain.headers["vary"] == answer.headers["vary"] == "Accept-Encoding"
    assert plain.headers.get("etag") == answer.headers.get("etag")
    assert int(answer.headers["content-length"]) == len(sent) < len(plain.content) / 3
    assert without_list_ids(json.loads(gzip.decompress(sent))) == without_list_ids(plain.json())


@pytest.mark.parametrize("path", [LIST, "/genres", "/health/live", "/users/9999"])
def test_a_short_answer_is_sent_as_it_is(client: TestClient, path: str) -> None:
    answer = client.get(path, headers={"Accept-Encoding": "gzip"})

    assert "content-encoding" not in answer.headers
    assert json.loads(answer.content)
