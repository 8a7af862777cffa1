"""Lists on the page: what they show, and what changes them."""

import re

import httpx
import pytest
from browsing import (
    Held,
    Visit,
    expect_movies,
    expect_to_stay_without_more,
    move_away,
    movies,
    open_options,
    rated,
    recommended,
    settled,
    star,
)
from playwright.sync_api import expect


def test_the_page_shows_what_the_api_says_in_its_order(visit: Visit, address: str) -> None:
    page = visit(user=1)
    rows = movies(page, "recommendations")
    expect(rows).to_have_count(10)

    said = recommended(address, 1, explain=True)
    expect_movies(rows, said)
    for row, entry in zip(rows.all(), said, strict=True):
        assert float(row.locator(".rating-number").inner_text()) == pytest.approx(entry["predicted_stars"], abs=0.051)
        assert row.locator(".genres").inner_text() == " · ".join(entry["genres"])
        percent, _, _ = row.locator(".likely-text").inner_text().partition("%")
        assert int(percent) == pytest.approx(100 * entry["like_probability"], abs=0.51)
        assert row.locator(".reasons cite").all_inner_texts() == [one["display_title"] for one in entry["reasons"]]
        for reason in entry["reasons"]:
            assert f"{reason['display_title']} {reason['stars']:g}" in row.locator(".reasons").inner_text()
    history = rated(address, 1)
    expect_movies(movies(page, "ratings"), history[:10])
    shown = [float(text) for text in movies(page, "ratings").locator(".rating-number").all_inner_texts()]
    assert shown == [rating["stars"] for rating in history][:10]
    expect(page.locator("#list-basis")).to_have_text(f"From your {len(history)} ratings.")


def test_more_movies_and_earlier_ratings_follow_on_a_click(visit: Visit, address: str) -> None:
    page = visit(user=1)
    page.get_by_role("button", name="More movies").click()
    expect(movies(page, "recommendations")).to_have_count(20)
    page.get_by_role("button", name="Earlier ratings").click()
    expect(movies(page, "ratings")).not_to_have_count(10)

    expect_movies(movies(page, "recommendations"), recommended(address, 1, n=20))
    expect_movies(movies(page, "ratings"), rated(address, 1)[:20])


def test_a_list_of_more_than_the_service_gives_at_once_stays_as_long_after_a_rating(visit: Visit, address: str) -> None:
    for movie in range(1, 36):
        added = {"movie_id": 1000 + movie, "title": f"Added {movie} (1990)", "genres": ["Drama"]}
        httpx.post(f"{address}/movies", json=added, timeout=60).raise_for_status()
    user = httpx.post(f"{address}/users", json={}).json()["user_id"]
    page = visit(user=user)
    rows = movies(page, "recommendations")
    for length in range(10, 110, 10):
        expect(rows).to_have_count(length)
        page.locator("#list [data-more]").click()
    expect(rows).to_have_count(110)

    star(rows.nth(104), "4 stars").click()
    move_away(page)

    expect(movies(page, "ratings")).to_have_count(1)
    settled(page)
    expect(rows).to_have_count(110)
    expect_movies(rows, recommended(address, user, limit=100) + recommended(address, user, limit=10, offset=100))


def test_a_list_stays_when_more_of_it_cannot_be_had(visit: Visit) -> None:
    page = visit(user=1, refused=True)
    rows = movies(page, "recommendations")
    expect(rows).to_have_count(10)

    expect_to_stay_without_more(page, rows, re.compile("recommendations.*offset=10"))


def test_more_of_a_list_that_is_on_its_way_follows_on_that_list(visit: Visit, address: str) -> None:
    page = visit(user=1)
    rows = movies(page, "recommendations")
    expect(rows).to_have_count(10)
    open_options(page)
    held = Held(page, re.compile("recommendations.*rank_by=rating"), times=1)
    page.get_by_role("radio", name="Predicted stars").check()
    expect(page.locator("#list.busy")).to_have_count(1)

    page.get_by_role("button", name="More movies").click()
    held.let_go()

    expect(rows).to_have_count(20)
    expect_movies(rows, recommended(address, 1, n=20, rank_by="rating"))


