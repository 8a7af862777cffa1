"""What a visitor tells beside stars: the watch list, and what is of no interest."""

import json
import re
import time
from typing import Any

import httpx
from browsing import Visit, expect_movies, move_away, movies, plain, recommended, settled, star, titles
from playwright.sync_api import Page, expect


def listed(address: str, user: int) -> list[str]:
    return [movie["display_title"] for movie in httpx.get(f"{address}/users/{user}/watchlist").json()["movies"]]


def events(address: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in httpx.get(f"{address}/export/events").text.splitlines()]


def dismiss(page: Page, title: str) -> None:
    page.locator("#list").get_by_role("button", name=f"Not interested in {title}", exact=True).click()
    move_away(page)


def test_what_is_of_no_interest_is_gone_at_once_and_what_is_put_on_the_watch_list_is_there(
    visit: Visit, address: str
) -> None:
    page = visit(user=1)
    rows = movies(page, "recommendations")
    expect(rows).to_have_count(10)
    dull, wanted = (entry["display_title"] for entry in recommended(address, 1)[:2])

    dismiss(page, dull)
    expect(rows.locator(".title-text").get_by_text(dull, exact=True)).to_have_count(0)
    settled(page)
    expect_movies(rows, recommended(address, 1))
    assert dull not in [entry["display_title"] for entry in recommended(address, 1, limit=100)]

    page.wait_for_timeout(700)  # a click that comes sooner after the rows have moved was meant for another one
    page.locator("#list").get_by_role("button", name=f"Put {wanted} on the watch list").click()
    expect(page.locator("#list").get_by_role("button", name=f"Take {wanted} off the watch list")).to_be_visible()
    assert listed(address, 1) == [wanted]
    page.get_by_role("link", name="Watch list").click()
    expect(page).to_have_url(re.compile("view=watchlist"))
    expect(movies(page, "watchlist-movies").locator(".title-text")).to_have_text([wanted])
    expect(page.get_by_role("heading", name="Watch list")).to_be_focused()

    page.reload()
    expect(movies(page, "watchlist-movies").locator(".title-text")).to_have_text([wanted])
    movies(page, "watchlist-movies").get_by_role("button", name=f"Take {wanted} off the watch list").click()
    expect(page.get_by_role("status").filter(has_text="off the watch list")).to_be_visible()
    assert listed(address, 1) == []


def test_movies_of_later_pages_are_taken_off_the_watch_list_too(visit: Visit, address: str) -> None:
    wanted = [entry["movie_id"] for entry in recommended(address, 1)[:3]]
    told = [{"user_id": 1, "movie_id": movie_id, "kind": "watchlist"} for movie_id in wanted]
    httpx.post(f"{address}/events", json={"events": told})
    page = visit()
    page.route("**/watchlist?*", lambda route: route.continue_(url=route.request.url.replace("limit=100", "limit=2")))
    page.goto(f"{address}/?view=watchlist&user=1")
    rows = movies(page, "watchlist-movies")
    expect(rows).to_have_count(2)
    page.locator("#watchlist [data-more]").click()
    expect(rows).to_have_count(3)

    for title in titles(rows):
        page.locator("#watchlist").get_by_role("button", name=f"Take {plain(title)} off the watch list").click()
        expect(page.get_by_role("status").filter(has_text=f"{plain(title)} is off the watch list")).to_be_visible()

    assert listed(address, 1) == []


def test_movies_of_a_watch_list_of_several_pages_are_all_shown_as_listed(visit: Visit, address: str) -> None:
    wanted = recommended(address, 1)[:5]
    told = [
        {"user_id": 1, "movie_id": entry["movie_id"], "kind": "watchlist", "occurred_at": 1_000_000_000 + at}
        for at, entry in enumerate(wanted)
    ]
    httpx.post(f"{address}/events", json={"events": told}).raise_for_status()
    page = visit()
    page.route("**/watchlist?*", lambda route: route.continue_(url=re.sub(r"limit=\d+", "limit=2", route.request.url)))

    page.goto(f"{address}/?user=1")

    for entry in wanted:
        button = page.locator("#list").get_by_role("button", name=f"Take {entry['display_title']} off the watch list")
        expect(button).to_be_visible()
    oldest = wanted[0]["display_title"]
    page.locator("#list").get_by_role("button", name=f"Take {oldest} off the watch list", exact=True).click()
    expect(page.get_by_role("status").filter(has_text=f"{oldest} is off the watch list")).to_be_visible()
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_role("status").filter(has_text=f"{oldest} is on the watch list")).to_be_visible()
    assert sorted(listed(address, 1)) == sorted(entry["display_title"] for entry in wanted)


