"""Rating movies on the page."""

import re

import httpx
import pytest
from browsing import (
    PHONE,
    Held,
    Visit,
    expect_movies,
    heading,
    move_away,
    movies,
    plain,
    rated,
    recommended,
    settled,
    star,
    titles,
)
from playwright.sync_api import APIResponse, Route, expect


def test_rating_a_movie_changes_the_list(visit: Visit, address: str) -> None:
    page = visit(user=1)
    rows = movies(page, "recommendations")
    expect(rows).to_have_count(10)
    before = titles(rows)

    star(rows.first, "4.5 stars").click()
    move_away(page)

    expect(movies(page, "ratings").first.locator(".rating-number")).to_have_text("4.5")
    expect(rows.first.locator(".title-text")).not_to_have_text(re.compile(f"^{re.escape(plain(before[0]))}$"))
    settled(page)
    assert titles(movies(page, "ratings"))[0] == before[0]
    assert before[0] not in titles(rows)
    expect_movies(rows, recommended(address, 1))
    newest = rated(address, 1)[0]
    assert (heading([newest])[0], newest["stars"]) == (before[0], 4.5)


def test_a_finger_that_moves_a_little_rates_once(visit: Visit, address: str) -> None:
    page = visit(user=1, viewport=PHONE, has_touch=True, is_mobile=True)
    row = movies(page, "recommendations").first
    expect(row).to_be_visible()
    before = rated(address, 1)
    row.scroll_into_view_if_needed()
    box = star(row, "4 stars").bounding_box()
    assert box is not None
    written: list[str] = []
    page.on("request", lambda request: written.append(request.method) if "/ratings/" in request.url else None)
    page.evaluate("window.clicks = 0; addEventListener('click', () => (window.clicks += 1))")
    finger = page.context.new_cdp_session(page)

    for kind, moved in [("touchStart", 0), ("touchMove", 4), ("touchMove", 7), ("touchMove", 10), ("touchEnd", None)]:
        at = [] if moved is None else [{"x": box["x"] + 6 + moved, "y": box["y"] + box["height"] / 2}]
        finger.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": at})
    page.wait_for_function("window.clicks === 1")  # the browser takes it for a tap, too
    expect(page.get_by_role("status").filter(has_text="4 stars.")).to_be_visible()
    with page.expect_response(lambda answer: answer.request.method == "DELETE"):
        page.get_by_role("button", name="Undo").click()

    assert written == ["PUT", "DELETE"]
    assert rated(address, 1) == before


def test_clicks_on_one_spot_rate_one_movie(visit: Visit, address: str) -> None:
    page = visit(user=1)
    rows = movies(page, "recommendations")
    expect(rows).to_have_count(10)
    before, first = len(rated(address, 1)), titles(rows)[0]
    box = star(rows.first, "4 stars").bounding_box()
    assert box is not None
    spot = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2

    for _ in range(3):  # the list for the new rating comes in between
        page.mouse.click(*spot)
        page.wait_for_timeout(300)
    page.mouse.click(*spot)
    expect(page.get_by_role("status").filter(has_text="4 stars.")).to_be_visible()
    page.mouse.move(spot[0] + 1, spot[1])  # a pointer that moves holds the list up anew

    assert titles(rows)[0] == first  # the row stays under the pointer
    expect(rows.first.locator(".rating-caption")).to_have_text("you rated")
    assert len(rated(address, 1)) == before + 1
    move_away(page)
    expect(rows.locator(".title-text").get_by_text(plain(first), exact=True)).to_have_count(0)


def test_a_pointer_that_stays_still_does_not_hold_the_list_up(visit: Visit) -> None:
    page = visit(user=1)
    rows = movies(page, "recommendations")
    expect(rows).to_have_count(10)
    first = titles(rows)[0]

    star(rows.first, "4 stars").click()

    expect(rows.locator(".title-text").get_by_text(plain(first), exact=True)).to_have_count(0)


