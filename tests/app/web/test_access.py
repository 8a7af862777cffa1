"""Who the page is for, and what it says when the service refuses or does not answer."""

import re

import httpx
import pytest
from browsing import Held, Visit, movies, open_options, rated, star, start_as_a_new_user
from playwright.sync_api import Locator, Page, expect

from app.edge.keys import Keys


def test_an_unknown_user_is_named_and_the_one_before_stays(visit: Visit) -> None:
    page = visit(user=1, refused=True)
    expect(movies(page, "recommendations")).to_have_count(10)

    page.get_by_role("button", name="User 1").click()
    page.get_by_role("textbox", name="User").fill("987654")
    page.get_by_role("button", name="Go", exact=True).click()

    expect(page.get_by_role("alert").filter(has_text="There is no user 987654.")).to_be_visible()
    expect(page.locator("#user-name")).to_have_text("User 1")
    expect(movies(page, "recommendations")).to_have_count(10)
    expect(page).to_have_url(re.compile(r"\?user=1$"))
    page.get_by_role("link", name="Model", exact=True).first.click()
    expect(page.get_by_role("heading", name="Model card")).to_be_visible()
    expect(page.get_by_role("alert")).to_be_empty()


@pytest.mark.parametrize(
    ("typed", "why"),
    [
        (
            "a/b",
            "An external id has 1 to 128 characters, no slash, no control characters, and no space at its beginning or "
            "end.",
        ),
        ("0", "The user's id must be at least 1."),
        (str(2**63), f"The user's id must be at most {2**63 - 1}."),
    ],
)
def test_an_id_that_nobody_can_have_is_told_so_without_a_request(visit: Visit, typed: str, why: str) -> None:
    page = visit()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "/users" in request.url else None)
    page.get_by_role("textbox", name="User").fill(typed)
    page.get_by_role("button", name="Go", exact=True).click()

    expect(page.get_by_role("alert").filter(has_text=why)).to_be_visible()
    expect(page.get_by_role("heading", level=1)).to_contain_text("What to watch next")
    assert asked == []


def test_a_remembered_user_who_is_gone_leads_to_the_welcome(visit: Visit) -> None:
    page = visit(user=987654, refused=True)

    expect(page.get_by_text("There is no user 987654.")).to_be_visible()
    expect(page.get_by_role("heading", level=1)).to_contain_text("What to watch next")
    assert page.evaluate("localStorage['seqrec.user'] ?? null") is None


def test_a_link_that_names_no_user_is_followed_although_the_remembered_one_is_gone(visit: Visit, address: str) -> None:
    page = visit(user=987654, refused=True)
    page.evaluate("localStorage['seqrec.user'] = '987654'")
    page.goto(f"{address}/?movie=1")

    expect(page.locator("#movie-title")).to_have_text(httpx.get(f"{address}/movies/1").json()["display_title"])
    expect(page.get_by_role("alert")).to_contain_text("There is no user 987654.")
    expect(page).to_have_url(re.compile(r"\?movie=1$"))
    assert page.evaluate("localStorage['seqrec.user'] ?? null") is None


def test_the_last_user_is_remembered(visit: Visit, address: str) -> None:
    page = visit()
    page.get_by_role("textbox", name="User").fill("5")
    page.keyboard.press("Enter")
    expect(movies(page, "recommendations")).to_have_count(10)

    page.goto(address)

    expect(page.locator("#user-name")).to_have_text("User 5")


def after_a_wrong_key(visit: Visit) -> tuple[Page, Locator]:
    """The page, which has refused a key, and its field for another one."""
    page = visit(user=1, refused=True)
    field = page.get_by_role("textbox", name="Key")
    field.fill("wrong")
    page.keyboard.press("Enter")
    expect(page.get_by_text("That key was not accepted.")).to_be_visible()
    return page, field


@pytest.mark.parametrize("keys", [Keys(api=("secret",))])
def test_a_service_that_wants_a_key_is_given_the_one_from_the_reader(visit: Visit) -> None:
    page, field = after_a_wrong_key(visit)
    field.fill("secret")
    page.keyboard.press("Enter")

    expect(movies(page, "recommendations")).to_have_count(10)
    assert page.evaluate("Object.keys(localStorage).includes('seqrec.key')") is False


@pytest.mark.parametrize("keys", [Keys(api=("secret",))])
def test_what_a_key_is_needed_for_comes_with_a_key_that_is_given_later(visit: Visit) -> None:
    page, field = after_a_wrong_key(visit)
    page.keyboard.press("Escape")
    page.get_by_role("alert").get_by_role("button", name="Try again").click()
    field.fill("secret")
    page.keyboard.press("Enter")

    expect(movies(page, "recommendations")).to_have_count(10)
    expect(page.locator("#genres .chip")).not_to_have_count(0)
    page.get_by_role("link", name="Model", exact=True).first.click()
    expect(page.locator("#card")).to_contain_text("Quality of the lists")
    expect(page.get_by_text("The model's card is missing.")).to_have_count(0)


@pytest.mark.parametrize("keys", [Keys(api=("secret",))])
def test_a_key_that_was_refused_is_not_kept(visit: Visit) -> None:
    page, field = after_a_wrong_key(visit)
    page.keyboard.press("Escape")
    expect(field).to_be_hidden()

    page.wait_for_function("() => sessionStorage['seqrec.key'] === undefined")


