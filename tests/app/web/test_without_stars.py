"""The page of a service without stars: likes in their place."""

import re

import pytest
from browsing import DROP, Held, Visit, contrast, movies, rated, settled, start_as_a_new_user
from playwright.sync_api import expect

from model.data.dataset import MovieLens
from model.inference.scorer import Scorer


@pytest.fixture(scope="module")
def sample(likes: MovieLens) -> MovieLens:
    return likes


@pytest.fixture(scope="module")
def scorer(scorer_of_likes: Scorer) -> Scorer:
    return scorer_of_likes


def test_a_movie_is_liked_and_stands_in_the_history_without_stars(visit: Visit) -> None:
    page = visit(1)
    first = page.locator("#recommendations > li").first
    title = first.locator(".title-text").inner_text()
    expect(first.locator(".stars")).to_be_hidden()

    first.get_by_role("button", name=f"Like {title}", exact=True).click()

    expect(page.locator("#recommendations .title-text", has_text=title)).to_have_count(0)
    newest = page.locator("#ratings > li").first
    expect(newest.locator(".title-text")).to_have_text(title)
    liked = newest.get_by_role("button", name=f"Like {title}")
    expect(liked).to_have_attribute("aria-pressed", "true")
    assert contrast(liked) >= 4.5
    expect(newest.locator(".stars, .rating-number")).to_have_count(2)
    for part in newest.locator(".stars, .rating-number").all():
        expect(part).to_be_hidden()

    liked.click()
    expect(page.locator("#recommendations .title-text").first).to_have_text(title)


def test_a_movie_that_was_watched_leaves_the_list(visit: Visit) -> None:
    page = visit(2)
    first = page.locator("#recommendations > li").first
    title = first.locator(".title-text").inner_text()

    first.get_by_role("button", name=f"You have watched {title}", exact=True).click()

    expect(page.locator("#recommendations .title-text", has_text=title)).to_have_count(0)


def test_undo_brings_back_a_like_that_is_not_among_the_loaded_ones(visit: Visit, address: str) -> None:
    page = visit(2)
    expect(movies(page, "ratings")).to_have_count(10)
    before = rated(address, 2)
    title = before[10]["display_title"]
    page.get_by_role("searchbox").fill(title)
    found = movies(page, "results").filter(has_text=title).first

    found.get_by_role("button", name=f"Like {title}", exact=True).click()
    said = page.get_by_role("status").filter(has_text=f"{title}: liked.")
    expect(said).to_be_visible()
    assert rated(address, 2)[0]["display_title"] == title
    with page.expect_response(lambda answer: answer.request.method in ("PUT", "DELETE")):
        page.get_by_role("button", name="Undo").click()

    assert rated(address, 2) == before


def test_nothing_on_the_page_speaks_of_predicted_stars(visit: Visit) -> None:
    page = visit(3)
    expect(page.locator("#recommendations > li")).not_to_have_count(0)

    for part in ("#taste", "#legend", "[name=rank_by][value=rating]"):
        expect(page.locator(part)).to_be_hidden()
    page.locator("#query").fill("the")
    expect(page.locator("#results > li")).not_to_have_count(0)
    page.get_by_role("link", name="Model").first.click()
    card = page.locator("#card")
    expect(card).to_contain_text("Quality of the lists")
    expect(card).not_to_contain_text("stars")
    expect(page.locator("#model-words")).to_contain_text("likes by 120 people")


def test_nothing_on_the_page_speaks_of_ratings(visit: Visit, address: str) -> None:
    page = visit()
    card = Held(page, "**/model")
    page.reload()
    start_as_a_new_user(page)
    expect(page.get_by_text("No ratings yet.")).to_be_visible()

    card.let_go()  # what was said before is said anew

    expect(page.get_by_role("heading", name="Choose a few movies that you like")).to_be_visible()
    expect(page.get_by_role("heading", name="Find and like")).to_be_visible()
    expect(page.get_by_text("No likes yet.")).to_be_visible()
    expect(page.locator("#list-basis")).to_contain_text("nothing is known of you yet. Like a movie")
    for place in ("?user=1", "?user=1&movie=1", "?view=start"):
        page.goto(f"{address}/{place}")
        expect(page.locator("html")).to_have_attribute("data-feedback", "likes")
        page.wait_for_load_state("networkidle")
        assert "rating" not in page.locator("main").inner_text().lower()
        assert "stars" not in page.locator("main").inner_text().lower()
    expect(page.get_by_role("heading", level=1)).to_have_text("What to watch next, from\u00a0what you\u00a0liked.")


def test_the_likes_that_speak_for_a_movie_are_said_in_one_go(visit: Visit) -> None:
    page = visit(1)
    reasons = page.locator("#recommendations .reasons").first

    expect(reasons).to_have_text(re.compile("^because you liked "))

    assert reasons.locator("cite").count() > 1
    assert reasons.inner_text().count("you liked") == 1


def test_no_stars_are_asked_for_before_the_card_says_that_there_are_none(visit: Visit, address: str) -> None:
    page = visit()
    card = Held(page, "**/model")
    page.goto(f"{address}/?user=1&movie=1")
    expect(page.locator("#movie-title")).not_to_be_empty()

    card.let_go()

    expect(movies(page, "similar-movies")).to_have_count(12)
    settled(page, "movie")
    expect(page.get_by_text("can be shown.")).to_have_count(0)


def test_ratings_of_other_sites_are_not_asked_for_and_a_dropped_file_is_told_so(visit: Visit) -> None:
    page = visit()
    start_as_a_new_user(page)
    expect(page.locator("#first-steps")).to_be_visible()
    expect(page.locator("#first-steps [data-bring]")).to_be_hidden()

    page.evaluate(DROP, ["mine.csv", "title,year,rating\nNo Such Film,1931,4\n"])

    expect(page.get_by_role("status").filter(has_text="This service has no stars")).to_be_visible()


def test_a_card_that_comes_late_takes_the_stars_out_of_the_words_too(visit: Visit, address: str) -> None:
    page = visit(refused=True)
    page.route("**/model", lambda route: route.fulfill(status=503, json={"code": "not_ready", "detail": "Not yet."}))
    page.goto(f"{address}/?view=model&user=1")
    again = page.locator("#model").get_by_role("button", name="Try again")
    expect(again).to_be_visible()
    page.unroute("**/model")

    again.click()

    expect(page.locator("html")).to_have_attribute("data-feedback", "likes")
    expect(page.get_by_role("heading", name="Find and like", include_hidden=True)).to_have_count(1)