def test_a_click_on_a_row_that_has_just_moved_under_the_pointer_rates_nothing(visit: Visit, address: str) -> None:
    page = visit(user=1)
    rows = movies(page, "ratings")
    expect(rows).to_have_count(10)
    before = rated(address, 1)
    script = """([row, moved]) => new Promise((done) => {
        const list = document.getElementById("ratings");
        new MutationObserver(() => { list.children[row].querySelectorAll("[role=radio]")[1].click(); done(); })
            .observe(list, { childList: true });
        list.children[moved].querySelector("[data-act]").click();
    })"""

    page.evaluate(script, [0, 0])  # the first is deleted, and what takes its place is clicked at once

    page.wait_for_timeout(300)
    assert [one["stars"] for one in rated(address, 1)] == [one["stars"] for one in before[1:]]


def test_undo_leads_back_from_a_double_click_to_what_was_before(visit: Visit, address: str) -> None:
    page = visit(user=1)
    first = movies(page, "recommendations").first
    expect(first).to_be_visible()
    before = rated(address, 1)
    writes: list[str] = []
    page.on("request", lambda request: writes.append(request.method) if "/ratings/" in request.url else None)

    star(first, "5 stars").dblclick()
    expect(page.get_by_role("status").filter(has_text="5 stars.")).to_be_visible()
    page.wait_for_timeout(300)  # the second click would have been written by now
    page.get_by_role("button", name="Undo").click()

    expect(page.get_by_role("status").filter(has_text="rating deleted.")).to_be_visible()
    assert writes == ["PUT", "DELETE"]
    assert rated(address, 1) == before


def test_stars_that_are_there_are_not_given_again(visit: Visit, address: str) -> None:
    page = visit(user=2)
    third = movies(page, "ratings").nth(2)
    expect(third).to_be_visible()
    stars = rated(address, 2)[2]["stars"]
    writes: list[str] = []
    page.on("request", lambda request: writes.append(request.method) if "/ratings/" in request.url else None)
    given = star(third, f"{stars:g} star{'' if stars == 1 else 's'}")

    given.click()
    given.press("Enter")
    given.press(" ")

    page.wait_for_timeout(300)
    assert writes == []


def test_a_rating_can_be_changed_taken_back_and_deleted(visit: Visit, address: str) -> None:
    page = visit(user=2)
    first = movies(page, "ratings").first
    expect(first).to_be_visible()
    old = rated(address, 2)
    title, stars = old[0]["title"], old[0]["stars"]
    other = "1 star" if stars != 1 else "2 stars"

    star(first, other).click()
    expect(page.get_by_role("status").filter(has_text=other)).to_be_visible()
    assert {rating["title"]: rating["stars"] for rating in rated(address, 2)}[title] == float(other[0])

    page.get_by_role("button", name="Undo").click()
    expect(first.locator(".rating-number")).to_have_text(f"{stars:.1f}")

    page.get_by_role("button", name=f"Delete the rating of {old[0]['display_title']}").click()
    expect(page.locator("#history-count")).to_have_text(f"{len(old) - 1} ratings")
    assert title not in [rating["title"] for rating in rated(address, 2)]
    assert heading(old)[0] not in titles(movies(page, "ratings"))


def test_a_deleted_rating_that_is_taken_back_has_its_place_in_time_again(visit: Visit, address: str) -> None:
    page = visit(user=2)
    rows = movies(page, "ratings")
    expect(rows).to_have_count(10)
    before, third = rated(address, 2), titles(rows)[2]

    page.get_by_role("button", name=f"Delete the rating of {plain(third)}").click()
    expect(rows.nth(2).locator(".title-text")).not_to_have_text(plain(third))
    page.get_by_role("button", name="Undo").click()

    expect(rows.nth(2).locator(".title-text")).to_have_text(plain(third))
    assert rated(address, 2) == before


def test_a_rating_that_is_not_among_the_loaded_ones_has_its_place_in_time_again_too(visit: Visit, address: str) -> None:
    page = visit(user=2)
    expect(movies(page, "ratings")).to_have_count(10)
    before = rated(address, 2)
    title = next(one for one in before[10:] if one["stars"] != 5)["display_title"]
    page.get_by_role("searchbox").fill(title)
    found = movies(page, "results").filter(has_text=title).first

    star(found, "5 stars").click()
    said = page.get_by_role("status")
    expect(said.filter(has_text=f"{title}: 5 stars.")).to_be_visible()
    page.get_by_role("button", name="Undo").click()

    expect(said.filter(has_text=f"{title}: 5 stars.")).to_have_count(0)
    expect(said.filter(has_text=f"{title}: ")).to_be_visible()
    assert rated(address, 2) == before


