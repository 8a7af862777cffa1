"""A new user's first steps, the profile, and the way out."""

import re

import httpx
from browsing import (
    Held,
    Visit,
    expect_movies,
    heading,
    move_away,
    movies,
    open_options,
    plain,
    rated,
    recommended,
    settled,
    star,
    start_as_a_new_user,
    titles,
)
from playwright.sync_api import Locator, expect


def test_a_newcomer_is_asked_nothing_and_rates_well_known_movies(visit: Visit, address: str) -> None:
    page = visit()
    user = start_as_a_new_user(page)

    expect(page.get_by_role("heading", name="Rate a few movies that you know")).to_be_focused()
    grid = movies(page, "first-movies")
    expect(grid).to_have_count(12)
    expect_movies(grid, httpx.get(f"{address}/movies/first").json()["movies"])
    most_rated = httpx.get(f"{address}/movies", params={"limit": 60}).json()["movies"]
    assert set(titles(grid)) <= set(heading(most_rated))

    for number in range(5):
        star(grid.nth(number), "4 stars").click()
        expect(movies(page, "ratings")).to_have_count(number + 1)
    expect(page.locator("#first-count")).to_contain_text("enough")
    assert not overlap(page.get_by_role("button", name="See your list"), page.locator(".toast-box"))
    page.get_by_role("button", name="See your list").click()
    expect(page.get_by_role("heading", name="Recommended")).to_be_focused()
    expect(page.locator("#first-steps")).to_be_hidden()
    expect(page.locator("#list-basis")).to_have_text("From your 5 ratings.")
    settled(page)
    expect_movies(movies(page, "recommendations"), recommended(address, user))


def overlap(one: Locator, other: Locator) -> bool:
    """Whether two parts of the page have a point in common, once both are in view."""
    one.scroll_into_view_if_needed()
    first, second = one.bounding_box(), other.bounding_box()
    assert first is not None
    assert second is not None
    across = first["x"] < second["x"] + second["width"] and second["x"] < first["x"] + first["width"]
    return across and first["y"] < second["y"] + second["height"] and second["y"] < first["y"] + first["height"]


def test_what_was_rated_is_not_offered_as_not_seen_and_later_holds_for_the_visit(visit: Visit) -> None:
    page = visit()
    start_as_a_new_user(page)
    grid = movies(page, "first-movies")
    expect(grid).to_have_count(12)
    expect(grid.first.locator("[data-act]")).to_be_visible()

    star(grid.first, "4 stars").click()
    expect(movies(page, "ratings")).to_have_count(1)

    expect(grid.first.locator("[data-act]")).to_be_hidden()
    expect(grid.nth(1).locator("[data-act]")).to_be_visible()
    page.get_by_role("button", name="Later").click()
    page.reload()
    expect(movies(page, "recommendations")).to_have_count(10)
    expect(page.locator("#first-steps")).to_be_hidden()


def test_two_clicks_make_one_new_user(visit: Visit) -> None:
    page = visit()
    made: list[str] = []
    page.on("request", lambda request: made.append(request.url) if request.method == "POST" else None)
    button = page.get_by_role("button", name="Start as a new user")

    button.evaluate("button => { button.click(); button.click(); }")

    expect(page.get_by_role("heading", name="Rate a few movies that you know")).to_be_focused()
    assert [url for url in made if url.endswith("/users")] == made[:1]
    page.get_by_role("link", name="SeqRec").first.click()
    expect(button).to_be_enabled()


def test_a_movie_that_was_not_seen_makes_room_for_another(visit: Visit) -> None:
    page = visit()
    start_as_a_new_user(page)
    grid = movies(page, "first-movies")
    expect(grid).to_have_count(12)
    before = titles(grid)

    page.get_by_role("button", name=f"Not seen: {plain(before[0])}", exact=True).click()

    expect(grid.first.locator(".title-text")).not_to_have_text(plain(before[0]))
    assert titles(grid)[1:] == before[1:]
    page.get_by_role("button", name="Other movies").click()
    expect(grid.nth(1).locator(".title-text")).not_to_have_text(plain(before[1]))
    assert not set(titles(grid)) & set(before)


def test_a_user_with_ratings_is_not_sent_on_first_steps(visit: Visit) -> None:
    page = visit(user=1)
    expect(movies(page, "recommendations")).to_have_count(10)

    expect(page.locator("#first-steps")).to_be_hidden()


def test_a_user_without_ratings_and_profile_sees_the_highest_rated_movies_in_no_chosen_order(visit: Visit) -> None:
    page = visit()
    start_as_a_new_user(page)

    expect(page.locator("#list-basis")).to_contain_text("Highest rated by all users")
    open_options(page)
    order = page.get_by_role("radiogroup", name="Order by")
    expect(order.get_by_role("radio", checked=True)).to_have_count(0)
    order.get_by_role("radio", name="Predicted stars").check()
    expect(page.locator("#list-basis")).to_contain_text("Predicted for an average user")
    expect(order.get_by_role("radio", checked=True)).to_have_count(1)


