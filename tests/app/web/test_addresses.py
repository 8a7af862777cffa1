"""The address names what is shown: it can be linked to, reloaded and left by Back."""

import re

import httpx
import pytest
from browsing import Visit, expect_movies, movies, open_options, recommended, settled
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
    expect_movies(rows, recommended(address, 3, genre=genre, rank_by="rating"))
    expect(page.locator("#genres input").first).to_be_checked()

    open_user(page, 4)
    expect(rows.first).to_be_visible()
    settled(page)
    expect_movies(rows, recommended(address, 4))
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
    expect_movies(rows, recommended(address, 3))


def test_the_steps_of_a_slider_are_one_step_of_the_way_back(visit: Visit, address: str) -> None:
    page = visit(user=3)
    rows = movies(page, "recommendations")
    expect(rows).to_have_count(10)
    open_options(page)
    page.get_by_role("checkbox").first.check()
    before = page.evaluate("history.length")
    for share in ("0.2", "0.5", "0.8"):
        page.get_by_role("slider").fill(share)
        expect(page).to_have_url(re.compile(f"diversity={share}"))
    assert page.evaluate("history.length") == before + 1
    year = page.get_by_role("textbox", name="Released from year")
    for typed in ("1950", "1960"):
        year.fill(typed)
        expect(page).to_have_url(re.compile(f"year_from={typed}"))
    assert page.evaluate("history.length") == before + 2

    page.go_back()
    expect(page).to_have_url(re.compile("genre=.*diversity=0.8$"))
    page.go_back()
    expect(page).to_have_url(re.compile(r"genre=\w+$"))


def test_a_dialog_ends_with_the_place_where_it_was_opened(visit: Visit) -> None:
    page = visit(user=3)
    expect(movies(page, "recommendations")).to_have_count(10)
    page.get_by_role("link", name="Together", exact=True).click()
    page.get_by_role("button", name="Choose from all").click()
    expect(page.get_by_role("dialog")).to_be_visible()

    page.go_back()

    expect(page.locator("#user-name")).to_be_visible()
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_back_leads_to_where_the_list_was_left_at_once(visit: Visit) -> None:
    page = visit(user=3, reduced_motion="no-preference")
    rows = movies(page, "recommendations")
    expect(rows).to_have_count(10)
    page.evaluate("scrollTo(0, 500)")
    page.wait_for_function("scrollY === 500")
    rows.nth(5).locator(".title-text").evaluate("link => link.click()")
    expect(movies(page, "similar-movies")).to_have_count(12)
    assert page.evaluate("scrollY") == 0
    page.evaluate("""() => {
        window.passed = [];
        addEventListener("scroll", () => passed.push(scrollY));
    }""")

    page.go_back()

    page.wait_for_function("scrollY === 500")
    page.wait_for_timeout(300)  # longer than a glide takes to begin
    assert page.evaluate("[...new Set(passed)]") == [500]


def test_going_where_one_is_makes_no_step_of_the_way_back(visit: Visit) -> None:
    page = visit(user=3)
    expect(movies(page, "recommendations")).to_have_count(10)
    page.get_by_role("link", name="Model", exact=True).click()
    expect(page).to_have_url(re.compile("view=model"))
    before = page.evaluate("history.length")

    for _ in range(3):
        page.get_by_role("link", name="Model", exact=True).click()

    assert page.evaluate("history.length") == before
    page.go_back()
    expect(page.locator("#user-name")).to_be_visible()


def test_a_movie_has_an_address_of_its_own_also_without_a_user(visit: Visit, address: str) -> None:
    page = visit()
    page.goto(f"{address}/?movie=1")
    movie = httpx.get(f"{address}/movies/1").json()

    expect(page.get_by_role("heading", level=1)).to_have_text(movie["display_title"])
    expect(page.get_by_text(f"{movie['mean_stars']:.1f} stars on average, {movie['ratings']} ratings")).to_be_visible()
    expect(movies(page, "similar-movies")).to_have_count(12)
    expect(page.get_by_role("heading", name="What you would give it")).to_be_hidden()