def test_undo_brings_back_stars_of_which_no_prediction_told(visit: Visit, address: str) -> None:
    page = visit(user=2, refused=True)
    expect(movies(page, "ratings")).to_have_count(10)
    page.route("**/predict", lambda route: route.fulfill(status=503, json={"code": "busy", "detail": "Too much."}))
    before = rated(address, 2)
    title = next(one for one in before[10:] if one["stars"] != 5)["display_title"]
    page.get_by_role("searchbox").fill(title)
    found = movies(page, "results").filter(has_text=title).first
    expect(found.locator(".rating-caption")).to_have_text("not rated")

    star(found, "5 stars").click()
    page.get_by_role("button", name="Undo").click()

    expect(page.get_by_role("button", name="Undo")).to_have_count(0)
    expect(found.locator(".rating-caption")).to_have_text("you rated")
    expect(page.get_by_role("status").filter(has_text=f"{title}: ")).to_be_visible()
    assert rated(address, 2) == before


def test_undo_brings_back_a_rating_that_another_tab_gave_a_movie_of_the_list(visit: Visit, address: str) -> None:
    page = visit(user=2)
    rows = movies(page, "recommendations")
    expect(rows).to_have_count(10)
    movie = recommended(address, 2)[0]
    httpx.put(f"{address}/users/2/ratings/{movie['movie_id']}", json={"stars": 2}).raise_for_status()
    before = rated(address, 2)

    star(rows.first, "5 stars").click()
    page.get_by_role("button", name="Undo").click()

    said = page.get_by_role("status")
    expect(said.filter(has_text=f"{movie['display_title']}: 2 stars.")).to_be_visible()
    assert rated(address, 2) == before


def test_what_another_tab_rated_is_there_when_this_one_is_seen_again(visit: Visit, address: str) -> None:
    page = visit(user=2)
    expect(movies(page, "recommendations")).to_have_count(10)
    history = movies(page, "ratings")
    expect(history).to_have_count(10)
    deleted, kept = rated(address, 2)[:2]
    movie = recommended(address, 2)[0]
    focused = history.filter(has_text=kept["display_title"]).first.locator("[role=radio][tabindex='0']")
    focused.focus()
    at = page.evaluate("scrollY")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))

    seen_again = "document.dispatchEvent(new Event('visibilitychange'))"
    page.evaluate(seen_again)
    page.wait_for_load_state("networkidle")
    assert [url for url in asked if "recommendations" in url] == []  # nothing has changed

    httpx.put(f"{address}/users/2/ratings/{movie['movie_id']}", json={"stars": 2}).raise_for_status()
    httpx.delete(f"{address}/users/2/ratings/{deleted['movie_id']}").raise_for_status()
    page.evaluate(seen_again)

    expect(history.first).to_contain_text(movie["display_title"])
    expect(history.filter(has_text=deleted["display_title"])).to_have_count(0)
    expect(focused).to_be_focused()
    settled(page)
    expect_movies(movies(page, "recommendations"), recommended(address, 2))
    assert page.evaluate("scrollY") == at


def test_a_rating_that_newer_ones_of_another_tab_push_off_the_page_is_still_known(visit: Visit, address: str) -> None:
    page = visit(user=2)
    history = movies(page, "ratings")
    expect(history).to_have_count(10)
    last = rated(address, 2)[9]
    movie = recommended(address, 2)[0]
    page.get_by_role("searchbox").fill(last["display_title"])
    caption = page.locator(f"#results [data-movie='{last['movie_id']}'] .rating-caption")
    expect(caption).to_have_text("you rated")

    httpx.put(f"{address}/users/2/ratings/{movie['movie_id']}", json={"stars": 2}).raise_for_status()
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")

    expect(history.first).to_contain_text(movie["display_title"])
    expect(page.locator(f"#ratings [data-movie='{last['movie_id']}']")).to_have_count(0)
    settled(page)
    expect(caption).to_have_text("you rated")


