"""Users and movies by the ids that they have in another system, on SQLite and on PostgreSQL."""

import json
from collections.abc import Iterator
from urllib.parse import quote

import pytest
from answers import without_list_ids
from fastapi.testclient import TestClient
from sqlalchemy import Engine, event, text

from app.main import create_app
from model.inference.scorer import Scorer

ANN, TOY = "ann@example.org", "tt0114709"
"""User 1 and movie 1 of the sample."""


@pytest.fixture
def named(loaded: Engine, client: TestClient) -> TestClient:
    """The service, in which user 1 and movie 1 have external ids."""
    assert client.patch("/users/1", json={"external_id": ANN}).json()["external_id"] == ANN
    assert client.patch("/movies/1", json={"external_id": TOY}).json()["external_id"] == TOY
    return client


@pytest.mark.parametrize(
    "path",
    [
        pytest.param("/users/{user}", id="user"),
        pytest.param("/users/{user}/ratings", id="ratings"),
        pytest.param("/users/{user}/ratings?movie_id={movie}", id="rating"),
        pytest.param("/users/{user}/similar", id="similar users"),
        pytest.param("/users/{user}/recommendations?limit=5&exclude={movie}", id="list"),
        pytest.param("/movies/{movie}", id="movie"),
        pytest.param("/movies/{movie}/similar", id="similar movies"),
    ],
)
def test_a_path_or_a_query_takes_either_id_and_both_get_the_same_answer(named: TestClient, path: str) -> None:
    by_own = named.get(path.format(user=1, movie=1))
    assert by_own.status_code == 200
    for prefix in ("", "external:"):
        by_external = named.get(path.format(user=f"{prefix}{ANN}", movie=f"{prefix}{TOY}"))
        assert without_list_ids(by_external.json()) == without_list_ids(by_own.json())


@pytest.mark.parametrize(
    ("path", "own", "external"),
    [
        pytest.param(
            "/predict", {"user_id": 1, "movie_ids": [2, 1]}, {"user_id": ANN, "movie_ids": [2, TOY]}, id="predict"
        ),
        pytest.param(
            "/predict",
            {"queries": [{"user_id": 1, "movie_id": 1}, {"user_id": 2, "movie_id": 3}]},
            {"queries": [{"user_id": ANN, "movie_id": TOY}, {"user_id": 2, "movie_id": 3}]},
            id="predict pairs",
        ),
        pytest.param(
            "/predict",
            {"history": [{"movie_id": 1, "stars": 5}], "movie_ids": [2]},
            {"history": [{"movie_id": TOY, "stars": 5}], "movie_ids": [2]},
            id="predict for an anonymous user",
        ),
        pytest.param("/rank", {"user_id": 1, "movie_ids": [2, 1]}, {"user_id": ANN, "movie_ids": [2, TOY]}, id="rank"),
        pytest.param(
            "/rank",
            {"history": [{"movie_id": 1, "stars": 5}], "movie_ids": [2, 1], "explain": True},
            {"history": [{"movie_id": TOY, "stars": 5}], "movie_ids": [2, TOY], "explain": True},
            id="rank for an anonymous user",
        ),
        pytest.param(
            "/recommendations",
            {"history": [{"movie_id": 1, "stars": 5}], "exclude": [1]},
            {"history": [{"movie_id": TOY, "stars": 5}], "exclude": [TOY, "gone"]},
            id="list for an anonymous user",
        ),
        pytest.param(
            "/recommendations/batch",
            {"user_ids": [2, 1], "exclude": [1]},
            {"user_ids": [2, ANN], "exclude": [TOY]},
            id="lists for many",
        ),
    ],
)
def test_a_body_takes_either_id_and_both_get_the_same_answer(
    named: TestClient, path: str, own: dict, external: dict
) -> None:
    by_own = named.post(path, json=own)
    assert by_own.status_code == 200
    assert without_list_ids(named.post(path, json=external).json()) == without_list_ids(by_own.json())


