"""The service over HTTP, on SQLite and on PostgreSQL."""

import json
import threading
import time
from collections.abc import Sequence

import numpy as np
import pytest
from builders import star_figures
from fastapi.testclient import TestClient
from sqlalchemy import Engine, text

from app.main import create_app
from app.storage.database import alembic_config, connect
from model.card import Card
from model.data.dataset import MovieLens
from model.inference.results import Recommendation
from model.inference.scorer import Scorer
from model.inference.user_state import UserState


def rate(engine: Engine, user_id: int, movie_id: int, stars: float, rated_at: int = 2_000_000_000) -> None:
    with engine.begin() as connection:
        connection.execute(
            text("INSERT INTO ratings (user_id, movie_id, stars, rated_at) VALUES (:user, :movie, :stars, :at)"),
            {"user": user_id, "movie": movie_id, "stars": stars, "at": rated_at},
        )


def add_user(engine: Engine, user_id: int) -> None:
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO users (id, gender, age) VALUES (:id, 'F', 25)"), {"id": user_id})


def rated_by(data: MovieLens, user_id: int) -> dict[int, float]:
    own = data.ratings.filter(data.ratings["user_id"] == user_id)
    return dict(zip(own["movie_id"].to_list(), own["stars"].to_list(), strict=True))


def ids(answer: dict) -> list[int]:
    return [entry["movie_id"] for entry in answer["recommendations"]]


def test_one_user_and_some_movies_are_predicted_with_titles_and_own_stars(
    client: TestClient, sample: MovieLens, scorer: Scorer
) -> None:
    own = rated_by(sample, 1)
    rated, unrated = next(iter(own)), next(id_ for id_ in range(1, 81) if id_ not in own)

    answer = client.post("/predict", json={"user_id": 1, "movie_ids": [rated, unrated]})

    assert answer.status_code == 200
    first, second = answer.json()["predictions"]
    titles = dict(sample.movies.select("movie_id", "title").rows())
    assert (first["movie_id"], first["title"], first["own_stars"]) == (rated, titles[rated], own[rated])
    assert (second["movie_id"], second["title"], second["own_stars"]) == (unrated, titles[unrated], None)
    assert all(1 <= entry["predicted_stars"] <= 5 and entry["in_model"] for entry in (first, second))
    assert answer.json()["model"] == scorer.version


def test_a_prediction_says_how_likely_each_number_of_stars_is(client: TestClient) -> None:
    (entry,) = client.post("/predict", json={"user_id": 1, "movie_ids": [1]}).json()["predictions"]

    assert list(entry["probabilities"]) == ["1", "2", "3", "4", "5"]
    assert sum(entry["probabilities"].values()) == pytest.approx(1, abs=3e-4)
    mean = sum(int(stars) * probability for stars, probability in entry["probabilities"].items())
    assert entry["predicted_stars"] == pytest.approx(mean, abs=1e-3)


def test_a_list_of_pairs_is_predicted_in_its_order_with_repeats(client: TestClient) -> None:
    pairs = [(2, 5), (1, 5), (2, 6), (2, 5)]
    answer = client.post("/predict", json={"queries": [{"user_id": u, "movie_id": m} for u, m in pairs]})

    predictions = answer.json()["predictions"]
    assert [(entry["user_id"], entry["movie_id"]) for entry in predictions] == pairs
    assert predictions[0] == predictions[3]


def test_pairs_and_single_users_get_the_same_stars(client: TestClient) -> None:
    pairs = client.post("/predict", json={"queries": [{"user_id": user, "movie_id": 9} for user in (1, 2, 3)]}).json()[
        "predictions"
    ]
    singles = [
        client.post("/predict", json={"user_id": user, "movie_ids": [9]}).json()["predictions"][0] for user in (1, 2, 3)
    ]

    assert pairs == singles


def test_recommendations_carry_title_genres_and_stars_and_nothing_that_is_rated(
    client: TestClient, sample: MovieLens
) -> None:
    answer = client.get("/users/1/recommendations").json()

    movies = {row[0]: row for row in sample.movies.rows()}
    assert len(answer["recommendations"]) == 10
    assert answer["based_on"] == "history"
    assert not set(ids(answer)) & set(rated_by(sample, 1))
    for entry in answer["recommendations"]:
        _, title, _, genres = movies[entry["movie_id"]]
        assert (entry["title"], entry["genres"]) == (title, sorted(genres))
    assert answer["rank_by"] == "relevance"
    relevances = [entry["relevance"] for entry in answer["recommendations"]]
    assert relevances == sorted(relevances, reverse=True)
    assert all(entry["reasons"] is None for entry in answer["recommendations"])


