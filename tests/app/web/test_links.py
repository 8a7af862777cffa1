"""A movie's pages on other sites, and its picture."""

import re

import httpx
import pytest
from browsing import Visit, movies
from playwright.sync_api import Route, expect

PICTURE = '<svg xmlns="http://www.w3.org/2000/svg" width="2" height="3"><rect width="2" height="3"/></svg>'
HOST = "https://images.example"


@pytest.fixture
def linked(address: str) -> str:
    """The address of a service whose first movie has links."""
    httpx.patch(f"{address}/movies/1", json={"imdb_id": "tt0114709", "tmdb_id": 862}).raise_for_status()
    return address


def test_the_view_of_a_movie_leads_to_its_pages_on_other_sites(visit: Visit, linked: str) -> None:
    page = visit()
    page.goto(f"{linked}/?movie=1&view=movie")

    for site, address in {
        "IMDb": "https://www.imdb.com/title/tt0114709/",
        "TMDB": "https://www.themoviedb.org/movie/862",
    }.items():
        link = page.get_by_role("link", name=site)
        expect(link).to_have_attribute("href", address)
        expect(link).to_have_attribute("rel", re.compile("noopener"))
    page.goto(f"{linked}/?movie=2&view=movie")
    expect(page.locator("#movie-facts")).not_to_be_empty()
    expect(page.locator("#movie-links a")).to_have_count(0)


def test_without_a_source_there_are_no_pictures(visit: Visit, linked: str) -> None:
    policy = httpx.get(linked).headers["content-security-policy"]
    page = visit()
    page.goto(f"{linked}/?movie=1&view=movie")

    expect(page.locator("#movie-title")).not_to_be_empty()
    expect(page.locator(".tile img")).to_have_count(0)
    assert "img-src" not in policy


@pytest.mark.parametrize("image_url", [f"{HOST}/{{tmdb_id}}.svg"])
def test_pictures_come_from_the_one_host_that_the_operator_names(visit: Visit, linked: str, image_url: str) -> None:
    policy = httpx.get(linked).headers["content-security-policy"]
    page = visit()
    asked: list[str] = []

    def answer(route: Route) -> None:
        asked.append(route.request.url)
        route.fulfill(body=PICTURE, content_type="image/svg+xml")

    page.route(f"{HOST}/**", answer)
    page.goto(f"{linked}/?movie=1&view=movie")

    expect(page.locator(".movie-head .tile img")).to_be_visible()
    assert page.locator(".movie-head .tile img").evaluate("image => image.decode().then(() => image.naturalWidth)") == 2
    assert set(asked) == {f"{HOST}/862.svg"}
    assert policy.startswith(f"default-src 'self'; img-src 'self' {HOST}; base-uri 'none'")
    expect(movies(page, "similar-movies").first).to_be_visible()