def test_answers_have_the_external_id_beside_the_own_one(named: TestClient) -> None:
    stars = named.post("/predict", json={"user_id": 1, "movie_ids": [1, 2]}).json()["predictions"]
    assert [(one["user_external_id"], one["movie_external_id"]) for one in stars] == [(ANN, TOY), (ANN, None)]

    ranked = named.post("/rank", json={"user_id": 1, "movie_ids": [1, 2]}).json()
    assert ranked["user_external_id"] == ANN
    assert {one["movie_id"]: one["external_id"] for one in ranked["recommendations"]} == {1: TOY, 2: None}

    lists = named.post("/recommendations/batch", json={"user_ids": [1, 2]}).json()["lists"]
    assert [one["user_external_id"] for one in lists] == [ANN, None]
    for _ in range(2):  # computed, and from memory
        assert named.get("/users/1/recommendations").json()["user_external_id"] == ANN

    (found,) = [one for one in named.get("/movies?limit=100").json()["movies"] if one["movie_id"] == 1]
    assert found["external_id"] == TOY
    assert named.get("/users?limit=1").json()["users"][0]["external_id"] == ANN
    assert named.get("/users/1/similar").json()["user_external_id"] == ANN
    others = [user["user_id"] for user in named.get("/users/1/similar?limit=100").json()["similar"]]
    similar = named.get(f"/users/{others[0]}/similar?limit=100").json()
    assert {user["user_id"]: user["external_id"] for user in similar["similar"]}.get(1, ANN) == ANN


def test_ratings_are_written_read_and_deleted_by_external_ids(named: TestClient) -> None:
    written = named.put(f"/users/{ANN}/ratings/{TOY}", json={"stars": 2.5, "rated_at": 1_700_000_000})
    assert written.json() == {
        "user_id": 1, "user_external_id": ANN, "movie_id": 1, "movie_external_id": TOY,
        "stars": 2.5, "rated_at": 1_700_000_000,
    }  # fmt: skip

    body = {"ratings": [{"user_id": ANN, "movie_id": TOY, "stars": 3}, {"user_id": 2, "movie_id": TOY, "stars": 4}]}
    assert named.post("/ratings", json=body).json() == {"written": 2}
    newest = named.get(f"/users/{ANN}/ratings?limit=1").json()
    assert (newest["user_external_id"], newest["ratings"][0]["external_id"]) == (ANN, TOY)
    assert newest["ratings"][0]["stars"] == 3

    assert named.delete(f"/users/{ANN}/ratings/{TOY}").status_code == 204
    rated = named.get("/users/1/ratings?limit=1000").json()["ratings"]
    assert 1 not in {entry["movie_id"] for entry in rated}


def test_as_many_ratings_by_long_ids_are_written_at_once_as_the_description_promises(client: TestClient) -> None:
    ids = [f"{number:08}-0000-4000-8000-{number:012}" for number in range(100)]
    for external_id in ids:
        assert client.post("/users", json={"external_id": external_id}).status_code == 201
    movies: list[dict[str, object]] = [
        {"movie_id": movie_id, "stars": 4, "rated_at": 1_700_000_000} for movie_id in range(1, 81)
    ]
    assert client.patch("/movies/1", json={"external_id": "f" * 64}).status_code == 200
    movies[0]["movie_id"] = "f" * 64
    ratings = [{"user_id": external_id, **movie} for external_id in ids for movie in movies]
    ratings += ratings[:2_000]
    body = json.dumps({"ratings": ratings}).encode()

    answer = client.post("/ratings", content=body, headers={"Content-Type": "application/json"})

    assert len(body) > 1024 * 1024
    assert answer.json() == {"written": 10_000}


def test_an_export_by_external_ids_is_imported_again_as_it_is(named: TestClient) -> None:
    named.put("/users/1/ratings/1", json={"stars": 2.5, "rated_at": 1_700_000_000})
    lines = named.get("/export/ratings?ids=external").text
    by_own = named.get("/export/ratings").text

    first = json.loads(lines.splitlines()[0])
    assert first == {"user_id": ANN, "movie_id": TOY, "stars": 2.5, "rated_at": 1_700_000_000}
    assert len(lines.splitlines()) == len(by_own.splitlines())

    named.delete("/users/1/ratings/1")
    answer = named.post("/import/ratings", content=lines, headers={"Content-Type": "application/jsonl"})
    assert answer.json() == {"written": len(lines.splitlines())}
    assert named.get("/export/ratings").text == by_own