def test_a_movie_that_there_is_not_is_a_heading_and_a_reason_without_empty_parts(visit: Visit, address: str) -> None:
    page = visit(refused=True)
    page.goto(f"{address}/?movie=999999")

    expect(page.get_by_role("heading", level=1)).to_have_text("This movie cannot be shown.")
    expect(page.locator("#movie [data-message]")).to_contain_text("999999")
    expect(page.get_by_role("heading", name="Similar movies")).to_be_hidden()
    expect(page.locator("#movie .tile").first).to_be_hidden()
    expect(page.get_by_role("button", name="Try again")).to_have_count(0)
    expect(page.locator("#movie [data-share]")).to_be_hidden()

    page.evaluate("history.pushState(null, '', './?movie=1')")
    page.evaluate("dispatchEvent(new PopStateEvent('popstate'))")
    expect(movies(page, "similar-movies")).to_have_count(12)
    expect(page.locator("#movie .tile").first).to_be_visible()


def test_the_brand_leads_to_the_start_page_which_knows_the_way_back(visit: Visit) -> None:
    page = visit(user=1)
    expect(movies(page, "recommendations")).to_have_count(10)

    page.get_by_role("link", name="SeqRec", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("What to watch next")

    page.get_by_role("link", name="Go on as user 1").click()
    expect(page.locator("#user-name")).to_be_visible()
    expect(movies(page, "recommendations")).to_have_count(10)


@pytest.mark.parametrize(
    ("place", "shared"),
    [
        pytest.param("?user=1&movie=2", "?movie=2", id="movie"),
        pytest.param("?user=1&view=together&member=1&member=2", "?view=together&member=1&member=2", id="group"),
    ],
)
def test_a_page_is_shared_by_its_address_without_the_user(visit: Visit, address: str, place: str, shared: str) -> None:
    page = visit(user=1, permissions=["clipboard-read", "clipboard-write"])
    page.goto(f"{address}/{place}")

    page.locator(".view-head [data-share]:visible").click()

    expect(page.get_by_role("status").filter(has_text="The address is copied.")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == f"{address}/{shared}"

    friend = visit(user=5)
    friend.goto(f"{address}/{shared}")
    expect(friend.locator("#account-button")).to_have_text("User 5")
    assert friend.evaluate("localStorage['seqrec.user']") == "5"


def test_a_list_is_shared_with_its_user_and_options(visit: Visit, address: str) -> None:
    page = visit(permissions=["clipboard-read", "clipboard-write"])
    page.goto(f"{address}/?user=1&rank_by=rating")

    page.locator("#account-button").click()
    page.get_by_role("button", name="Share this page").click()

    expect(page.get_by_role("status").filter(has_text="The address is copied.")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == f"{address}/?user=1&rank_by=rating"


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
    expect_movies(rows, recommended(address, 5))

    page.reload()
    expect(page.locator("#user-name")).to_have_text("User ann@example.org")
    page.goto(f"{address}/?user=external:0385504209")
    expect(page.locator("#user-name")).to_have_text("User 0385504209")
    page.goto(f"{address}/?user=5")
    expect(page.locator("#user-name")).to_have_text("User ann@example.org")
    page.goto(f"{address}/?user=nobody")
    expect(page.get_by_role("alert")).to_contain_text("There is no user 'nobody'.")


def test_a_second_visit_asks_for_no_file_of_the_page_again(visit: Visit, address: str) -> None:
    def sent() -> set[str]:
        """The style and modules that came over the connection, not from the browser's memory."""
        files = page.evaluate(
            "performance.getEntriesByType('resource').filter((file) => file.transferSize).map((file) => file.name)"
        )
        return {file for file in files if file.endswith((".css", ".js"))}

    page = visit(user=1)
    expect(movies(page, "recommendations")).to_have_count(10)
    assert len(sent()) > 20

    page.goto(address)
    expect(movies(page, "recommendations")).to_have_count(10)
    assert sent() == set()