def test_a_movie_that_comes_when_the_reader_has_gone_back_names_nothing(visit: Visit, address: str) -> None:
    page = visit(user=1)
    first = movies(page, "recommendations").first.locator(".title-text")
    expect(first).to_be_visible()
    name = first.inner_text()
    held = Held(page, re.compile(r"/movies/\d+$"))
    with page.expect_request(re.compile(r"/movies/\d+$")):
        first.click()

    page.go_back()
    expect(page.locator("#list")).to_be_visible()
    held.let_go()
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
    expect_movies(rows, recommended(address, 3, **options))

    page.get_by_label("Released until year").fill("1970")
    expect(page.get_by_text("1980 comes after 1970.")).to_be_visible()
    page.get_by_role("button", name="Clear filters").click()
    expect(rows).to_have_count(10)


def test_of_a_year_that_is_none_the_page_says_what_a_year_is(visit: Visit) -> None:
    page = visit(user=1)
    open_options(page)
    problem, field = page.locator("#year-problem"), page.get_by_label("Released until year")
    expect(problem).to_be_hidden()

    field.press_sequentially("12")
    field.blur()

    expect(problem).to_be_visible()
    field.fill("1999")
    expect(problem).to_be_hidden()


def test_back_takes_a_year_out_of_its_field_too(visit: Visit) -> None:
    page = visit(user=1)
    expect(movies(page, "recommendations")).to_have_count(10)
    open_options(page)
    field = page.get_by_label("Released from year")
    field.fill("1980")
    expect(page).to_have_url(re.compile("year_from=1980"))

    page.go_back()

    expect(page.locator("#filter-count")).to_be_hidden()
    expect(field).to_have_value("")


def test_a_year_that_is_typed_when_the_reader_goes_on_does_not_lead_back(visit: Visit, address: str) -> None:
    page = visit(user=1)
    rows = movies(page, "recommendations")
    expect(rows).to_have_count(10)
    open_options(page)

    page.evaluate("""() => {
        const field = document.querySelector("[name=year_from]");
        field.value = "1980";
        field.dispatchEvent(new Event("input", { bubbles: true }));
        document.querySelector("#recommendations .title-text").click();
    }""")

    expect(page.locator("[name=year_from]")).to_have_value("")  # by now it would have been taken
    expect(page.locator("#movie-title")).to_be_visible()
    expect(page).to_have_url(re.compile(r"movie=\d+$"))


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
    expect_movies(movies(page, "recommendations"), recommended(address, 1))


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
    expect_movies(movies(page, "similar-movies"), said)
    expect(movies(page, "similar-movies").first).to_contain_text(f"{said[0]['similarity']:.2f}")

    movies(page, "similar-movies").first.get_by_role("link").click()
    expect(page.get_by_role("article", name=said[0]["display_title"])).to_be_visible()


def test_a_movie_is_shown_although_similar_ones_are_missing(visit: Visit, address: str) -> None:
    page = visit(refused=True)
    page.route("**/similar?*", lambda route: route.fulfill(status=503, json={"code": "busy", "detail": "Too much."}))
    page.goto(f"{address}/?user=1&movie=1")

    expect(page.locator("#movie")).to_contain_text("Not all of this movie can be shown.")
    expect(page.get_by_role("heading", name="What you would give it")).to_be_visible()
    page.unroute_all()
    page.get_by_role("button", name="Try again").click()
    expect(movies(page, "similar-movies")).to_have_count(12)
    expect(page.get_by_text("can be shown.")).to_have_count(0)


def test_a_reader_of_the_screen_hears_the_movie_that_comes_not_the_one_before(visit: Visit, address: str) -> None:
    page = visit()
    page.goto(f"{address}/?movie=1")
    similar = movies(page, "similar-movies").first.get_by_role("link")
    expect(similar).to_be_visible()
    title = similar.inner_text()
    page.evaluate("""() => document.addEventListener("focusin", ({ target }) => {
        if (target.id === "movie-title") window.heard = target.textContent;
    })""")

    similar.press("Enter")

    expect(page.locator("#movie-title")).to_have_text(title)
    expect(page.locator("#movie-title")).to_be_focused()
    assert page.evaluate("window.heard") == ""
    expect(page.locator("#live")).to_have_text(title)


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


