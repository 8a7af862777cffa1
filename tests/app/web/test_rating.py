"""Rating movies on the page."""

import re

from browsing import Visit, heading, move_away, movies, plain, rated, recommended, settled, star, titles
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
    assert titles(rows) == heading(recommended(address, 1))
    newest = rated(address, 1)[0]
    assert (heading([newest])[0], newest["stars"]) == (before[0], 4.5)


def test_clicks_on_one_spot_rate_one_movie(visit: Visit, address: str) -> None:
    page = visit(user=1)
    rows = movies(page, "recommendations")
    expect(rows).to_have_count(10)
    before, first = len(rated(address, 1)), titles(rows)[0]
    box = star(rows.first, "4 stars").bounding_box()
    assert box is not None
    spot = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2

    for _ in range(4):  # the list for the new rating comes in between
        page.mouse.click(*spot)
        page.wait_for_timeout(300)

    assert len(rated(address, 1)) == before + 1
    assert titles(rows)[0] == first  # the row stays under the pointer
    expect(rows.first.locator(".rating-caption")).to_have_text("you rated")
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


def test_a_word_on_what_was_done_covers_no_row(visit: Visit) -> None:
    page = visit(user=1)
    rows = movies(page, "recommendations")
    expect(rows).to_have_count(10)
    rows.nth(6).scroll_into_view_if_needed()

    star(rows.nth(6), "3 stars").click()

    toast = page.locator(".toast-box")
    expect(toast).to_be_visible()
    box = toast.bounding_box()
    assert box is not None
    covered = """([x, y, width, height]) => [...document.querySelectorAll(".movie")].filter((row) => {
        const top = document.querySelector(".bar").getBoundingClientRect().bottom; // rows pass under the bar
        return row.getBoundingClientRect().bottom > top && y + height > Math.max(row.getBoundingClientRect().top, top);
    }).filter((row) => row.getBoundingClientRect().top < y + height).length"""
    assert page.evaluate(covered, [box["x"], box["y"], box["width"], box["height"]]) == 0


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