def test_what_was_named_by_an_unknown_external_id_is_named_in_the_error(named: TestClient) -> None:
    assert named.get("/users/nobody").json()["detail"] == "There is no user 'nobody'."
    assert named.get("/movies/nothing").json()["detail"] == "There is no movie 'nothing'."
    many = named.post("/recommendations/batch", json={"user_ids": [ANN, "x", "y", "x"]})
    assert (many.status_code, many.json()["detail"]) == (404, "There are no users 'x', 'y'.")
    rank = named.post("/rank", json={"user_id": 1, "movie_ids": [TOY, "z"]})
    assert (rank.status_code, rank.json()["code"]) == (404, "movie_not_found")

    body = {"ratings": [{"user_id": ANN, "movie_id": TOY, "stars": 3}, {"user_id": "x", "movie_id": "z", "stars": 4}]}
    problems = named.post("/ratings", json=body).json()["details"]
    assert problems == [
        {"field": "body.ratings.1.user_id", "message": "There is no user 'x'."},
        {"field": "body.ratings.1.movie_id", "message": "There is no movie 'z'."},
    ]
    line = '{"user_id": "x", "movie_id": 1, "stars": 4}'
    imported = named.post("/import/ratings", content=line, headers={"Content-Type": "application/jsonl"}).json()
    assert imported["details"] == [{"field": "line 1.user_id", "message": "There is no user 'x'."}]


def test_deleting_what_is_not_there_does_nothing_by_either_id(named: TestClient) -> None:
    for path in ("/users/nobody", "/movies/nothing", f"/users/{ANN}/ratings/nothing"):
        assert named.delete(path).status_code == 204
    assert named.delete(f"/users/nobody/ratings/{TOY}").status_code == 404
    assert named.delete(f"/movies/{TOY}").status_code == 204
    assert named.get("/movies/1").status_code == 404


def test_an_external_id_is_given_once_and_freed_by_null(named: TestClient) -> None:
    taken = named.post("/users", json={"external_id": ANN})
    assert (taken.status_code, taken.json()["code"]) == (409, "user_exists")
    assert taken.json()["detail"] == f"There is a user with the external id {ANN!r} already, and no two have the same."
    assert named.patch("/users/2", json={"external_id": ANN}).status_code == 409
    assert named.patch("/movies/2", json={"external_id": TOY}).json()["code"] == "movie_exists"
    assert named.post("/movies", json={"title": "Again", "external_id": TOY}).json()["code"] == "movie_exists"

    assert named.patch("/users/1", json={"external_id": ANN, "age": 30}).status_code == 200  # its own
    assert named.patch("/users/1", json={"external_id": None}).json()["external_id"] is None
    assert named.get(f"/users/{ANN}").status_code == 404
    added = named.post("/users", json={"external_id": ANN}).json()
    assert named.get(f"/users/{ANN}").json()["user_id"] == added["user_id"] != 1


@pytest.mark.parametrize(
    "external_id",
    [
        pytest.param("b", id="letter"),
        pytest.param("0385504209", id="digits"),
        pytest.param("popular", id="name of a route"),
        pytest.param("external:x", id="the prefix itself"),
        pytest.param("..", id="dots"),
        pytest.param("John  O'Smith, 100% ?#;&=+", id="spaces and signs"),
        pytest.param("Фёдор 🎬 d'Azur", id="any script"),
        pytest.param("x" * 128, id="longest"),
        pytest.param("6f1c2ad0-8a51-4b0e-9f0c-0d5f3a1f6f7e", id="UUID"),
    ],
)
def test_any_usual_text_is_an_external_id_and_is_reached_by_the_prefix(client: TestClient, external_id: str) -> None:
    user = client.post("/users", json={"external_id": external_id}).json()["user_id"]
    assert client.patch("/movies/7", json={"external_id": external_id}).status_code == 200
    path = quote(f"external:{external_id}", safe="")

    assert client.get(f"/users/{path}").json()["user_id"] == user
    assert client.get(f"/movies/{path}").json()["movie_id"] == 7
    listed = client.get("/users/1/recommendations", params={"limit": 100, "exclude": f"external:{external_id}"}).json()
    assert 7 not in {entry["movie_id"] for entry in listed["recommendations"]}
    rated = client.post("/ratings", json={"ratings": [{"user_id": external_id, "movie_id": external_id, "stars": 4}]})
    assert rated.json() == {"written": 1}


