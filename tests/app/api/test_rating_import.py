"""What a user has rated on another site, imported over HTTP."""

import io
import json
import zipfile
from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine

from app.edge.limits import Limits
from app.main import create_app
from model.inference.scorer import Scorer


def movie(client: TestClient, movie_id: int) -> dict:
    return client.get(f"/movies/{movie_id}").json()


def table(client: TestClient, *stars: tuple[int, float], extra: str = "") -> str:
    """A file that rates these movies of the catalogue."""
    rows = [f"{movie(client, id_)['display_title']},{movie(client, id_)['year']},{given:g}" for id_, given in stars]
    return "\n".join(["Title,Year,Rating", *rows, extra])


@pytest.fixture
def user(client: TestClient) -> int:
    return client.post("/users", json={}).json()["user_id"]


def rated(client: TestClient, user: int) -> dict[int, float]:
    answer = client.get(f"/users/{user}/ratings", params={"limit": 1000}).json()
    return {rating["movie_id"]: rating["stars"] for rating in answer["ratings"]}


def test_a_preview_writes_nothing_and_the_import_what_the_preview_shows(client: TestClient, user: int) -> None:
    content = table(client, (1, 10), (2, 7), (3, 3), extra="No Such Film,1931,8\n")

    preview = client.post(f"/users/{user}/import", params={"preview": True}, content=content).json()

    assert (preview["source"], preview["best"], preview["written"]) == ("table", 10, 0)
    assert [(entry["movie"]["movie_id"], entry["given"], entry["stars"]) for entry in preview["matched"]] == [
        (1, 10, 5),
        (2, 7, 3.5),
        (3, 3, 1.5),
    ]
    assert [(entry["row"], entry["title"]) for entry in preview["not_found"]] == [(4, "No Such Film")]
    assert rated(client, user) == {}

    imported = client.post(f"/users/{user}/import", content=content).json()
    assert imported == {**preview, "written": 3}
    assert rated(client, user) == {1: 5, 2: 3.5, 3: 1.5}
    assert client.get(f"/users/{user}/recommendations").json()["based_on"] == "history"


def test_what_is_shown_is_on_the_scale_that_is_shown(client: TestClient, user: int) -> None:
    header, first, second = table(client, (1, 4), (2, 4)).splitlines()
    content = f"{header}\n{first}/5\n{second}/10\n"

    answer = client.post(f"/users/{user}/import", content=content).json()

    assert answer["best"] == 10
    assert [(entry["given"], entry["stars"]) for entry in answer["matched"]] == [(8, 4), (4, 2)]


def test_what_the_user_gave_before_is_shown_and_replaced(client: TestClient, user: int) -> None:
    client.put(f"/users/{user}/ratings/1", json={"stars": 2})
    content = table(client, (1, 5), (2, 4))

    answer = client.post(f"/users/{user}/import", content=content).json()

    assert [entry["own_stars"] for entry in answer["matched"]] == [2, None]
    assert rated(client, user) == {1: 5, 2: 4}


def test_ratings_without_a_time_come_in_the_order_of_the_file_and_others_when_they_were_given(
    client: TestClient, user: int
) -> None:
    first, second, third = (movie(client, id_) for id_ in (5, 4, 6))
    content = "Title,Year,Rating,Date\n" + "".join(
        f"{one['display_title']},{one['year']},4,{date}\n"
        for one, date in ((first, ""), (second, ""), (third, "2001-09-09"))
    )

    client.post(f"/users/{user}/import", content=content)

    newest_first = client.get(f"/users/{user}/ratings").json()["ratings"]
    assert [rating["movie_id"] for rating in newest_first] == [4, 5, 6]
    assert newest_first[-1]["rated_at"] == 999_993_600


def test_two_rows_that_mean_one_movie_count_once_and_the_last_one_counts(client: TestClient, user: int) -> None:
    known = movie(client, 1)
    content = table(client, (1, 2), extra=f"{known['display_title'].upper()}!,{known['year']},5\n")

    answer = client.post(f"/users/{user}/import", content=content).json()

    assert (answer["written"], answer["left_out"]["repeated"]) == (1, 1)
    assert rated(client, user) == {1: 5}


