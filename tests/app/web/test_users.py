"""One user after another in the same tab: nothing of the one before reaches the next."""

import re

import httpx
import pytest
from browsing import Held, Visit, movies, rated, star
from playwright.sync_api import Page, expect

EXPORT = "title,year,rating\nNo Such Film,1931,4\n"


def open_user(page: Page, user: int) -> None:
    page.locator("#account-button").click()
    page.locator("#bar-user").fill(str(user))
    page.locator("#bar-user").press("Enter")
    expect(page.locator("#user-name")).to_have_text(f"User {user}")
    expect(movies(page, "recommendations")).to_have_count(10)


def test_a_file_that_one_user_brought_is_not_shown_to_the_next(visit: Visit, address: str) -> None:
    page = visit(user=1)
    expect(movies(page, "recommendations")).to_have_count(10)
    held = Held(page, "**/import?*")
    page.locator("#taste-file").set_input_files({"name": "mine.csv", "mimeType": "", "buffer": EXPORT.encode()})
    expect(page.locator("#taste.busy")).to_have_count(1)

    open_user(page, 2)
    held.let_go()

    expect(page.locator("#taste.busy")).to_have_count(0)
    page.wait_for_timeout(300)  # an answer that came would be shown by now
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_stars_of_one_user_that_come_late_are_not_taken_for_the_next_ones(visit: Visit, address: str) -> None:
    page = visit(user=1)
    own = rated(address, 1)
    theirs = {rating["movie_id"] for rating in rated(address, 2)}
    movie = next(one for one in own if one["movie_id"] not in theirs)
    page.goto(f"{address}/?user=1&movie={movie['movie_id']}")
    expect(page.locator("#similar-movies > .movie").first).to_be_visible()
    held = Held(page, "**/predict")
    page.reload()
    expect(page.locator("#movie-rating .stars")).to_be_visible()

    open_user(page, 2)
    held.let_go()
    page.wait_for_timeout(300)
    page.get_by_role("searchbox").fill(movie["display_title"])
    found = movies(page, "results").filter(has_text=movie["display_title"]).first

    expect(found.locator(".rating-caption")).to_have_text("predicted")


def test_undo_is_gone_with_the_user_who_could(visit: Visit, address: str) -> None:
    page = visit()
    page.add_init_script("const later = setTimeout; setTimeout = (run, wait) => (wait < 5000 ? later(run, wait) : 0)")
    page.goto(f"{address}/?user=1")  # where a word on what was done stays for ever
    first = movies(page, "ratings").first
    expect(first).to_be_visible()
    star(first, "0.5 stars").click()
    expect(page.get_by_role("button", name="Undo")).to_be_visible()

    open_user(page, 2)

    expect(page.get_by_role("button", name="Undo")).to_have_count(0)


def test_a_question_to_one_user_is_not_put_to_the_next(visit: Visit, address: str) -> None:
    page = visit(user=1)
    open_user(page, 2)
    page.locator("#account-button").click()
    page.get_by_role("button", name="Delete the account").click()
    expect(page.get_by_text("User 2 is deleted with all ratings.")).to_be_visible()

    page.go_back()

    expect(page.locator("#user-name")).to_have_text("User 1")
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.get_by_role("button", name="Change", exact=True).click()
    expect(page.get_by_role("dialog")).to_be_visible()
    page.go_forward()
    expect(page.locator("#user-name")).to_have_text("User 2")
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_a_profile_that_is_saved_late_does_not_bring_its_user_back(visit: Visit, address: str) -> None:
    page = visit(user=1)
    open_user(page, 2)
    held = Held(page, "**/users/2")
    page.get_by_role("button", name="Change", exact=True).click()
    page.get_by_role("spinbutton", name="Age").fill("41")
    page.get_by_role("button", name="Save").click()

    page.go_back()
    expect(page.locator("#user-name")).to_have_text("User 1")
    with page.expect_response("**/users/2"):
        held.let_go()
    page.wait_for_timeout(300)

    expect(page.locator("#account-button")).to_have_text("User 1")
    assert httpx.get(f"{address}/users/2").json()["age"] == 41


@pytest.mark.parametrize("dialog", ["profile", "confirm-leave"])
def test_what_fails_after_its_dialog_was_closed_is_told(visit: Visit, dialog: str) -> None:
    page = visit(user=2, refused=True)
    expect(movies(page, "recommendations")).to_have_count(10)
    held = Held(page, "**/users/2")
    page.locator("#account-button").click()
    page.locator("#leave" if dialog == "confirm-leave" else "#account [data-profile]").click()
    with page.expect_request("**/users/2"):
        page.locator(f"#{dialog} [type=submit]").click()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    held.routes[0].abort()

    expect(page.get_by_role("status").filter(has_text="The service does not answer.")).to_be_visible()


def test_a_user_who_comes_when_the_reader_has_gone_back_is_not_opened(visit: Visit) -> None:
    page = visit(user=1)
    expect(movies(page, "recommendations")).to_have_count(10)
    page.get_by_role("link", name="Model", exact=True).click()
    held = Held(page, "**/users/2")
    page.locator("#account-button").click()
    page.locator("#bar-user").fill("2")
    with page.expect_request("**/users/2"):
        page.locator("#bar-user").press("Enter")

    page.go_back()
    expect(page.get_by_role("heading", name="Model card")).to_be_visible()
    held.let_go()
    page.wait_for_timeout(300)

    expect(page.get_by_role("heading", name="Model card")).to_be_visible()
    expect(page.locator("#account-button")).to_have_text("User 1")
    expect(page).to_have_url(re.compile("view=model"))


def test_what_is_typed_stays_when_a_rating_is_counted(visit: Visit) -> None:
    page = visit(user=1)
    first = movies(page, "ratings").first
    expect(first).to_be_visible()
    held = Held(page, "**/users/1")
    with page.expect_request("**/users/1"):
        star(first, "0.5 stars").click()
    page.locator("#account-button").click()
    page.locator("#bar-user").fill("27")

    with page.expect_response("**/users/1"):
        held.let_go()
    page.wait_for_timeout(300)

    expect(page.locator("#bar-user")).to_have_value("27")