def test_a_movie_is_called_not_rated_only_when_that_is_known(visit: Visit, address: str) -> None:
    movie = rated(address, 2)[-1]
    page = visit(user=2)
    expect(movies(page, "ratings")).to_have_count(10)
    predictions = Held(page, "**/predict")
    page.goto(f"{address}/?user=2&movie={movie['movie_id']}")
    caption = page.locator("#movie-rating .rating-caption")
    expect(caption).to_have_count(1)

    expect(caption).to_have_text("")
    predictions.let_go()

    expect(caption).to_have_text("you rated")


@pytest.mark.parametrize("width", [1280, 900, 390])
def test_a_word_on_what_was_done_covers_neither_the_bar_nor_what_ends_the_page(visit: Visit, width: int) -> None:
    page = visit(user=1, viewport={"width": width, "height": 800})
    first = movies(page, "recommendations").first
    expect(first).to_be_visible()
    star(first, "3 stars").click()
    move_away(page)
    expect(page.locator(".toast-box")).to_be_visible()
    settled(page)
    covered = """() => {
        const box = document.querySelector(".toast-box").getBoundingClientRect();
        const lies = ({ left, right, top, bottom }) =>
            left < box.right && right > box.left && top < box.bottom && bottom > box.top;
        return [...document.querySelectorAll("a, button, input, .bar, .tabs")]
            .filter((element) => !element.closest(".toast") && lies(element.getBoundingClientRect()))
            .map((element) => element.outerHTML);
    }"""

    page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")

    assert page.evaluate(covered) == []


def test_a_word_on_what_was_done_can_be_closed(visit: Visit) -> None:
    page = visit(user=1)
    first = movies(page, "recommendations").first
    expect(first).to_be_visible()
    star(first, "3 stars").click()

    page.get_by_role("button", name="Close", exact=True).click()

    expect(page.locator(".toast-box")).to_have_count(0)


def test_a_word_that_has_just_come_lets_the_second_of_two_clicks_pass(visit: Visit) -> None:
    page = visit(user=1)
    first = movies(page, "recommendations").first
    expect(first).to_be_visible()
    page.evaluate("""() => new MutationObserver(() => {
        const button = document.querySelector("#toast button");
        if (!button || "hit" in window) return;
        const { left, top } = button.getBoundingClientRect();
        window.hit = document.elementFromPoint(left + 9, top + 9).closest("#toast") !== null;
    }).observe(document.getElementById("toast"), { childList: true })""")

    star(first, "3 stars").click()
    page.get_by_role("button", name="Undo").click()

    assert page.evaluate("window.hit") is False


def test_a_movie_is_rated_with_the_keyboard_alone(visit: Visit, address: str) -> None:
    page = visit(user=1)
    rows = movies(page, "recommendations")
    expect(rows).to_have_count(10)
    first = titles(rows)[0]
    in_list = "document.activeElement.closest('#recommendations [role=radiogroup]') !== null"

    for _ in range(20):
        page.keyboard.press("Tab")
        if page.evaluate(in_list):
            break
    page.keyboard.press("2")
    page.keyboard.press("ArrowRight")
    assert heading(rated(address, 1))[0] != first  # moving about gives no stars
    expect(rows.first.locator(".rating-number")).to_have_text("2.5")
    page.keyboard.press("Enter")

    expect(movies(page, "ratings").first.locator(".title-text")).to_have_text(plain(first))
    newest = rated(address, 1)[0]
    assert (heading([newest])[0], newest["stars"]) == (first, 2.5)
    expect(rows.locator(".title-text").get_by_text(plain(first), exact=True)).to_have_count(0)
    assert page.evaluate(in_list)  # the focus has not fallen off the page with the row