def test_a_list_can_be_ranked_by_rating_diversified_and_explained(client: TestClient, sample: MovieLens) -> None:
    by_rating = client.get("/users/1/recommendations", params={"rank_by": "rating"}).json()
    explained = client.get("/users/1/recommendations", params={"explain": True, "diversity": 0.6}).json()

    stars = [entry["predicted_stars"] for entry in by_rating["recommendations"]]
    assert (by_rating["rank_by"], stars) == ("rating", sorted(stars, reverse=True))
    reasons = [reason for entry in explained["recommendations"] for reason in entry["reasons"]]
    titles = dict(sample.movies.select("movie_id", "title").rows())
    assert reasons
    assert all(reason["movie_id"] in rated_by(sample, 1) for reason in reasons)
    assert all(reason["title"] == titles[reason["movie_id"]] for reason in reasons)
    assert all(reason["contribution"] > 0 for reason in reasons)
    given = {row["movie_id"]: row["stars"] for row in sample.ratings.filter(user_id=1).iter_rows(named=True)}
    mean = sum(given.values()) / len(given)
    assert all(given[reason["movie_id"]] == reason["stars"] >= mean for reason in reasons)


def test_pages_to_the_end_have_every_unseen_movie_once(client: TestClient, sample: MovieLens) -> None:
    seen: list[int] = []
    while page := ids(client.get("/users/2/recommendations", params={"n": 13, "offset": len(seen)}).json()):
        seen += page

    assert len(seen) == len(set(seen))
    assert set(seen) == set(range(1, 81)) - set(rated_by(sample, 2))


def test_what_is_recommended_is_what_is_predicted(client: TestClient) -> None:
    listed = client.get("/users/3/recommendations").json()["recommendations"]
    predicted = client.post(
        "/predict", json={"user_id": 3, "movie_ids": [entry["movie_id"] for entry in listed]}
    ).json()["predictions"]

    assert [entry["predicted_stars"] for entry in listed] == pytest.approx(
        [entry["predicted_stars"] for entry in predicted], abs=2e-4
    )


def test_a_new_rating_counts_in_the_very_next_answer(client: TestClient, loaded: Engine) -> None:
    before = client.get("/users/1/recommendations").json()
    rate(loaded, 1, ids(before)[0], 1)

    after = client.get("/users/1/recommendations").json()

    assert ids(before)[0] not in ids(after)
    assert after["recommendations"][0]["predicted_stars"] != before["recommendations"][1]["predicted_stars"]


def test_a_user_without_ratings_is_served_from_the_profile_and_told_so(client: TestClient, loaded: Engine) -> None:
    add_user(loaded, 5000)
    answer = client.get("/users/5000/recommendations").json()
    assert (answer["based_on"], len(answer["recommendations"])) == ("profile", 10)

    rate(loaded, 5000, 1, 5)
    assert client.get("/users/5000/recommendations").json()["based_on"] == "history"


def test_who_has_rated_everything_gets_an_empty_list(client: TestClient, loaded: Engine) -> None:
    add_user(loaded, 5000)
    for movie_id in range(1, 81):
        rate(loaded, 5000, movie_id, 3)

    answer = client.get("/users/5000/recommendations")

    assert (answer.status_code, answer.json()["recommendations"]) == (200, [])


def test_a_movie_that_comes_into_the_database_by_other_ways_is_served_at_once_and_said_to_be_new(
    client: TestClient, loaded: Engine
) -> None:
    with loaded.begin() as connection:
        connection.execute(text("INSERT INTO movies (id, title, year) VALUES (9000, 'Brand New (2026)', 2026)"))

    (entry,) = client.post("/predict", json={"user_id": 1, "movie_ids": [9000]}).json()["predictions"]

    assert (entry["title"], entry["in_model"]) == ("Brand New (2026)", False)
    assert 1 <= entry["predicted_stars"] <= 5
    listed = client.get("/users/1/recommendations", params={"n": 100}).json()["recommendations"]
    assert [entry["in_model"] for entry in listed if entry["movie_id"] == 9000] == [False]


