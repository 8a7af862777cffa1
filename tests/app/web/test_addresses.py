"""The address names what is shown: it can be linked to, reloaded and left by Back."""

import re

import httpx
import pytest
from browsing import Visit, heading, movies, open_options, recommended, settled, titles
from playwright.sync_api import Page, expect


def open_user(page: Page, user: int | str) -> None:
    if page.locator("#account-button").is_visible():
        page.locator("#account-button").click()
    page.get_by_role("textbox", name="User").fill(str(user))
    page.get_by_role("button", name="Go", exact=True).click()
    expect(page.locator("#user-name")).to_have_text(f"User {user}")


def test_user_view_and_title_follow_the_way_and_back_leads_back(visit: Visit) -> None:
    page = visit()
    expect(page).to_have_title("SeqRec: what to watch next")
    open_user(page, 5)
    expect(page).to_have_url(re.compile(r"\?user=5$"))
    expect(page).to_have_title("User 5 · SeqRec")

    title = movies(page, "recommendations").first.locator(".title-text")
    name = title.inner_text()
    title.click()
    expect(page).to_have_title(f"{name} · SeqRec")
    expect(page.get_by_role("heading", level=1)).to_have_text(name)
    page.get_by_role("link", name="The model").click()
    expect(page).to_have_title("The model · SeqRec")

    page.go_back()
    expect(page.get_by_role("heading", level=1)).to_have_text(name)
    page.go_back()
    expect(movies(page, "recommendations")).to_have_count(10)
    page.go_back()
    expect(page.get_by_role("heading", level=1)).to_contain_text("What to watch next")
    page.go_forward()
    expect(page.locator("#user-name")).to_have_text("User 5")


def test_options_of_the_list_survive_a_reload_and_end_with_the_user(visit: Visit, address: str) -> None:
    page = visit(user=3)
    rows = movies(page, "recommendations")
    expect(rows).to_have_count(10)
    open_options(page)
    genre = page.get_by_role("checkbox").first.get_attribute("value") or ""
    page.get_by_role("checkbox").first.check()
    page.get_by_role("radio", name="Predicted stars").check()
    expect(page).to_have_url(re.compile(f"genre={genre}&rank_by=rating"))

    page.reload()
    expect(page.locator("#filter-count")).to_have_text("2")
    settled(page)
    expect(rows.first).to_be_visible()
    assert titles(rows) == heading(recommended(address, 3, genre=genre, rank_by="rating"))
    expect(page.locator("#genres input").first).to_be_checked()

    open_user(page, 4)
    expect(rows.first).to_be_visible()
    settled(page)
    assert titles(rows) == heading(recommended(address, 4))
    expect(page.locator("#filter-count")).to_be_hidden()

    page.go_back()
    expect(page.locator("#user-name")).to_have_text("User 3")
    expect(page.locator("#filter-count")).to_have_text("2")


def test_back_takes_a_filter_out_again(visit: Visit, address: str) -> None:
    page = visit(user=3)
    rows = movies(page, "recommendations")
    expect(rows).to_have_count(10)
    open_options(page)
    page.get_by_role("checkbox").first.check()
    expect(page.locator("#filter-count")).to_have_text("1")

    page.go_back()

    expect(page.get_by_role("checkbox").first).not_to_be_checked()
    settled(page)
    assert titles(rows) == heading(recommended(address, 3))


def test_a_movie_has_an_address_of_its_own_also_without_a_user(visit: Visit, address: str) -> None:
    page = visit()
    page.goto(f"{address}/?movie=1")
    movie = httpx.get(f"{address}/movies/1").json()

    expect(page.get_by_role("heading", level=1)).to_have_text(movie["display_title"])
    expect(page.get_by_text(f"{movie['mean_stars']:.1f} stars on average, {movie['ratings']} ratings")).to_be_visible()
    expect(movies(page, "similar-movies")).to_have_count(12)
    expect(page.get_by_role("heading", name="What you would give it")).to_be_hidden()


def test_the_brand_leads_to_the_start_page_which_knows_the_way_back(visit: Visit) -> None:
    page = visit(user=1)
    expect(movies(page, "recommendations")).to_have_count(10)

    page.get_by_role("link", name="SeqRec", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("What to watch next")

    page.get_by_role("link", name="Go on as user 1").click()
    expect(page.locator("#user-name")).to_be_visible()
    expect(movies(page, "recommendations")).to_have_count(10)


def test_a_page_is_shared_by_its_address(visit: Visit, address: str) -> None:
    page = visit(user=1, permissions=["clipboard-read", "clipboard-write"])
    page.goto(f"{address}/?user=1&movie=2")

    page.get_by_role("article").get_by_role("button", name="Share").click()

    expect(page.get_by_role("status").filter(has_text="The address is copied.")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == f"{address}/?user=1&movie=2"


@pytest.mark.parametrize("path", ["/nothing", "/no/such/page"])
def test_an_address_that_there_is_not_is_a_page_in_a_browser_and_json_for_programs(
    visit: Visit, address: str, path: str
) -> None:
    page = visit(refused=True)
    page.goto(address + path)

    expect(page.get_by_role("heading")).to_have_text("There is nothing here.")
    assert page.evaluate("getComputedStyle(document.querySelector('h1')).textAlign") == "center"  # it has its style
    page.get_by_role("link", name="The movies").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("What to watch next")
    answer = httpx.get(address + path)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_a_user_is_opened_and_shown_by_an_external_id(visit: Visit, address: str) -> None:
    for user, external_id in ((5, "ann@example.org"), (6, "0385504209")):
        httpx.patch(f"{address}/users/{user}", json={"external_id": external_id}).raise_for_status()
    page = visit(refused=True)
    open_user(page, "ann@example.org")
    expect(page).to_have_title("User ann@example.org · SeqRec")
    rows = movies(page, "recommendations")
    expect(rows).to_have_count(10)
    assert titles(rows) == heading(recommended(address, 5))

    page.reload()
    expect(page.locator("#user-name")).to_have_text("User ann@example.org")
    page.goto(f"{address}/?user=external:0385504209")
    expect(page.locator("#user-name")).to_have_text("User 0385504209")
    page.goto(f"{address}/?user=5")
    expect(page.locator("#user-name")).to_have_text("User ann@example.org")
    page.goto(f"{address}/?user=nobody")
    expect(page.get_by_role("alert")).to_contain_text("There is no user 'nobody'.")
