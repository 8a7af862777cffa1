"""Pages lead to the next one, what was added says where it is, and old names say that they are old."""

from urllib.parse import urljoin

import pytest
from answers import without_list_ids
from fastapi.testclient import TestClient
from sqlalchemy import Engine, text

from model.data.dataset import MovieLens


def walk(client: TestClient, path: str) -> list[dict]:
    """The bodies of all pages from this one on, by their links."""
    pages = []
    while True:
        answer = client.get(path)
        assert answer.status_code == 200, answer.text
        pages.append(answer.json())
        if "next" not in answer.links:
            return pages
        path = urljoin(path, answer.links["next"]["url"])


def test_the_links_of_a_search_lead_through_the_whole_catalogue(client: TestClient) -> None:
    pages = walk(client, "/movies?limit=17")

    assert len(pages) == 5
    assert {movie["movie_id"] for page in pages for movie in page["movies"]} == set(range(1, 81))


def test_a_link_keeps_what_was_asked(client: TestClient) -> None:
    client.post("/movies", json={"title": "Caf\u00e9 & More <1> (2020)", "genres": ["Film-Noir", "A & B"]})
    client.post("/movies", json={"title": "Caf\u00e9 & More <2> (2020)", "genres": ["Film-Noir", "A & B"]})

    pages = walk(client, "/movies?q=caf%C3%A9&genre=A+%26+B&genre=film-noir&limit=1")

    assert [[movie["title"][13] for movie in page["movies"]] for page in pages] in ([["1"], ["2"]], [["2"], ["1"]])


def test_the_links_of_a_search_lead_from_the_title_itself_to_those_that_contain_it(client: TestClient) -> None:
    for title in ("Do the Right Zzing (1989)", "Zzings (1951)", "Zzing, The (1982)"):
        client.post("/movies", json={"title": title, "genres": ["Drama"]})

    pages = walk(client, "/movies?q=the+zzing&limit=1")
    beginnings = walk(client, "/movies?q=zzing&genre=drama&limit=2")

    assert [[movie["title"] for movie in page["movies"]] for page in pages] == [
        ["Zzing, The (1982)"],
        ["Do the Right Zzing (1989)"],
    ]
    assert [[movie["title"] for movie in page["movies"]] for page in beginnings] == [
        ["Zzing, The (1982)", "Zzings (1951)"],
        ["Do the Right Zzing (1989)"],
    ]


def test_the_links_of_a_list_lead_to_its_end(client: TestClient, sample: MovieLens) -> None:
    pages = walk(client, "/users/1/recommendations?limit=20&rank_by=rating")

    listed = [entry["movie_id"] for page in pages for entry in page["recommendations"]]
    rated = set(sample.ratings.filter(sample.ratings["user_id"] == 1)["movie_id"].to_list())
    assert len(listed) == len(set(listed))
    assert set(listed) == set(range(1, 81)) - rated


def test_the_links_of_ratings_lead_to_the_oldest(client: TestClient) -> None:
    pages = walk(client, "/users/1/ratings?limit=7")

    assert sum(len(page["ratings"]) for page in pages) == client.get("/users/1").json()["ratings"]


def test_the_rating_of_one_movie_is_found_among_all(client: TestClient) -> None:
    ratings = client.get("/users/1/ratings?limit=1000").json()["ratings"]

    found = client.get(f"/users/1/ratings?movie_id={ratings[-1]['movie_id']}&limit=1")
    assert (found.json()["ratings"], found.json()["next_cursor"]) == ([ratings[-1]], None)
    unrated = min(set(range(1, 81)) - {rating["movie_id"] for rating in ratings})
    assert client.get(f"/users/1/ratings?movie_id={unrated}").json()["ratings"] == []
    assert client.get("/users/1/ratings?movie_id=unknown").json()["code"] == "movie_not_found"
    assert client.get("/users/987654/ratings?movie_id=1").json()["code"] == "user_not_found"


def test_all_users_are_listed_by_id_with_their_ratings(client: TestClient, loaded: Engine) -> None:
    client.delete("/users/7")
    added = client.post("/users", json={"user_id": 1000, "age": 33}).json()

    pages = walk(client, "/users?limit=50")

    users = [user for page in pages for user in page["users"]]
    assert [user["user_id"] for user in users] == [*range(1, 7), *range(8, 121), 1000]
    assert users[0] == client.get("/users/1").json()
    assert users[-1] == added
    with loaded.connect() as connection:
        assert sum(user["ratings"] for user in users) == connection.scalar(text("SELECT count(*) FROM ratings"))


@pytest.mark.parametrize(("path", "body"), [("/users", {"age": 33}), ("/movies", {"title": "New (2026)"})])
def test_what_was_added_is_where_the_answer_says(client: TestClient, path: str, body: dict) -> None:
    added = client.post(path, json=body)

    assert added.status_code == 201
    found = client.get(added.headers["location"])
    assert (found.status_code, found.json()) == (200, added.json())


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        pytest.param("GET", "/users/1/recommendations", None, id="list"),
        pytest.param("POST", "/recommendations", {"history": [{"movie_id": 1, "stars": 4}]}, id="anonymous"),
        pytest.param("POST", "/recommendations/batch", {"user_ids": [1]}, id="batch"),
        pytest.param("GET", "/movies/popular", None, id="popular"),
        pytest.param("GET", "/movies/1/similar", None, id="similar movies"),
        pytest.param("GET", "/users/1/similar", None, id="similar users"),
    ],
)
def test_the_old_name_of_a_limit_is_read_and_said_to_be_old(
    client: TestClient, method: str, path: str, body: dict | None
) -> None:
    def ask(**size: int) -> tuple[dict, str | None]:
        if body is None:
            answer = client.request(method, path, params=size)
        else:
            answer = client.request(method, path, json={**body, **size})
        return without_list_ids(answer.json()), answer.headers.get("deprecation")

    by_new_name, not_deprecated = ask(limit=3)
    by_old_name, deprecated = ask(n=3)

    assert by_old_name == by_new_name
    assert (not_deprecated, deprecated) == (None, "@1795824000")
    assert ask(n=5, limit=3) == (by_new_name, "@1795824000")