def test_a_movie_that_left_the_catalogue_is_not_recommended(client: TestClient, loaded: Engine) -> None:
    first = ids(client.get("/users/1/recommendations").json())[0]
    with loaded.begin() as connection:
        connection.execute(text("DELETE FROM movies WHERE id = :id"), {"id": first})

    assert first not in ids(client.get("/users/1/recommendations", params={"n": 100}).json())


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code", "says"),
    [
        pytest.param("GET", "/users/7777/recommendations", None, 404, "user_not_found", "no user 7777", id="user"),
        pytest.param(
            "POST", "/predict", {"user_id": 7777, "movie_ids": [1]}, 404, "user_not_found", "7777", id="predict user"
        ),
        pytest.param(
            "POST", "/predict", {"user_id": 1, "movie_ids": [1, 901, 902]}, 404, "movie_not_found",
            "no movies 901, 902", id="movies",
        ),
        pytest.param("GET", "/users/x/recommendations", None, 404, "user_not_found", "'x'", id="unknown external id"),
        pytest.param("GET", "/users/0/recommendations", None, 422, "invalid_request", "user_id", id="user zero"),
        pytest.param("GET", f"/users/{2**63}/recommendations", None, 422, "invalid_request", "user_id", id="big user"),
        pytest.param("GET", "/users/1/recommendations?n=0", None, 422, "invalid_request", "query.n", id="n zero"),
        pytest.param(
            "GET", "/users/1/recommendations?diversity=1.1", None, 422, "invalid_request", "diversity", id="diversity"
        ),
        pytest.param("GET", "/users/1/recommendations?rank_by=x", None, 422, "invalid_request", "rank_by", id="rank"),
        pytest.param("GET", "/users/1/recommendations?n=101", None, 422, "invalid_request", "query.n", id="n large"),
        pytest.param("GET", "/users/1/recommendations?offset=-1", None, 422, "invalid_request", "offset", id="offset"),
        pytest.param("POST", "/predict", {}, 422, "invalid_request", "either user_id and movie_ids", id="neither"),
        pytest.param("POST", "/predict", {"user_id": 1}, 422, "invalid_request", "either user_id", id="no movies"),
        pytest.param(
            "POST", "/predict", {"user_id": 1, "movie_ids": []}, 422, "invalid_request", "movie_ids", id="empty"
        ),
        pytest.param(
            "POST", "/predict", {"user_id": 1, "movie_ids": [1] * 1001}, 422, "invalid_request", "1000", id="too many"
        ),
        pytest.param(
            "POST", "/predict", {"user_id": 1, "movie_ids": [1], "x": 1}, 422, "invalid_request", "x", id="extra"
        ),
        pytest.param("GET", "/movies/popular?since=1700000000000", None, 422, "invalid_request", "at most 253402300799",
                     id="milliseconds"),
        pytest.param("POST", "/rank", {"user_id": 1, "movie_ids": [1], "explain": 1}, 422, "invalid_request",
                     "true or false", id="number for true"),
        pytest.param("GET", "/nowhere", None, 404, "not_found", "Not Found. /docs lists", id="unknown path"),
        pytest.param("GET", "/static/nowhere", None, 404, "not_found", "Not Found. /docs lists", id="unknown file"),
        pytest.param("DELETE", "/predict", None, 405, "method_not_allowed", "/docs", id="wrong method"),
    ],
)  # fmt: skip
def test_every_error_has_one_shape_a_code_and_a_sentence(
    client: TestClient, method: str, path: str, body: object, status: int, code: str, says: str
) -> None:
    answer = client.request(method, path, json=body) if body is not None else client.request(method, path)

    error = answer.json()
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert (error["status"], error["code"], error["type"]) == (status, code, f"urn:seqrec:error:{code}")
    assert error["title"].lower() == code.replace("_", " ")
    assert says in error["detail"]
    assert error["message"] == error["detail"]
    assert error["instance"] == path.partition("?")[0]
    assert error["request_id"] == answer.headers["x-request-id"]
    assert bool(error["details"]) == (status == 422)
    assert answer.headers["cache-control"] == "no-store"


def test_the_path_in_an_error_is_one_that_a_uri_can_have(client: TestClient) -> None:
    assert client.get("/n%C3%B6wh%3Cere%0A").json()["instance"] == "/n%C3%B6wh%3Cere%0A"


def test_a_body_that_is_no_json_is_an_error_of_the_same_shape(client: TestClient) -> None:
    answer = client.post("/predict", content=b"{", headers={"content-type": "application/json"})

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


