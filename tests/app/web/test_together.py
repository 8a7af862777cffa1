"""One list for people who watch together."""

import re

import httpx
import pytest
from browsing import PHONE, Visit, expect_movies, expect_to_stay_without_more, movies, settled
from playwright.sync_api import Page, expect


def together(address: str, members: list[int], strategy: str = "average") -> list[dict]:
    body = {"members": [{"user_id": user} for user in members], "strategy": strategy}
    return httpx.post(f"{address}/groups/recommendations", json=body).json()["recommendations"]


def add(page: Page, user: int | str) -> None:
    page.get_by_role("form", name="Add someone").get_by_label("User").fill(str(user))
    page.get_by_role("button", name="Add", exact=True).click()


def test_two_people_see_one_list_with_what_each_would_give(visit: Visit, address: str) -> None:
    page = visit(user=1)
    page.get_by_role("link", name="Together", exact=True).first.click()
    expect(page).to_have_url(re.compile(r"view=together&member=1$"))
    expect(page.get_by_text("Who else is there?")).to_be_visible()

    add(page, 2)

    rows = movies(page, "group-movies")
    expect(rows).to_have_count(10)
    expected = together(address, [1, 2])
    expect_movies(rows, expected)
    lines = rows.first.locator(".opinion")
    expect(lines).to_have_count(2)
    for line, user, own in zip(lines.all(), (1, 2), expected[0]["members"], strict=True):
        expect(line).to_contain_text(f"User {user}")
        expect(line).to_contain_text(f"{own['predicted_stars']:.1f}")
        expect(line).to_contain_text(f"{round(own['like_probability'] * 100)}%")
    expect(rows.locator(".reasons cite").first).to_be_visible()


def test_people_are_chosen_from_the_list_of_all(visit: Visit, address: str) -> None:
    page = visit()
    page.get_by_role("link", name="Watch together").click()
    page.get_by_role("button", name="Choose from all").click()
    dialog = page.get_by_role("dialog")
    for user in (3, 5):
        dialog.get_by_role("checkbox", name=re.compile(rf"^User {user}\b")).check()
    dialog.get_by_role("button", name="More people").click()
    dialog.get_by_role("checkbox", name=re.compile(r"^User 25\b")).check()
    expect(dialog.get_by_text("3 of at most 10 chosen")).to_be_visible()
    dialog.get_by_role("button", name="Done").click()

    expect(page).to_have_url(re.compile(r"member=3&member=5&member=25$"))
    expect(movies(page, "group-movies")).to_have_count(10)
    expect_movies(movies(page, "group-movies"), together(address, [3, 5, 25]))


def test_two_clicks_bring_more_people_once(visit: Visit) -> None:
    page = visit()
    page.get_by_role("link", name="Watch together").click()
    page.get_by_role("button", name="Choose from all").click()
    people = page.locator("#people > *")
    expect(people).to_have_count(20)

    page.get_by_role("button", name="More people").evaluate("button => { button.click(); button.click(); }")

    expect(people).to_have_count(40)
    page.wait_for_timeout(300)  # no second answer adds them again
    assert people.count() == 40


def test_the_address_holds_people_and_strategy_and_back_leads_back(visit: Visit, address: str) -> None:
    page = visit()
    page.goto(f"{address}/?view=together&member=4&member=7")
    rows = movies(page, "group-movies")
    expect(rows).to_have_count(10)

    page.get_by_role("radio", name="In turns").check()
    expect(page).to_have_url(re.compile("member=4&member=7&strategy=fairness"))
    expect(rows.first.locator(".badge")).to_have_text("picked by user 4")
    settled(page, "together")
    expect_movies(rows, together(address, [4, 7], "fairness"))
    page.reload()
    expect(page.get_by_role("radio", name="In turns")).to_be_checked()
    expect(rows.first.locator(".badge")).to_have_text("picked by user 4")

    page.get_by_role("button", name="Without user 7").click()
    expect(page.get_by_text("Who else is there?")).to_be_visible()
    expect(rows).to_have_count(0)
    page.go_back()
    expect(rows).to_have_count(10)
    page.go_back()
    expect(page.get_by_role("radio", name="On average")).to_be_checked()
    expect(rows.first.locator(".badge")).to_be_hidden()
    settled(page, "together")
    expect_movies(rows, together(address, [4, 7]))