def test_a_profile_is_added_later_and_changed(visit: Visit, address: str) -> None:
    page = visit()
    user = start_as_a_new_user(page)

    page.get_by_role("button", name="Add a profile").click()
    page.get_by_role("radio", name="Female").check()
    page.get_by_role("spinbutton", name="Age").fill("30")
    page.get_by_role("combobox", name="Occupation").select_option("programmer")
    page.get_by_role("button", name="Save").click()

    expect(page.locator("#user-profile")).to_have_text("female · age 30 · programmer")
    expect(page.locator("#list-basis")).to_contain_text("From your profile alone")
    stored = httpx.get(f"{address}/users/{user}").json()
    assert (stored["gender"], stored["age"], stored["occupation"]) == ("F", 30, 12)

    page.get_by_role("button", name="Change", exact=True).click()
    expect(page.get_by_role("spinbutton", name="Age")).to_have_value("30")
    page.get_by_role("spinbutton", name="Age").fill("")
    page.get_by_role("radio", name="Not stated").check()
    page.get_by_role("combobox", name="Occupation").select_option("Not stated")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("button", name="Add a profile")).to_be_visible()
    stored = httpx.get(f"{address}/users/{user}").json()
    assert (stored["gender"], stored["age"], stored["occupation"]) == (None, None, None)


def test_a_new_user_searches_rates_filters_by_genre_and_deletes_the_rating(visit: Visit, address: str) -> None:
    page = visit()
    user = start_as_a_new_user(page)
    expect(page.get_by_text("No ratings yet.")).to_be_visible()

    wanted = httpx.get(f"{address}/movies", params={"limit": 1}).json()["movies"][0]
    page.get_by_role("searchbox").fill(wanted["display_title"])
    found = movies(page, "results").filter(has_text=wanted["display_title"]).first
    star(found, "5 stars").click()
    move_away(page)
    expect(movies(page, "ratings")).to_have_count(1)
    expect(page.locator("#list-basis")).to_have_text("From your 1 rating.")
    expect_movies(movies(page, "ratings"), [wanted])
    expect(found.locator(".rating-caption")).to_have_text("you rated")

    open_options(page)
    genre = wanted["genres"][0]
    page.get_by_role("checkbox", name=genre, exact=True).check()
    expect(page.locator("#filter-count")).to_have_text("1")
    settled(page)
    expect_movies(movies(page, "recommendations"), recommended(address, user, genre=genre))
    assert all(genre in text for text in movies(page, "recommendations").locator(".genres").all_inner_texts())

    page.get_by_role("button", name=f"Delete the rating of {wanted['display_title']}").click()
    expect(page.get_by_text("No ratings yet.")).to_be_visible()
    assert rated(address, user) == []


def test_an_account_is_deleted_after_a_question(visit: Visit, address: str) -> None:
    page = visit()
    user = start_as_a_new_user(page)

    page.get_by_role("button", name=f"User {user}").click()
    page.get_by_role("button", name="Delete the account").click()
    page.get_by_role("button", name="Cancel").click()
    assert httpx.get(f"{address}/users/{user}").status_code == 200

    page.get_by_role("button", name=f"User {user}").click()
    page.get_by_role("button", name="Delete the account").click()
    expect(page.get_by_text(f"User {user} is deleted with all ratings.")).to_be_visible()
    page.get_by_role("button", name="Delete it").click()

    expect(page.get_by_role("heading", level=1)).to_contain_text("What to watch next")
    assert httpx.get(f"{address}/users/{user}").status_code == 404
    expect(page).to_have_url(re.compile("view=start"))


def test_signing_out_leads_to_the_start_page_and_forgets_the_user(visit: Visit, address: str) -> None:
    page = visit(user=1)
    expect(movies(page, "recommendations")).to_have_count(10)

    page.get_by_role("button", name="User 1").click()
    page.get_by_role("button", name="Sign out").click()

    expect(page.get_by_role("heading", level=1)).to_contain_text("What to watch next")
    expect(page.get_by_role("button", name="User 1")).to_be_hidden()
    assert page.evaluate("localStorage['seqrec.user'] ?? null") is None
    assert httpx.get(f"{address}/users/1").status_code == 200


def test_who_opens_a_user_before_the_new_one_is_there_stays_that_one(visit: Visit) -> None:
    page = visit()
    held = Held(page, "**/users")
    with page.expect_request("**/users"):
        page.get_by_role("button", name="Start as a new user").click()

    page.evaluate("history.pushState(null, '', '?user=5'); dispatchEvent(new PopStateEvent('popstate'))")
    expect(page.locator("#user-name")).to_have_text("User 5")
    held.let_go()
    page.wait_for_timeout(300)

    expect(page.locator("#account-button")).to_have_text("User 5")
    assert page.evaluate("localStorage['seqrec.user']") == "5"
