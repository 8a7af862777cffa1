"""The page of a service without stars: likes in their place."""

import pytest
from browsing import Visit, contrast
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