def test_someone_who_is_not_there_is_named_and_can_be_taken_out(visit: Visit, address: str) -> None:
    page = visit(refused=True)
    page.goto(f"{address}/?view=together&member=1&member=2&member=7777")

    expect(page.get_by_text(re.compile("7777"), exact=False).last).to_be_visible()
    expect(page.get_by_text("There is no list for these people.")).to_be_visible()
    page.get_by_role("button", name="Without user 7777").click()

    expect(movies(page, "group-movies")).to_have_count(10)


def test_an_id_that_nobody_can_have_is_refused_where_it_is_added(visit: Visit, address: str) -> None:
    page = visit()
    page.goto(f"{address}/?view=together&member=1")
    problem = page.locator("#member-problem")

    add(page, 0)
    expect(problem).to_have_text("The user's id must be at least 1.")
    add(page, "a/b")
    expect(problem).to_have_text(re.compile("^An external id has 1 to 128 characters, no slash, "))
    expect(page.locator("#member")).to_be_focused()
    expect(page.locator("#members .member-name")).to_have_text(["User 1"])

    add(page, 2)
    expect(problem).to_be_empty()
    expect(page.locator("#members .member-name")).to_have_text(["User 1", "User 2"])
    expect(movies(page, "group-movies")).to_have_count(10)


def test_each_member_whom_the_service_refuses_is_named(visit: Visit, address: str) -> None:
    page = visit(refused=True)
    page.goto(f"{address}/?view=together&member=1&member=0&member=a/b")

    why = "User 0: The user's id must be at least 1. User a/b: An external id has 1 to 128 characters, no slash, "
    expect(page.locator("#together .message-text")).to_have_text(re.compile(f"^{re.escape(why)}"))


def test_a_movie_of_the_list_leads_to_its_view_and_back(visit: Visit, address: str) -> None:
    page = visit()
    page.goto(f"{address}/?view=together&member=4&member=7")
    first = movies(page, "group-movies").first.locator(".title-text")
    name = first.inner_text()
    first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text(name)

    page.go_back()

    expect(movies(page, "group-movies")).to_have_count(10)


@pytest.mark.parametrize(
    ("place", "last"),
    [
        ("?view=together&member=1&member=2&strategy=fairness", "#group-movies > .movie"),
        ("?view=together", "#together .message-box"),
    ],
)
def test_nothing_scrolls_sideways_on_a_phone(visit: Visit, address: str, place: str, last: str) -> None:
    page = visit(user=1, viewport=PHONE, has_touch=True, is_mobile=True)
    page.goto(f"{address}/{place}")
    expect(page.locator(last).first).to_be_visible()
    page.wait_for_load_state("networkidle")

    assert page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]") == [360, 360]
    expect(
        page.get_by_role("navigation", name="Parts of the page").get_by_role("link", name="Together")
    ).to_be_visible()


def test_a_list_stays_when_more_of_it_cannot_be_had(visit: Visit, address: str) -> None:
    page = visit(refused=True)
    page.goto(f"{address}/?view=together&member=4&member=7")
    rows = movies(page, "group-movies")
    expect(rows).to_have_count(10)

    expect_to_stay_without_more(page, rows, "**/groups/recommendations")


def test_people_are_named_by_external_ids(visit: Visit, address: str) -> None:
    for user, external_id in ((1, "ann@example.org"), (2, "0385504209")):
        httpx.patch(f"{address}/users/{user}", json={"external_id": external_id}).raise_for_status()
    page = visit(user=1)
    page.get_by_role("link", name="Together", exact=True).first.click()
    expect(page).to_have_url(re.compile(r"&member=ann%40example.org$"))

    add(page, "external:0385504209")

    expect(page).to_have_url(re.compile(r"&member=ann%40example.org&member=external%3A0385504209$"))
    rows = movies(page, "group-movies")
    expect(rows).to_have_count(10)
    expect_movies(rows, together(address, [1, 2]))
    named = ["User ann@example.org", "User 0385504209"]
    expect(rows.first.locator(".opinion-name")).to_have_text(named)
    page.get_by_role("radio", name="In turns").check()
    expect(rows.first.locator(".badge")).to_have_text("picked by user ann@example.org")

    page.goto(f"{address}/?view=together&member=1&member=external:0385504209")
    expect(page.locator("#members .member-name")).to_have_text(named)
    page.get_by_role("button", name="Choose from all").click()
    people = page.get_by_role("dialog")
    for name in named:
        expect(people.get_by_role("checkbox", name=re.compile(rf"^{name}\b"))).to_be_checked()
    people.get_by_role("checkbox", name=re.compile(r"^User 3\b")).check()
    people.get_by_role("button", name="Done").click()
    expect(rows).to_have_count(10)
    expect_movies(rows, together(address, [1, 2, 3]))