@pytest.mark.parametrize("keys", [Keys(api=("secret",))])
@pytest.mark.parametrize("kept", ["wrong", None])
def test_an_answer_that_comes_after_no_key_was_given_does_not_ask_again(visit: Visit, kept: str | None) -> None:
    page, field = after_a_wrong_key(visit)
    if kept is None:
        page.keyboard.press("Escape")
        expect(field).to_be_hidden()
    late = Held(page, "**/genres")
    page.reload()
    expect(field).to_be_visible()
    page.keyboard.press("Escape")
    expect(field).to_be_hidden()

    with page.expect_response("**/genres"):
        late.let_go()

    page.wait_for_timeout(300)
    expect(field).to_be_hidden()


@pytest.mark.parametrize("keys", [Keys(api=("secret",))])
def test_a_key_that_no_header_can_carry_is_not_taken(visit: Visit) -> None:
    page, field = after_a_wrong_key(visit)
    field.fill("secret€")
    page.keyboard.press("Enter")

    page.wait_for_timeout(300)
    expect(field).to_be_visible()
    assert page.evaluate("sessionStorage['seqrec.key'] ?? null") == "wrong"
    field.fill("secret")
    page.keyboard.press("Enter")
    expect(movies(page, "recommendations")).to_have_count(10)


def test_a_service_that_does_not_answer_can_be_tried_again(visit: Visit) -> None:
    page = visit(user=1, refused=True)
    expect(movies(page, "recommendations")).to_have_count(10)
    open_options(page)
    page.route("**/recommendations?*", lambda route: route.abort())
    page.get_by_role("radio", name="Predicted stars").check()
    expect(page.get_by_text("The service does not answer.")).to_be_visible()

    page.unroute("**/recommendations?*")
    page.get_by_role("button", name="Try again").click()

    expect(movies(page, "recommendations")).to_have_count(10)


def test_a_proxys_page_in_place_of_an_answer_is_told_in_words(visit: Visit) -> None:
    page = visit(user=1, refused=True)
    expect(movies(page, "recommendations")).to_have_count(10)
    open_options(page)
    page.route("**/recommendations?*", lambda route: route.fulfill(body="<!doctype html><p>Sign in to this network."))
    page.get_by_role("radio", name="Predicted stars").check()

    expect(page.locator("#list")).to_contain_text("The answer of the service cannot be read.")


def test_ratings_that_are_missing_are_not_taken_for_none(visit: Visit, address: str) -> None:
    page = visit(refused=True)
    for part in ("users/1/ratings?*", "movies/first?*"):
        page.route(f"**/{part}", lambda route: route.abort())
    count = len(rated(address, 1))
    few = {"user_id": 1, "external_id": None, "gender": None, "age": None, "occupation": None, "ratings": 3}
    page.route("**/users/1", lambda route: route.fulfill(json=few))
    watchlist = Held(page, "**/watchlist?*")
    page.goto(f"{address}/?user=1")
    history, first_steps = page.locator("#history"), page.locator("#first-steps")
    expect(history).to_contain_text("The ratings are missing.")
    expect(first_steps).to_contain_text("The movies are missing.")

    watchlist.let_go()
    first = movies(page, "recommendations").first
    first.locator("[data-list]").click()
    expect(page.get_by_role("status").filter(has_text="is on the watch list")).to_be_visible()

    expect(history).to_contain_text("The ratings are missing.")
    expect(first_steps).to_contain_text("The movies are missing.")
    page.unroute_all()
    first_steps.get_by_role("button", name="Try again").click()
    expect(movies(page, "first-movies")).to_have_count(12)
    star(first, "4 stars").click()  # with which the ratings are asked for again
    expect(movies(page, "ratings")).to_have_count(10)
    expect(page.locator("#history-count")).to_have_text(f"{count + 1} ratings")


def test_ratings_that_are_on_their_way_are_not_taken_for_none(visit: Visit, address: str) -> None:
    page = visit()
    ratings, first_movies = (Held(page, f"**/{part}?*") for part in ("users/*/ratings", "movies/first"))
    with page.expect_response("**/watchlist?*"):
        start_as_a_new_user(page)
    first = movies(page, "recommendations").first
    first.locator("[data-list]").click()
    expect(page.get_by_role("status").filter(has_text="is on the watch list")).to_be_visible()

    expect(page.get_by_text("That is all.")).to_have_count(0)
    expect(page.get_by_text("No ratings yet.")).to_have_count(0)
    for held in (ratings, first_movies):
        held.let_go()
    expect(page.get_by_text("No ratings yet.")).to_be_visible()
    expect(movies(page, "first-movies")).to_have_count(12)


def test_more_results_are_tried_again_where_those_that_are_there_stay(visit: Visit) -> None:
    page = visit(user=1, refused=True)
    expect(movies(page, "recommendations")).to_have_count(10)
    rows = movies(page, "results")
    page.get_by_role("searchbox").fill("the")
    expect(rows).to_have_count(8)
    page.route(re.compile(r"/movies\?.*cursor="), lambda route: route.abort())
    page.get_by_role("button", name="More results").click()
    expect(page.get_by_text("The search failed.")).to_be_visible()
    expect(rows).to_have_count(8)

    page.unroute_all()
    page.get_by_role("button", name="Try again").click()

    expect(rows).to_have_count(16)