def test_a_clock_that_is_wrong_tells_of_the_right_times(visit: Visit, address: str) -> None:
    page = visit()
    page.add_init_script("const now = Date.now; Date.now = () => now() + 2 * 24 * 3600 * 1000")

    with page.expect_response(re.compile("/events")) as told:
        page.goto(f"{address}/?user=1")

    assert told.value.status == 200
    shown = [event["occurred_at"] for event in events(address)]
    assert shown
    assert max(shown) <= time.time()
    assert min(shown) > time.time() - 30


def test_both_can_be_undone(visit: Visit, address: str) -> None:
    page = visit(user=1)
    rows = movies(page, "recommendations")
    expect(rows).to_have_count(10)
    before = titles(rows)
    first = recommended(address, 1)[0]["display_title"]

    dismiss(page, first)
    expect(rows.locator(".title-text").get_by_text(first, exact=True)).to_have_count(0)
    page.get_by_role("button", name="Undo").click()
    expect(rows.locator(".title-text").get_by_text(first, exact=True)).to_have_count(1)
    settled(page)
    assert titles(rows) == before


def test_what_is_of_no_interest_is_seen_and_taken_back_later(visit: Visit, address: str) -> None:
    entry = recommended(address, 1)[0]
    page = visit(user=1)
    page.goto(f"{address}/?user=1&movie={entry['movie_id']}")
    button = page.locator("#movie-dismissed")
    expect(button).to_have_attribute("aria-pressed", "false")

    button.click()
    expect(button).to_have_attribute("aria-pressed", "true")
    page.get_by_role("link", name="To the list").click()
    page.get_by_role("searchbox").fill(entry["display_title"])
    found = movies(page, "results").filter(has_text=entry["display_title"]).first
    expect(found.locator("[data-dismiss]")).to_have_attribute("aria-pressed", "true")
    page.wait_for_timeout(700)  # a click that comes sooner after the rows have moved was meant for another one
    found.locator("[data-dismiss]").click()

    expect(found.locator("[data-dismiss]")).to_have_attribute("aria-pressed", "false")
    assert entry["movie_id"] in [one["movie_id"] for one in recommended(address, 1)]
    page.go_back()
    expect(button).to_have_attribute("aria-pressed", "false")


def test_a_movie_is_marked_in_its_own_view(visit: Visit, address: str) -> None:
    entry = recommended(address, 1)[0]
    page = visit(user=1)
    page.goto(f"{address}/?user=1&movie={entry['movie_id']}")

    page.locator("#movie-listed").click()
    expect(page.locator("#movie-listed")).to_have_text("On the watch list")
    page.locator("#movie-dismissed").click()
    expect(page.locator("#toast")).to_contain_text("will not be recommended")
    assert listed(address, 1) == [entry["display_title"]]
    assert entry["movie_id"] not in [one["movie_id"] for one in recommended(address, 1, limit=100)]


def test_the_page_says_what_came_into_sight_and_what_was_opened_of_its_list(visit: Visit, address: str) -> None:
    page = visit()
    with page.expect_response(re.compile("/events")):
        page.goto(f"{address}/?user=1")
    expect(movies(page, "recommendations")).to_have_count(10)
    first = recommended(address, 1)[0]
    with page.expect_response(re.compile("/events")):
        page.get_by_role("link", name=first["display_title"], exact=True).first.click()

    told = events(address)
    (click,) = [event for event in told if event["kind"] == "click"]
    shown = {event["movie_id"]: event for event in told if event["kind"] == "impression"}
    assert 1 <= len(shown) <= 10
    assert (shown[first["movie_id"]]["position"], click["movie_id"]) == (1, first["movie_id"])
    assert {event["recommendation_id"] for event in told} == {click["recommendation_id"]}
    assert click["recommendation_id"] is not None
    measured = httpx.get(f"{address}/model/online").json()["overall"]
    assert (measured["lists"], measured["list_hit_rate"]["value"]) == (1, 1)