@pytest.mark.parametrize(
    ("path", "body", "field", "message"),
    [
        pytest.param("/users", {"gender": "X"}, "body.gender", "must be F or M", id="pattern"),
        pytest.param("/users", {"x": 1}, "body.x", "there is no such field", id="unknown field"),
        pytest.param("/users", {"age": "old"}, "body.age", "a number is wanted, not text", id="text for a number"),
        pytest.param("/users", {"age": 500}, "body.age", "must be at most 120", id="too large"),
        pytest.param("/users", [1], "body", "must be an object", id="list"),
        pytest.param("/users", None, "body", "send a body in JSON, as Content-Type: application/json", id="no body"),
        pytest.param("/predict", {"user_id": 1, "movie_ids": []}, "body.movie_ids", "has too few entries (minimum 1)",
                     id="empty list"),
        pytest.param("/predict", {"user_id": 2**63, "movie_ids": [1]}, "body.user_id", f"must be at most {2**63 - 1}",
                     id="large id"),
        pytest.param("/movies", {"title": "a\nb"}, "body.title", "must have no control characters", id="control"),
        pytest.param("/movies", {}, "body.title", "is required", id="missing"),
    ],
)  # fmt: skip
def test_an_invalid_field_is_described_in_a_plain_sentence(
    client: TestClient, path: str, body: object, field: str, message: str
) -> None:
    answer = client.post(path, json=body) if body is not None else client.post(path)

    assert answer.status_code == 422
    assert answer.json()["details"] == [{"field": field, "message": message}]


@pytest.mark.parametrize(
    ("change", "field", "message"),
    [
        pytest.param({"genres": "Drama"}, "body.genres", "must be a list", id="text for a list"),
        pytest.param({"genres": [""]}, "body.genres.0", "is too short (minimum length 1)", id="empty genre"),
        pytest.param({"hidden": "yes"}, "body.hidden", "must be true or false", id="text for true"),
        pytest.param({"title": 5}, "body.title", "must be text", id="number for a title"),
        pytest.param({"title": None}, "body", "title cannot be null; leave it out, and it stays", id="null"),
    ],
)
def test_of_an_invalid_change_of_a_movie_the_field_is_named_alone(
    client: TestClient, change: dict[str, object], field: str, message: str
) -> None:
    answer = client.patch("/movies/1", json=change)

    assert answer.status_code == 422
    assert answer.json()["details"] == [{"field": field, "message": message}]


@pytest.mark.parametrize(
    ("method", "path", "place"),
    [
        ("GET", "/users/1/recommendations?genre=None", "query"),
        ("GET", "/movies?genre=None", "query"),
        ("POST", "/recommendations", "body"),
    ],
)
def test_of_a_genre_that_there_is_not_an_error_says_where_it_was(
    client: TestClient, method: str, path: str, place: str
) -> None:
    answer = client.request(method, path, json={"genre": ["None"]} if method == "POST" else None)

    assert answer.status_code == 422
    assert [one["field"] for one in answer.json()["details"]] == [f"{place}.genre"]


def test_an_error_says_how_a_time_is_written(client: TestClient) -> None:
    (problem,) = client.get("/movies/popular?since=yesterday").json()["details"]

    assert problem["field"].startswith("query.since")
    assert problem["message"] == "a time is wanted, as 2024-01-31 or 2024-01-31T20:15:00Z, or Unix seconds"
    assert client.get("/movies/popular?since=2024-01-31").status_code == 200


def test_a_movie_is_found_by_the_year_that_it_has_now(client: TestClient) -> None:
    added = client.post("/movies", json={"title": "Foo Bar", "year": 1999}).json()["movie_id"]

    def found(text: str) -> list[int]:
        return [movie["movie_id"] for movie in client.get("/movies", params={"q": text}).json()["movies"]]

    assert found("foo bar 1999") == [added]
    client.patch(f"/movies/{added}", json={"year": 2011})
    assert (found("foo bar 2011"), found("foo bar 1999")) == ([added], [])


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity", "1e400"])
def test_what_is_not_a_number_is_not_said_to_be_too_large(client: TestClient, value: str) -> None:
    answer = client.put(
        "/users/1/ratings/1", content=f'{{"stars": {value}}}', headers={"content-type": "application/json"}
    )

    assert answer.status_code == 422
    assert answer.json()["details"] == [{"field": "body.stars", "message": "a finite number is wanted"}]


