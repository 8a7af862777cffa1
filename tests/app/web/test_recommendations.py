"""Lists on the page: what they show, and what changes them."""

import re

import httpx
import pytest
from browsing import Visit, heading, movies, plain, rated, recommended, settled, titles
from playwright.sync_api import expect


def test_the_page_shows_what_the_api_says_in_its_order(visit: Visit, address: str) -> None:
    page = visit(user=1)
    rows = movies(page, "recommendations")
    expect(rows).to_have_count(10)

    said = recommended(address, 1, explain=True)
    assert titles(rows) == heading(said)
    for row, entry in zip(rows.all(), said, strict=True):
        assert float(row.locator(".rating-number").inner_text()) == pytest.approx(entry["predicted_stars"], abs=0.051)
        assert row.locator(".genres").inner_text() == " · ".join(entry["genres"])
        assert row.locator(".reasons cite").count() == len(entry["reasons"])
    history = rated(address, 1)
    assert titles(movies(page, "ratings")) == heading(history)[:10]
    shown = [float(text) for text in movies(page, "ratings").locator(".rating-number").all_inner_texts()]
    assert shown == [rating["stars"] for rating in history][:10]
    expect(page.locator("#list-basis")).to_have_text(f"From your {len(history)} ratings.")


def test_more_movies_and_earlier_ratings_follow_on_a_click(visit: Visit, address: str) -> None:
    page = visit(user=1)
    page.get_by_role("button", name="More movies").click()
    expect(movies(page, "recommendations")).to_have_count(20)
    page.get_by_role("button", name="Earlier ratings").click()
    expect(movies(page, "ratings")).not_to_have_count(10)

    assert titles(movies(page, "recommendations")) == heading(recommended(address, 1, n=20))
    assert titles(movies(page, "ratings")) == heading(rated(address, 1))[:20]


def test_years_order_and_diversity_are_options_of_the_list(visit: Visit, address: str) -> None:
    page = visit(user=3)
    rows = movies(page, "recommendations")
    expect(rows).to_have_count(10)
    page.get_by_role("radio", name="Predicted stars").check()
    page.get_by_label("Diversity").fill("0.6")
    page.get_by_label("Released from year").fill("1980")
    page.get_by_label("Released until year").fill("1995")
    expect(page.locator("#filter-count")).to_have_text("2")
    expect(page.get_by_role("button", name="Clear filters")).to_be_visible()
    page.wait_for_load_state("networkidle")
    settled(page)

    options: dict[str, str | float] = {"rank_by": "rating", "diversity": 0.6, "year_from": 1980, "year_to": 1995}
    assert titles(rows) == heading(recommended(address, 3, **options))

    page.get_by_label("Released until year").fill("1970")
    expect(page.get_by_text("1980 comes after 1970.")).to_be_visible()
    page.get_by_role("button", name="Clear filters").click()
    expect(rows).to_have_count(10)


def test_a_later_question_stops_the_one_before(visit: Visit, address: str) -> None:
    page = visit(user=1)
    expect(movies(page, "recommendations")).to_have_count(10)
    page.route(re.compile("rank_by=rating"), lambda route: None)  # never answered
    stopped: list[str] = []
    page.on("requestfailed", lambda request: stopped.append(request.url))

    page.get_by_role("radio", name="Predicted stars").check()
    page.get_by_role("radio", name="Relevance").check()

    settled(page)
    assert ["rank_by=rating" in url for url in stopped] == [True]
    assert titles(movies(page, "recommendations")) == heading(recommended(address, 1))


def test_similar_movies_come_on_a_click_and_lead_on(visit: Visit, address: str) -> None:
    page = visit(user=1)
    row = movies(page, "recommendations").first
    movie = recommended(address, 1)[0]
    row.get_by_role("button", name=f"Similar to {plain(movie['title'])}").click()

    dialog = page.get_by_role("dialog", name=plain(movie["title"]))
    rows = movies(page, "similar-movies")
    expect(rows.first).to_be_visible()
    said = httpx.get(f"{address}/movies/{movie['movie_id']}/similar", params={"n": 12}).json()["similar"]
    assert titles(rows) == heading(said)
    expect(rows.first).to_contain_text(f"similarity {said[0]['similarity']:.2f}")

    rows.first.get_by_role("button", name="Similar to").click()
    expect(page.get_by_role("dialog", name=plain(said[0]["title"]))).to_be_visible()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
