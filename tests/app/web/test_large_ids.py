"""Ids beyond 2^53, which JavaScript's numbers round: those of two users here are one and the same number to it."""

import re

import httpx
import pytest
from browsing import Visit, expect_movies, move_away, movies, rated, recommended, star
from playwright.sync_api import expect

FIRST, SECOND = 2**62 + 1, 2**62 + 2
MOVIE = 2**62 + 3


@pytest.fixture
def large_ids(address: str) -> str:
    """The address of the service with these two users and this movie, which the second of them has rated."""
    for user in (FIRST, SECOND):
        assert httpx.post(f"{address}/users", json={"user_id": user, "age": 25}).status_code == 201
    movie = {"movie_id": MOVIE, "title": "Large Numbers (2026)", "genres": ["Drama"]}
    assert httpx.post(f"{address}/movies", json=movie, timeout=60).status_code == 201
    for movie_id in (MOVIE, 1, 2):
        assert httpx.put(f"{address}/users/{SECOND}/ratings/{movie_id}", json={"stars": 4}).status_code == 200
    return address


def test_the_page_rates_for_exactly_the_user_that_it_shows(visit: Visit, large_ids: str) -> None:
    page = visit(user=SECOND)
    page.reload()
    rows = movies(page, "recommendations")
    expect(rows).to_have_count(10)
    expect(page).to_have_url(re.compile(f"user={SECOND}$"))
    expect(movies(page, "ratings")).to_have_count(3)

    best = recommended(large_ids, SECOND)[0]
    with page.expect_response(lambda answer: answer.request.method == "PUT"):
        star(rows.first, "4.5 stars").click()
    move_away(page)

    newest = rated(large_ids, SECOND)[0]
    assert (newest["movie_id"], newest["stars"]) == (best["movie_id"], 4.5)
    assert rated(large_ids, FIRST) == []


def test_the_page_opens_and_rates_exactly_the_movie_that_was_chosen(visit: Visit, large_ids: str) -> None:
    page = visit(user=FIRST)
    page.goto(f"{large_ids}/?user={FIRST}&movie={MOVIE}")
    expect(page.get_by_role("heading", name="Large Numbers")).to_be_visible()

    with page.expect_response(lambda answer: answer.request.method == "PUT"):
        star(page.locator("#movie-rating"), "3 stars").click()

    assert [(one["movie_id"], one["stars"]) for one in rated(large_ids, FIRST)] == [(MOVIE, 3)]


def test_people_with_such_ids_watch_together(visit: Visit, large_ids: str) -> None:
    page = visit()
    page.goto(f"{large_ids}/?view=together&member={FIRST}&member={SECOND}")
    rows = movies(page, "group-movies")
    expect(rows).to_have_count(10)
    body = {"members": [{"user_id": FIRST}, {"user_id": SECOND}]}
    listed = httpx.post(f"{large_ids}/groups/recommendations", json=body).json()["recommendations"]
    expect_movies(rows, listed)