@pytest.mark.parametrize(
    ("method", "path", "body", "field", "wanted"),
    [
        pytest.param("PUT", "/users/1/ratings/1", {"stars": " 3.5 "}, "stars", "a number", id="stars"),
        pytest.param("PUT", "/users/1/ratings/1", {"stars": 3, "rated_at": "978300760"}, "rated_at", "a number",
                     id="time"),
        pytest.param("POST", "/users", {"age": "35"}, "age", "a number", id="age"),
        pytest.param("POST", "/recommendations", {"limit": "2"}, "limit", "a number", id="limit"),
        pytest.param("POST", "/recommendations", {"year_from": "1999"}, "year_from", "a number", id="filter"),
        pytest.param("POST", "/recommendations", {"diversity": "0.5"}, "diversity", "a number", id="diversity"),
        pytest.param("POST", "/recommendations", {"explain": "yes"}, "explain", "true or false", id="explain"),
        pytest.param("PATCH", "/movies/1", {"tmdb_id": "7"}, "tmdb_id", "a number", id="id of TMDB"),
        pytest.param("PATCH", "/movies/1", {"year": "1999"}, "year", "a number", id="year"),
        pytest.param("POST", "/users", {"user_id": "4000"}, "user_id", "a number", id="own id"),
    ],
)  # fmt: skip
def test_text_in_a_body_is_neither_a_number_nor_true_or_false(
    client: TestClient, method: str, path: str, body: object, field: str, wanted: str
) -> None:
    answer = client.request(method, path, json=body)

    assert answer.status_code == 422
    assert answer.json()["details"] == [{"field": f"body.{field}", "message": f"{wanted} is wanted, not text"}]


def test_a_whole_number_may_have_decimals(client: TestClient) -> None:
    assert client.post("/users", json={"user_id": 4000.0, "age": 35.0}).json()["age"] == 35


def test_text_in_a_query_may_be_a_number(client: TestClient) -> None:
    for path in ("/movies/popular", "/movies/1/similar", "/users/1/similar"):
        assert client.get(path, params={"limit": "2"}).status_code == 200
    listed = client.get("/users/1/recommendations", params={"limit": "2", "year_from": "1900", "explain": "yes"})
    assert len(listed.json()["recommendations"]) == 2


def test_text_in_a_line_of_an_import_may_be_a_number(client: TestClient) -> None:
    rating = b'{"user_id": 1, "movie_id": 1, "stars": "3.5", "rated_at": "978300760"}'
    event = b'{"user_id": 1, "movie_id": 1, "kind": "watch", "share": "0.5", "occurred_at": "978300760"}'
    lines = {"Content-Type": "application/jsonl"}

    assert client.post("/import/ratings", content=rating, headers=lines).json() == {"written": 1}
    assert client.post("/import/events", content=event, headers=lines).json()["written"] == 1


def test_a_body_that_is_no_json_says_where(client: TestClient) -> None:
    answer = client.post("/users", content="{'a'", headers={"Content-Type": "application/json"})

    assert answer.status_code == 422
    assert answer.json()["details"] == [{"field": "body", "message": "the body is not valid JSON (character 2)"}]


class Broken:
    """Stands in for a scorer with a fault."""

    version = "broken"
    trained_ids = frozenset(range(1, 81))

    def __init__(self, card: Card) -> None:
        self.card = card

    def times_rated(self, movie_ids: list[int]) -> np.ndarray:
        return np.zeros(len(movie_ids), dtype=np.int64)

    def __getattr__(self, name: str) -> object:
        raise RuntimeError("a fault that callers must not see")


def test_a_fault_is_answered_without_its_details(loaded: Engine, scorer: Scorer) -> None:
    client = TestClient(create_app(loaded, Broken(scorer.card)), raise_server_exceptions=False)  # type: ignore[arg-type]
    answer = client.get("/users/1/recommendations")

    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    assert "fault" not in answer.text