@pytest.mark.parametrize(
    "external_id",
    [
        pytest.param("", id="empty"),
        pytest.param(" x", id="space before"),
        pytest.param("x ", id="space behind"),
        pytest.param("a/b", id="slash"),
        pytest.param("a\nb", id="line end"),
        pytest.param("a\x00b", id="null"),
        pytest.param("x" * 129, id="too long"),
        pytest.param(7, id="number"),
    ],
)
def test_other_texts_are_refused_as_external_ids(client: TestClient, external_id: object) -> None:
    for body in ({"external_id": external_id}, {"title": "X", "external_id": external_id}):
        answer = client.post("/movies" if "title" in body else "/users", json=body)
        assert (answer.status_code, answer.json()["details"][0]["field"]) == (422, "body.external_id")


def test_digits_alone_are_the_own_id_in_a_path_and_text_is_external_in_json(client: TestClient) -> None:
    user = client.post("/users", json={"external_id": "2"}).json()["user_id"]

    assert client.get("/users/2").json()["user_id"] == client.get("/users/0002").json()["user_id"] == 2
    assert client.get("/users/external:2").json()["user_id"] == user
    ranked = [client.post("/rank", json={"user_id": id_, "movie_ids": [1]}).json() for id_ in (2, "2")]
    assert [answer["user_id"] for answer in ranked] == [2, user]


def test_a_history_that_names_a_movie_by_both_ids_is_refused(named: TestClient) -> None:
    history = [{"movie_id": TOY, "stars": 5}, {"movie_id": 1, "stars": 4}]
    answer = named.post("/recommendations", json={"history": history})
    assert (answer.status_code, answer.json()["details"][0]["field"]) == (422, "body.history")


def test_a_new_external_id_counts_in_the_very_next_answer_of_another_process(
    named: TestClient, loaded: Engine, scorer: Scorer
) -> None:
    with TestClient(create_app(loaded, scorer)) as other:
        for external_id in ("bob", "carol", None):
            tag = other.get("/users/1/recommendations").headers["etag"]
            assert named.patch("/users/1", json={"external_id": external_id}).status_code == 200
            answer = other.get("/users/1/recommendations", headers={"If-None-Match": tag})
            assert (answer.status_code, answer.json()["user_external_id"]) == (200, external_id)

            assert named.patch("/movies/1", json={"external_id": external_id}).status_code == 200
            ranked = other.post("/rank", json={"user_id": 1, "movie_ids": [1]}).json()["recommendations"]
            assert ranked[0]["external_id"] == external_id
        assert other.get("/users/carol").status_code == 404


@pytest.fixture
def statements(loaded: Engine) -> Iterator[list[str]]:
    """What is sent to the database, the beginning of each transaction included."""
    sent: list[str] = []

    def begin(_: object) -> None:
        sent.append("BEGIN")

    def note(*arguments: object) -> None:
        if arguments[2] != "BEGIN":  # SQLite's own
            sent.append(str(arguments[2]))

    event.listen(loaded, "begin", begin)
    event.listen(loaded, "before_cursor_execute", note)
    yield sent
    event.remove(loaded, "begin", begin)
    event.remove(loaded, "before_cursor_execute", note)


def test_own_ids_are_not_looked_up_and_external_ones_once(named: TestClient, statements: list[str]) -> None:
    def count(method: str, path: str, body: object = None) -> int:
        named.request(method, path, json=body)
        statements.clear()
        assert named.request(method, path, json=body).status_code == 200
        return len(statements)

    look_up = 2  # the transaction begins, and one statement
    assert count("POST", "/rank", {"user_id": 3, "movie_ids": [1, 2]}) == 2  # the same for the revisions
    assert count("POST", "/rank", {"user_id": 3, "movie_ids": [TOY, 2]}) == 2 + look_up
    assert count("POST", "/rank", {"user_id": ANN, "movie_ids": [TOY, 2]}) == 2 + look_up + 1  # one for each table
    assert count("GET", f"/users/{ANN}/ratings") == count("GET", "/users/1/ratings") + look_up


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)  # PostgreSQL scans tables of a few rows
def test_an_external_id_is_looked_up_in_an_index(loaded: Engine) -> None:
    with loaded.connect() as connection:
        plan = connection.execute(text("EXPLAIN QUERY PLAN SELECT id FROM users WHERE external_id IN ('x')")).all()
    assert "USING COVERING INDEX ix_users_external_id" in str(plan)
