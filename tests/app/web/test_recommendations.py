"""Lists on the page: what they show, and what changes them."""

import re

import httpx
import pytest
from browsing import Visit, heading, movies, open_options, rated, recommended, settled, titles
from playwright.sync_api import Route, expect


def test_the_page_shows_what_the_api_says_in_its_order(visit: Visit, address: str) -> None:
    page = visit(user=1)
    rows = movies(page, "recommendations")
    expect(rows).to_have_count(10)

    said = recommended(address, 1, explain=True)
    assert titles(rows) == heading(said)
    for row, entry in zip(rows.all(), said, strict=True):
        assert float(row.locator(".rating-number").inner_text()) == pytest.approx(entry["predicted_stars"], abs=0.051)
        assert row.locator(".genres").inner_text() == " · ".join(entry["genres"])
        percent, _, _ = row.locator(".likely-text").inner_text().partition("%")
        assert int(percent) == pytest.approx(100 * entry["like_probability"], abs=0.51)
        assert row.locator(".reasons cite").all_inner_texts() == [one["display_title"] for one in entry["reasons"]]
        for reason in entry["reasons"]:
            assert f"{reason['display_title']} {reason['stars']:g}" in row.locator(".reasons").inner_text()
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


def test_a_list_stays_when_more_of_it_cannot_be_had(visit: Visit) -> None:
    page = visit(user=1, refused=True)
    rows = movies(page, "recommendations")
    expect(rows).to_have_count(10)
    before = titles(rows)
    page.route(re.compile("recommendations.*offset=10"), lambda route: route.abort())

    page.get_by_role("button", name="More movies").click()

    expect(page.get_by_role("status").filter(has_text="The service does not answer.")).to_be_visible()
    assert titles(rows) == before
    page.unroute_all()
    page.get_by_role("button", name="More movies").click()
    expect(rows).to_have_count(20)


def test_a_movie_that_comes_when_the_reader_has_gone_back_names_nothing(visit: Visit, address: str) -> None:
    page = visit(user=1)
    first = movies(page, "recommendations").first.locator(".title-text")
    expect(first).to_be_visible()
    name = first.inner_text()
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route(re.compile(r"/movies/\d+$"), hold)
    with page.expect_request(re.compile(r"/movies/\d+$")):
        first.click()

    page.go_back()
    expect(page.locator("#list")).to_be_visible()
    held[0].continue_()
    expect(page.locator("#movie-title")).to_have_text(name)
    settled(page, "movie")

    expect(page).to_have_title("User 1 · SeqRec")


def test_years_order_and_diversity_are_options_of_the_list(visit: Visit, address: str) -> None:
    page = visit(user=3)
    rows = movies(page, "recommendations")
    expect(rows).to_have_count(10)
    open_options(page)
    page.get_by_role("radio", name="Predicted stars").check()
    page.get_by_label("Diversity").fill("0.6")
    expect(page).to_have_url(re.compile("diversity=0.6"))
    page.get_by_label("Released from year").fill("1980")
    expect(page).to_have_url(re.compile("year_from=1980"))
    page.get_by_label("Released until year").fill("1995")
    expect(page.locator("#filter-count")).to_have_text("4")
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
    open_options(page)
    page.route(re.compile("recommendations.*rank_by=rating"), lambda route: None)  # never answered
    stopped: list[str] = []
    page.on("requestfailed", lambda request: stopped.append(request.url))

    page.get_by_role("radio", name="Predicted stars").check()
    page.get_by_role("radio", name="Relevance").check()

    settled(page)
    assert ["rank_by=rating" in url for url in stopped] == [True]
    assert titles(movies(page, "recommendations")) == heading(recommended(address, 1))


def test_rows_as_they_will_be_stand_where_a_list_is_on_its_way(visit: Visit, address: str) -> None:
    page = visit()
    page.route(re.compile(r"/recommendations\?"), lambda route: None)  # never answered
    page.goto(f"{address}/?user=1")

    expect(page.locator("#user-name")).to_have_text("User 1")
    expect(page.locator("#list .skeleton")).to_be_visible()
    expect(movies(page, "ratings").first).to_be_visible()
    expect(page.locator("#history .skeleton")).to_be_hidden()


def test_a_movie_is_opened_with_its_expected_stars_the_reasons_and_similar_movies(visit: Visit, address: str) -> None:
    page = visit(user=1)
    entry = next(one for one in recommended(address, 1, explain=True) if one["reasons"])
    page.get_by_role("link", name=entry["display_title"], exact=True).first.click()

    view = page.get_by_role("article", name=entry["display_title"])
    expect(view.get_by_text(f"About {round(entry['predicted_stars'], 1):g} stars")).to_be_visible()
    asked = {"user_id": 1, "movie_ids": [entry["movie_id"]]}
    predicted = httpx.post(f"{address}/predict", json=asked).json()["predictions"][0]
    shares = [100 * predicted["probabilities"][level] for level in "54321"]
    shown = [int(text.removesuffix("%")) for text in page.locator("#distribution .level-share").all_inner_texts()]
    assert shown == pytest.approx(shares, abs=0.51)
    for reason in entry["reasons"]:
        expect(page.locator("#reasons")).to_contain_text(f"{reason['display_title']} {reason['stars']:g}")
    said = httpx.get(f"{address}/movies/{entry['movie_id']}/similar", params={"n": 12}).json()["similar"]
    expect(movies(page, "similar-movies")).to_have_count(12)
    assert titles(movies(page, "similar-movies")) == heading(said)
    expect(movies(page, "similar-movies").first).to_contain_text(f"{said[0]['similarity']:.2f}")

    movies(page, "similar-movies").first.get_by_role("link").click()
    expect(page.get_by_role("article", name=said[0]["display_title"])).to_be_visible()


def test_a_movie_is_rated_in_its_own_view(visit: Visit, address: str) -> None:
    page = visit(user=1)
    entry = recommended(address, 1)[0]
    page.goto(f"{address}/?user=1&movie={entry['movie_id']}")

    page.locator("#movie-rating").get_by_role("radio", name="3 stars", exact=True).click()

    expect(page.locator("#movie-rating .rating-caption")).to_have_text("you rated")
    expect(page.get_by_role("status").filter(has_text="3 stars.")).to_be_visible()
    assert rated(address, 1)[0]["movie_id"] == entry["movie_id"]
    page.get_by_role("link", name="To the list").click()
    expect(movies(page, "ratings").first.locator(".title-text")).to_have_text(entry["display_title"])


def test_a_slash_leads_to_the_search_which_forgives_slips(visit: Visit, address: str) -> None:
    page = visit(user=1)
    expect(movies(page, "recommendations")).to_have_count(10)
    movie = httpx.get(f"{address}/movies", params={"limit": 1}).json()["movies"][0]
    longest = max(movie["display_title"].split(), key=len)

    page.keyboard.press("/")
    expect(page.get_by_role("searchbox")).to_be_focused()
    page.keyboard.type(longest[:2] + longest[3:])

    expect(movies(page, "results").filter(has_text=longest).first).to_be_visible()
