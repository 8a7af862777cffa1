"""Rating movies on the page."""

import re

import httpx
from browsing import Visit, heading, movies, plain, rated, recommended, settled, star, titles
from playwright.sync_api import expect

from model.data.dataset import MovieLens


def test_rating_a_movie_changes_the_list(visit: Visit, address: str) -> None:
    page = visit(user=1)
    rows = movies(page, "recommendations")
    expect(rows).to_have_count(10)
    before = titles(rows)

    star(rows.first, "4.5 stars").click()

    expect(movies(page, "ratings").first.locator(".rating-number")).to_have_text("4.5")
    expect(rows.first.locator(".title-text")).not_to_have_text(re.compile(f"^{re.escape(plain(before[0]))}$"))
    settled(page)
    assert titles(movies(page, "ratings"))[0] == before[0]
    assert before[0] not in titles(rows)
    assert titles(rows) == heading(recommended(address, 1))
    newest = rated(address, 1)[0]
    assert (newest["title"], newest["stars"]) == (before[0], 4.5)


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

    page.get_by_role("button", name=f"Delete the rating of {plain(title)}").click()
    expect(page.locator("#history-count")).to_have_text(f"{len(old) - 1} ratings")
    assert title not in heading(rated(address, 2))
    assert title not in titles(movies(page, "ratings"))


def test_a_user_without_ratings_and_profile_sees_the_highest_rated_movies_in_no_chosen_order(visit: Visit) -> None:
    page = visit()
    page.get_by_role("button", name="Start as a new user").click()
    page.get_by_role("button", name="Start", exact=True).click()

    expect(page.locator("#list-basis")).to_contain_text("Highest rated by all users")
    order = page.get_by_role("radiogroup", name="Order by")
    expect(order.get_by_role("radio", checked=True)).to_have_count(0)
    order.get_by_role("radio", name="Predicted stars").check()
    expect(page.locator("#list-basis")).to_contain_text("Predicted for an average user")
    expect(order.get_by_role("radio", checked=True)).to_have_count(1)


def test_a_new_user_signs_up_rates_filters_by_genre_and_deletes_the_rating(
    visit: Visit, address: str, sample: MovieLens
) -> None:
    page = visit()
    page.get_by_role("button", name="Start as a new user").click()
    page.get_by_role("radio", name="Female").check()
    page.get_by_role("spinbutton", name="Age").fill("30")
    page.get_by_role("combobox", name="Occupation").select_option("programmer")
    page.get_by_role("button", name="Start", exact=True).click()

    expect(page.locator("#user-profile")).to_have_text("female · age 30 · programmer")
    user = int(page.locator("#user-name").inner_text().removeprefix("User "))
    stored = httpx.get(f"{address}/users/{user}").json()
    assert (stored["gender"], stored["age"], stored["occupation"]) == ("F", 30, 12)
    expect(page.locator("#list-basis")).to_contain_text("From your profile alone")
    expect(page.get_by_text("No ratings yet.")).to_be_visible()

    wanted = httpx.get(f"{address}/movies", params={"limit": 1}).json()["movies"][0]
    page.get_by_role("searchbox").fill(plain(wanted["title"]))
    found = movies(page, "results").filter(has_text=plain(wanted["title"])).first
    star(found, "5 stars").click()
    expect(movies(page, "ratings")).to_have_count(1)
    expect(page.locator("#list-basis")).to_have_text("From your 1 rating.")
    assert titles(movies(page, "ratings")) == [wanted["title"]]
    expect(found.locator(".rating-caption")).to_have_text("you rated")

    genre = wanted["genres"][0]
    page.get_by_role("checkbox", name=genre, exact=True).check()
    expect(page.locator("#filter-count")).to_have_text("1")
    settled(page)
    assert titles(movies(page, "recommendations")) == heading(recommended(address, user, genre=genre))
    assert all(genre in text for text in movies(page, "recommendations").locator(".genres").all_inner_texts())

    page.get_by_role("button", name=f"Delete the rating of {plain(wanted['title'])}").click()
    expect(page.get_by_text("No ratings yet.")).to_be_visible()
    assert rated(address, user) == []


def test_a_movie_is_rated_with_the_keyboard_alone(visit: Visit, address: str) -> None:
    page = visit(user=1)
    rows = movies(page, "recommendations")
    expect(rows).to_have_count(10)
    first = titles(rows)[0]
    in_list = "document.activeElement.closest('#recommendations [role=radiogroup]') !== null"

    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate(in_list):
            break
    page.keyboard.press("2")
    page.keyboard.press("ArrowRight")
    assert rated(address, 1)[0]["title"] != first  # moving about gives no stars
    expect(rows.first.locator(".rating-number")).to_have_text("2.5")
    page.keyboard.press("Enter")

    expect(movies(page, "ratings").first.locator(".title-text")).to_have_text(plain(first))
    newest = rated(address, 1)[0]
    assert (newest["title"], newest["stars"]) == (first, 2.5)
    expect(rows.locator(".title-text").get_by_text(plain(first), exact=True)).to_have_count(0)
    assert page.evaluate(in_list)  # the focus has not fallen off the page with the row


def test_a_rating_that_was_not_written_is_not_shown(visit: Visit, address: str) -> None:
    page = visit(user=1, refused=True)
    first = movies(page, "ratings").first
    expect(first).to_be_visible()
    stars = rated(address, 1)[0]["stars"]
    page.route("**/ratings/*", lambda route: route.abort())

    star(first, "0.5 stars").click()

    expect(page.get_by_role("status").filter(has_text="The service does not answer.")).to_be_visible()
    expect(first.locator(".rating-number")).to_have_text(f"{stars:.1f}")