class Watched(Scorer):
    """A scorer that waits in a method to be let go, and notes how many database connections are out meanwhile."""

    def __init__(self, scorer: Scorer, engine: Engine, waits_in: str) -> None:
        self.__dict__.update(scorer.__dict__)
        self.engine = engine
        self.waits_in = waits_in
        self.entered, self.leave = threading.Event(), threading.Event()
        self.connections: list[int] = []

    def prepare_lists(self, users: Sequence[UserState]) -> None:
        self._wait("prepare_lists")
        super().prepare_lists(users)

    def recommend_from(self, *arguments: object) -> list[Recommendation]:
        self._wait("recommend_from")
        return super().recommend_from(*arguments)  # type: ignore[arg-type]

    def _wait(self, method: str) -> None:
        if method == self.waits_in:
            self.connections.append(self.engine.pool.checkedout())  # type: ignore[attr-defined]
            self.entered.set()
            assert self.leave.wait(30)


@pytest.mark.parametrize(
    ("path", "takes_long"),
    [
        pytest.param("/users/1/recommendations", "prepare_lists", id="new user"),
        pytest.param("/users/1/recommendations?explain=true", "recommend_from", id="reasons"),
    ],
)
def test_while_scoring_others_are_answered_and_no_connection_is_held(
    loaded: Engine, scorer: Scorer, path: str, takes_long: str
) -> None:
    watched = Watched(scorer, loaded, takes_long)
    with TestClient(create_app(loaded, watched)) as client:
        slow = threading.Thread(target=client.get, args=(path,))
        slow.start()
        try:
            assert watched.entered.wait(30)
            started = time.perf_counter()
            assert client.get("/health/live").status_code == 200
            assert client.post("/predict", json={"user_id": 1, "movie_ids": [1]}).status_code == 200
            assert time.perf_counter() - started < 5
        finally:
            watched.leave.set()
            slow.join()
    assert watched.connections == [0]


def test_health_and_model_tell_the_state_of_the_service(client: TestClient, scorer: Scorer) -> None:
    assert client.get("/health/live").json() == {"status": "ok"}
    assert client.get("/health/ready").json() == {"status": "ok"}

    model = client.get("/model").json()
    assert (model["version"], model["device"], model["sample_data"]) == (scorer.version, "cpu", True)
    assert model["card"]["held_out"]["n_test"] == star_figures(scorer.card).n_test


def test_a_service_whose_schema_is_not_current_is_not_ready(client: TestClient, loaded: Engine) -> None:
    from alembic import command  # noqa: PLC0415

    config = alembic_config()
    with loaded.begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "base")

    answer = client.get("/health/ready")

    assert (answer.status_code, answer.json()["code"]) == (503, "not_ready")
    assert "seqrec db upgrade" in answer.json()["message"]


def test_without_its_database_the_service_lives_but_says_that_it_cannot_answer(scorer: Scorer) -> None:
    engine = connect("postgresql://someone:secret@127.0.0.1:9/seqrec")
    with TestClient(create_app(engine, scorer)) as client:
        assert client.get("/health/live").status_code == 200
        for path, code in (("/health/ready", "not_ready"), ("/users/1/recommendations", "database_unavailable")):
            answer = client.get(path)
            assert (answer.status_code, answer.json()["code"]) == (503, code)
            assert "secret" not in answer.text


def test_the_log_says_that_a_probe_took_too_long(
    loaded: Engine, scorer: Scorer, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def too_late(_: object) -> None:
        raise TimeoutError

    app = create_app(loaded, scorer)
    monkeypatch.setattr(app.state.services.readiness, "get", too_late)
    with TestClient(app) as client:
        assert client.get("/health/ready").json()["code"] == "not_ready"

    assert "not ready: the database did not answer in time" in caplog.text


def test_every_route_is_documented_with_summary_example_and_errors(client: TestClient) -> None:
    description = client.get("/openapi.json").json()

    schemas = description["components"]["schemas"]
    assert "HTTPValidationError" not in schemas
    for path, methods in description["paths"].items():
        for method, operation in methods.items():
            assert operation["summary"], (method, path)
            for status, answer in operation["responses"].items():
                if status >= "400":
                    schema = answer["content"]["application/problem+json"]["schema"]["$ref"]
                    assert schema.endswith("/ErrorBody"), (method, path, status)
                assert answer.get("content") or status in {"204", "304"}, (method, path, status)
    for name in ("PredictionRequest", "Predictions", "Recommendations", "RankRequest", "RecommendationRequest"):
        assert schemas[name]["examples"], name
    recommendations = description["paths"]["/users/{user_id}/recommendations"]["get"]
    assert set(recommendations["responses"]) == {"200", "304", "401", "403", "404", "409", "422", "429", "500", "503"}


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PATCH", "/movies", "GET, POST"),
        ("POST", "/users/1", "GET, PATCH, DELETE"),
        ("GET", "/predict", "POST"),
        ("DELETE", "/health/live", "GET"),
    ],
)
def test_an_answer_to_another_method_names_all_that_the_path_takes(
    client: TestClient, method: str, path: str, allowed: str
) -> None:
    answer = client.request(method, path)

    assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")
    assert answer.headers["allow"] == allowed