def test_the_figures_of_a_movie_count_a_rating_that_is_given_in_its_view(visit: Visit, address: str) -> None:
    entry = recommended(address, 1)[0]
    for user in range(1, 121):
        httpx.delete(f"{address}/users/{user}/ratings/{entry['movie_id']}")
    page = visit()
    page.goto(f"{address}/?user=1&movie={entry['movie_id']}")
    figures = page.locator("#movie-stats")
    expect(figures).to_have_text("Not rated yet")

    page.locator("#movie-rating").get_by_role("radio", name="3 stars", exact=True).click()

    expect(figures).to_have_text("3.0 stars on average, 1 rating")
    page.get_by_role("button", name="Undo").click()
    expect(figures).to_have_text("Not rated yet")


def test_more_results_are_of_what_is_typed_now(visit: Visit, address: str) -> None:
    page = visit(user=1)
    rows = movies(page, "results")
    page.get_by_role("searchbox").fill("the")
    expect(rows).to_have_count(8)
    held = Held(page, re.compile(r"/movies\?q=distant&"))
    with page.expect_request(re.compile(r"/movies\?q=distant&")):
        page.get_by_role("searchbox").fill("distant")

    page.get_by_role("button", name="More results").click()
    held.let_go()

    expect_movies(rows, httpx.get(f"{address}/movies", params={"q": "distant", "limit": 8}).json()["movies"])


def test_predictions_of_an_older_rating_do_not_replace_newer_ones(visit: Visit, address: str) -> None:
    page = visit(user=1)
    history = {one["movie_id"] for one in rated(address, 1)}
    catalogue = httpx.get(f"{address}/movies", params={"limit": 80}).json()["movies"]
    title = next(one for one in catalogue if one["movie_id"] not in history)["display_title"]
    page.get_by_role("searchbox").fill(title)
    found = movies(page, "results").filter(has_text=title).first
    expect(found.locator(".rating-caption")).to_have_text("predicted")
    held = Held(page, "**/predict", times=1)
    first = movies(page, "ratings").first
    with page.expect_request("**/predict"):
        star(first, "1 star").click()

    with (
        page.expect_event("requestfailed", lambda request: request in [route.request for route in held.routes]),
        page.expect_response("**/predict") as newer,
    ):
        star(first, "5 stars").click()

    stars = newer.value.json()["predictions"][0]["predicted_stars"]
    expect(found.locator(".rating-number")).to_have_text(f"{stars:.1f}")


def test_a_slash_leads_to_the_search_which_forgives_slips(visit: Visit, address: str) -> None:
    page = visit(user=1)
    expect(movies(page, "recommendations")).to_have_count(10)
    movie = httpx.get(f"{address}/movies", params={"limit": 1}).json()["movies"][0]
    longest = max(movie["display_title"].split(), key=len)

    page.keyboard.press("/")
    expect(page.get_by_role("searchbox")).to_be_focused()
    page.keyboard.type(longest[:2] + longest[3:])

    expect(movies(page, "results").filter(has_text=longest).first).to_be_visible()


@pytest.mark.parametrize(
    ("options", "why", "way_out"),
    [
        ("year_from=1700", "The first year must be at least 1800.", "Clear filters"),
        ("genre=Nonsense", "There is no genre 'Nonsense'; there are ", "Clear filters"),
        ("diversity=7", "The diversity must be at most 1.", "Clear options"),
    ],
)
def test_a_list_that_is_refused_says_why_in_the_words_of_the_page_and_leads_out(
    visit: Visit, address: str, options: str, why: str, way_out: str
) -> None:
    page = visit(refused=True)
    page.goto(f"{address}/?user=1&{options}")
    expect(page.locator("#list .message-text")).to_have_text(re.compile(f"^{re.escape(why)}"))

    page.locator("#list .message").get_by_role("button", name=way_out).click()

    expect(movies(page, "recommendations")).to_have_count(10)
    expect(page).to_have_url(f"{address}/?user=1")


def test_a_year_that_there_is_not_is_marked_and_asked_for_nowhere(visit: Visit, address: str) -> None:
    page = visit(user=1)
    expect(movies(page, "recommendations")).to_have_count(10)
    open_options(page)
    before = page.url
    field = page.get_by_role("textbox", name="Released from year")

    field.press_sequentially("1700")
    field.press("Tab")
    page.wait_for_timeout(400)  # longer than a year waits to be asked for

    assert field.evaluate("field => field.matches(':user-invalid')")
    expect(movies(page, "recommendations")).to_have_count(10)
    assert page.url == before