@pytest.mark.parametrize("pressed", ["Control+z", "Meta+z"])
def test_a_rating_is_taken_back_with_the_keyboard_from_where_it_was_given(
    visit: Visit, address: str, pressed: str
) -> None:
    page = visit(user=1)
    first = movies(page, "ratings").first
    expect(first).to_be_visible()
    before = rated(address, 1)
    first.locator("[role=radio][tabindex='0']").focus()
    page.keyboard.press("Home")
    page.keyboard.press("Enter")
    undo = page.get_by_role("button", name="Undo")
    expect(undo).to_have_attribute("aria-keyshortcuts", "Control+Z Meta+Z")
    expect(undo).to_have_attribute("title", "Ctrl+Z or ⌘Z")

    page.keyboard.press(pressed)

    expect(undo).to_have_count(0)
    expect(page.get_by_role("status").filter(has_text=f": {before[0]['stars']:g} star")).to_be_visible()
    assert rated(address, 1) == before
    expect(first.locator("[role=radio]:focus")).to_have_count(1)


def test_the_keys_of_undo_are_those_of_the_text_where_text_is_typed(visit: Visit) -> None:
    page = visit(user=1)
    first = movies(page, "ratings").first
    expect(first).to_be_visible()
    star(first, "0.5 stars").click()
    undo = page.get_by_role("button", name="Undo")
    expect(undo).to_be_visible()
    page.get_by_role("searchbox").press_sequentially("abc")

    page.keyboard.press("Control+z")

    expect(page.get_by_role("searchbox")).not_to_have_value("abc")
    expect(undo).to_be_visible()


def test_escape_takes_back_stars_that_were_only_looked_at(visit: Visit, address: str) -> None:
    page = visit(user=1)
    first = movies(page, "recommendations").first
    number, caption = first.locator(".rating-number"), first.locator(".rating-caption")
    expect(caption).to_have_text("predicted")
    predicted = number.inner_text()
    page.keyboard.press("Tab")  # the keyboard is in use, so that the focus is shown
    first.locator("[role=radio][tabindex='0']").focus()
    page.keyboard.press("End")
    expect(caption).to_have_text("your rating?")
    expect(number).to_have_text("5.0")

    page.keyboard.press("Escape")

    expect(caption).to_have_text("predicted")
    expect(number).to_have_text(predicted)
    expect(first.locator("[role=radio][tabindex='0']")).to_be_focused()


def test_a_rating_that_was_not_written_is_not_shown(visit: Visit, address: str) -> None:
    page = visit(user=1, refused=True)
    first = movies(page, "ratings").first
    expect(first).to_be_visible()
    stars = rated(address, 1)[0]["stars"]
    page.route("**/ratings/*", lambda route: route.abort())

    star(first, "0.5 stars").click()

    expect(page.get_by_role("status").filter(has_text="The service does not answer.")).to_be_visible()
    expect(first.locator(".rating-number")).to_have_text(f"{stars:.1f}")


def test_stars_that_follow_on_stars_that_were_not_written_are_shown_and_undo_leads_to_those_before(
    visit: Visit, address: str
) -> None:
    page = visit(user=1, refused=True)
    row = movies(page, "ratings").first
    expect(row).to_be_visible()
    before = rated(address, 1)
    title, stars = before[0]["display_title"], before[0]["stars"]

    def refuse_half_a_star(route: Route) -> None:
        if route.request.post_data_json == {"stars": 0.5, "rated_at": None}:
            route.fulfill(status=503, json={"code": "busy", "detail": "Too many requests at once."})
        else:
            route.continue_()

    page.route("**/ratings/*", refuse_half_a_star)
    row.evaluate("row => { for (const at of [0, 1]) row.querySelectorAll('[role=radio]')[at].click(); }")

    said = page.get_by_role("status")
    expect(said.filter(has_text=f"{title}: 1 star.")).to_be_visible()
    expect(row.locator(".rating-number")).to_have_text("1.0")
    assert rated(address, 1)[0]["stars"] == 1
    page.get_by_role("button", name="Undo").click()
    expect(said.filter(has_text=f"{title}: {stars:g} star")).to_be_visible()
    assert rated(address, 1) == before