@pytest.mark.parametrize("path", ["/", "/docs", "/openapi.json", "/users/1", "/users/99999", "/nowhere", "/metrics"])
def test_no_answer_may_be_taken_for_another_kind(client: TestClient, path: str) -> None:
    assert client.get(path).headers["x-content-type-options"] == "nosniff"


def test_the_documentation_can_be_shown_in_no_frame(client: TestClient) -> None:
    assert "frame-ancestors 'none'" in client.get("/docs").headers["content-security-policy"]


def test_a_genre_is_spelt_as_it_was_spelt_first(client: TestClient) -> None:
    added = client.post("/movies", json={"title": "New (2026)", "genres": ["Sea", "sea", "SEA"]}).json()
    assert added["genres"] == ["Sea"]

    changed = client.patch("/movies/1", json={"genres": ["SEA", "Air", "air"]}).json()
    assert changed["genres"] == ["Air", "Sea"]


def test_a_new_movie_never_gets_the_id_of_one_that_the_model_knows(client: TestClient, scorer: Scorer) -> None:
    newest = max(scorer.trained_ids)
    assert client.delete(f"/movies/{newest}").status_code == 204

    added = client.post("/movies", json={"title": "New (2026)", "genres": ["Drama"]}).json()

    assert added["movie_id"] == newest + 1
    assert added["in_model"] is False


def test_a_new_movie_never_gets_the_id_of_one_that_a_stored_model_may_know(client: TestClient) -> None:
    gone = client.post("/movies", json={"title": "Gone (2026)"}).json()["movie_id"]
    client.delete(f"/movies/{gone}")

    assert client.post("/movies", json={"title": "New (2026)"}).json()["movie_id"] == gone + 1


def test_a_new_movie_gets_no_id_that_the_model_knows_where_the_largest_is_taken_too(
    client: TestClient, scorer: Scorer
) -> None:
    gone, newest = min(scorer.trained_ids), max(scorer.trained_ids)
    for id_ in (gone, newest):
        client.delete(f"/movies/{id_}")
    largest = {"movie_id": 2**63 - 1, "title": "Largest (2026)"}
    assert client.post("/movies", json=largest).status_code == 201

    titles = [{"title": f"New {number} (2026)", "genres": ["Drama"]} for number in range(2)]
    added = [client.post("/movies", json=title).json() for title in titles]

    assert [(movie["movie_id"], movie["in_model"]) for movie in added] == [(newest + 1, False), (newest + 2, False)]
    client.delete(f"/movies/{largest['movie_id']}")
    assert client.post("/movies", json={"title": "Another (2026)"}).json()["movie_id"] == newest + 3


@pytest.mark.parametrize("path", ["/users/1/ratings/1", "/ratings", "/import/ratings"])
def test_a_rating_in_the_future_is_refused(client: TestClient, path: str) -> None:
    tomorrow = {"stars": 4, "rated_at": int(time.time()) + 3 * 86_400}
    rating = {"user_id": 1, "movie_id": 1, **tomorrow}

    if path == "/users/1/ratings/1":
        answer = client.put(path, json=tomorrow)
    elif path == "/ratings":
        answer = client.post(path, json={"ratings": [rating]})
    else:
        answer = client.post(path, content=json.dumps(rating), headers={"content-type": "application/jsonl"})

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert "in the future" in answer.json()["message"]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        pytest.param("PUT", "/users/1/ratings/1", {}, id="one"),
        pytest.param("POST", "/ratings", {"ratings": [{"user_id": 1, "movie_id": 1}]}, id="many"),
    ],
)
def test_where_ratings_have_stars_one_without_is_refused(
    client: TestClient, method: str, path: str, body: dict[str, object]
) -> None:
    before = client.get("/users/1/ratings").json()

    answer = client.request(method, path, json=body)

    assert (answer.status_code, answer.json()["code"]) == (409, "stars_needed")
    assert client.get("/users/1/ratings").json() == before