def test_a_mark_names_the_list_in_which_it_was_made(visit: Visit, address: str) -> None:
    page = visit(user=1)
    rows = movies(page, "recommendations")
    expect(rows).to_have_count(10)
    before = {entry["movie_id"] for entry in recommended(address, 1)}
    with page.expect_response(re.compile("/recommendations")) as newer:
        star(rows.first, "4.5 stars").click()
        move_away(page)
    newest = newer.value.json()
    staying = (entry for entry in newest["recommendations"] if entry["movie_id"] in before)
    stays = next(staying)["display_title"]
    expect(rows.locator(".title-text")).to_have_text([one["display_title"] for one in newest["recommendations"]])

    page.wait_for_timeout(700)  # a click that comes sooner after the rows have moved was meant for another one
    page.locator("#list").get_by_role("button", name=f"Put {stays} on the watch list", exact=True).click()
    expect(page.locator("#list").get_by_role("button", name=f"Take {stays} off the watch list")).to_be_visible()

    (told,) = [event for event in events(address) if event["kind"] == "watchlist"]
    assert told["recommendation_id"] == newest["recommendation_id"]


def test_the_served_lists_are_spoken_of_from_the_first_day_to_the_last(visit: Visit, address: str) -> None:
    value = {"value": 0.5, "low": 0.4, "high": 0.6}
    days = [("a", "2026-11-03", 0.3), ("b", "2026-11-01", 0.1), ("b", "2026-11-02", 0.2)]
    by_day = [{"model": model, "day": day, "lists": 5, "list_hit_rate": y, "ndcg": y} for model, day, y in days]
    overall = {"lists": 15, "users": 9, "list_hit_rate": value}
    online = {"days": 30, "overall": overall, "by_model": [{}, {}], "by_day": by_day, "comparison": None}
    page = visit(user=1)
    page.route("**/model/online", lambda route: route.fulfill(json=online))

    page.get_by_role("link", name="Model", exact=True).click()

    said = re.compile("share of lists by day, 0.100 on 2026-11-01, 0.300 on 2026-11-03")
    expect(page.locator("#online").get_by_role("img").first).to_have_accessible_name(said)


def test_the_view_of_the_model_shows_the_served_lists_over_days_beside_the_offline_figures(
    visit: Visit, address: str
) -> None:
    page = visit(user=1)
    page.goto(f"{address}/?view=model&user=1")
    expect(page.locator("#card .curve").first).to_be_visible()
    expect(page.locator("#online")).to_be_empty()

    answer = httpx.get(f"{address}/users/1/recommendations").json()
    first = answer["recommendations"][0]["movie_id"]
    shown = {"user_id": 1, "movie_id": first, "recommendation_id": answer["recommendation_id"]}
    told = [{**shown, "kind": "impression"}, {**shown, "kind": "click"}]
    assert httpx.post(f"{address}/events", json={"events": told}).status_code == 200
    httpx.get(f"{address}/model/online", params={"days": 29})  # another question: nothing is answered from memory
    page.reload()

    section = page.locator("#online")
    expect(section.get_by_text("1 list of 1 user were shown", exact=False)).to_be_visible()
    hits, places = section.get_by_role("img").all()
    expect(hits).to_have_accessible_name(re.compile(r"^Lists with a hit: share of lists by day, 1.000 on .*HR@10"))
    expect(places).to_have_accessible_name(re.compile("NDCG@10, held-out users"))
    section.get_by_text("As a table").first.click()
    expect(section.locator("tbody").first.get_by_role("row")).to_have_count(1)


def test_a_watch_list_is_shown_without_predictions_where_there_are_none(visit: Visit, address: str) -> None:
    wanted = recommended(address, 1)[0]
    told = {"user_id": 1, "movie_id": wanted["movie_id"], "kind": "watchlist"}
    httpx.post(f"{address}/events", json={"events": [told]})
    page = visit(refused=True)
    page.route(
        "**/predict", lambda route: route.fulfill(status=503, json={"code": "overloaded", "detail": "Too much."})
    )

    page.goto(f"{address}/?view=watchlist&user=1")

    expect_movies(movies(page, "watchlist-movies"), [wanted])