def test_movies_are_found_by_the_ids_of_other_sites(client: TestClient, user: int) -> None:
    client.patch("/movies/1", json={"imdb_id": "tt0113277", "tmdb_id": 949})
    content = "const,title,your rating\ntt0113277,Hitze,8\n"

    (entry,) = client.post(f"/users/{user}/import", content=content).json()["matched"]

    assert (entry["movie"]["movie_id"], entry["by"], entry["stars"]) == (1, "imdb_id", 4)


def test_a_movie_that_is_added_is_found_by_the_next_import(client: TestClient, user: int) -> None:
    content = "title,year,rating\nBrand New Film,2026,4\n"
    assert client.post(f"/users/{user}/import", content=content).json()["written"] == 0

    client.patch("/movies/7", json={"title": "Brand New Film (2026)"})

    assert client.post(f"/users/{user}/import", content=content).json()["written"] == 1


def test_doubtful_ratings_are_not_written_and_what_was_chosen_goes_to_the_route_of_ratings(
    client: TestClient, user: int
) -> None:
    client.patch("/movies/1", json={"title": "Solitary Orchard of the North (1970)"})
    content = "title,year,rating\nSolitary Orchard of the North,1972,5\n"

    answer = client.post(f"/users/{user}/import", content=content).json()

    assert answer["written"] == 0
    (doubtful,) = answer["doubtful"]
    assert doubtful["candidates"][0]["movie"]["movie_id"] == 1
    chosen = {"user_id": user, "movie_id": 1, "stars": doubtful["stars"]}
    assert client.post("/ratings", json={"ratings": [chosen]}).json() == {"written": 1}


def test_a_title_with_half_a_character_is_imported_and_answered(client: TestClient, user: int) -> None:
    client.patch("/movies/1", json={"imdb_id": "tt0113277"})
    entry = {"rating": 9, "movie": {"title": "Heat \ud83d", "year": 1995, "ids": {"imdb": "tt0113277"}}}

    answer = client.post(f"/users/{user}/import", content=json.dumps([entry]))

    assert answer.status_code == 200, answer.text
    assert [found["title"] for found in answer.json()["matched"]] == ["Heat ?"]
    assert list(rated(client, user)) == [1]


def test_an_unknown_user_and_a_file_that_is_no_export_are_refused(client: TestClient, user: int) -> None:
    unknown = client.post("/users/9999/import", content="title,rating\nA,1\n")
    picture = client.post(f"/users/{user}/import", content=b"\x89PNG\r\n")

    assert (unknown.status_code, unknown.json()["code"]) == (404, "user_not_found")
    assert (picture.status_code, picture.json()["code"]) == (422, "invalid_request")
    assert picture.json()["details"] == [{"field": "body", "message": "the file is a picture"}]


@pytest.mark.parametrize(
    "compression", [pytest.param(zipfile.ZIP_BZIP2, id="bzip2"), pytest.param(zipfile.ZIP_LZMA, id="LZMA")]
)
def test_an_archive_that_may_unpack_to_more_than_memory_holds_is_refused(
    client: TestClient, user: int, compression: int
) -> None:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", compression) as zipped:
        zipped.writestr("ratings.csv", "title,rating\nA,1\n")

    answer = client.post(f"/users/{user}/import", content=written.getvalue())

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert "unpack it first" in answer.json()["details"][0]["message"]


@pytest.fixture
def narrow(loaded: Engine, scorer: Scorer) -> Iterator[TestClient]:
    with TestClient(create_app(loaded, scorer, limits=Limits(file=1000))) as client:
        yield client


def test_a_file_that_is_too_large_is_refused(narrow: TestClient) -> None:
    answer = narrow.post("/users/1/import", content="title,rating\n" + "A,5\n" * 1000)

    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")