def test_ratings_that_were_asked_for_before_one_was_written_are_asked_for_again(visit: Visit, address: str) -> None:
    page = visit()
    old: list[tuple[Route, APIResponse]] = []
    page.route("**/users/1/ratings?*", lambda route: old.append((route, route.fetch())), times=1)
    page.goto(f"{address}/?user=1")
    first = movies(page, "recommendations").first
    expect(first).to_be_visible()
    title = first.locator(".title-text").inner_text()

    star(first, "5 stars").click()
    move_away(page)
    expect(page.get_by_role("status").filter(has_text=f"{title}: 5 stars.")).to_be_visible()
    for route, answer in old:
        route.fulfill(response=answer)

    expect(page.locator("#history.busy")).to_have_count(0)
    expect(movies(page, "ratings").first.locator(".title-text")).to_have_text(title)


def test_stars_that_were_read_before_a_rating_and_come_after_it_are_not_shown(visit: Visit, address: str) -> None:
    page = visit(user=2)
    movie = next(one for one in rated(address, 2) if one["stars"] != 5)
    page.get_by_role("searchbox").fill(movie["display_title"])
    found = movies(page, "results").filter(has_text=movie["display_title"]).first
    expect(found.locator(".rating-caption")).to_have_text("you rated")
    held = Held(page, "**/predict", times=1)
    with page.expect_request("**/predict") as asked:
        star(movies(page, "recommendations").first, "3 stars").click()
    old = httpx.post(f"{address}/predict", json=asked.value.post_data_json).json()

    star(found, "5 stars").click()
    move_away(page)
    expect(page.get_by_role("status").filter(has_text=f"{movie['display_title']}: 5 stars.")).to_be_visible()
    held.routes[0].fulfill(json=old)
    page.wait_for_timeout(300)

    expect(found.locator(".rating-number")).to_have_text("5.0")


def test_of_two_counts_of_the_ratings_the_later_stands(visit: Visit, address: str) -> None:
    page = visit(user=2)
    rows = movies(page, "ratings")
    expect(rows).to_have_count(10)
    count = len(rated(address, 2))
    old: list[tuple[Route, APIResponse]] = []
    page.route("**/users/2", lambda route: old.append((route, route.fetch())), times=1)
    titles_of_two = [plain(title) for title in titles(rows)[:2]]
    for title in titles_of_two:
        page.get_by_role("button", name=f"Delete the rating of {title}", exact=True).click()
        expect(page.get_by_role("status").filter(has_text=f"{title}: rating deleted.")).to_be_visible()
        page.wait_for_timeout(700)  # a click that comes sooner after the rows have moved was meant for another one
    expect(page.locator("#history-count")).to_have_text(f"{count - 2} ratings")

    for route, answer in old:
        route.fulfill(response=answer)
    page.wait_for_timeout(300)

    expect(page.locator("#history-count")).to_have_text(f"{count - 2} ratings")


def test_a_rating_of_now_is_of_just_now_by_a_clock_that_is_wrong_too(visit: Visit, address: str) -> None:
    page = visit()
    page.add_init_script("const now = Date.now; Date.now = () => now() + 2 * 24 * 3600 * 1000")
    page.goto(f"{address}/?user=1")
    first = movies(page, "ratings").first
    expect(first).to_be_visible()

    star(first, "0.5 stars").click()

    expect(first.locator(".when")).to_have_text("just now")


def test_a_rating_that_gets_no_answer_is_given_up_and_the_next_is_written(visit: Visit, address: str) -> None:
    page = visit(user=1)
    rows = movies(page, "recommendations")
    expect(rows).to_have_count(10)
    first, second = titles(rows)[:2]
    page.evaluate("const { timeout } = AbortSignal; AbortSignal.timeout = (ms) => timeout.call(AbortSignal, ms / 10);")
    unanswered = Held(page, "**/users/1/ratings/*", times=1)

    star(rows.filter(has_text=plain(first)), "4 stars").click()
    star(rows.filter(has_text=plain(second)), "5 stars").click()

    expect(movies(page, "ratings").first.locator(".title-text")).to_have_text(plain(second), timeout=20_000)
    assert len(unanswered.routes) == 1
    assert heading(rated(address, 1)[:1]) == [second]
    assert first not in titles(movies(page, "ratings"))
