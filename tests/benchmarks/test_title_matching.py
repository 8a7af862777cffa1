"""The measurement of titles of other sites, on made titles."""

import random
from pathlib import Path

import pytest

from app.services.rating_import.matching import TitleMatcher
from app.storage.movies import MovieRecord
from benchmarks.title_matching import DAMAGES, Asked, absent, all_together, catalogue, measure, report
from model.features.catalogue import year_of

MADE = (
    *("Silent Orchard, The (1971)", "Orchard of Stones II (1980)", "Lune, La (The Moon) (1965)", "Salt & Sand (1990)"),
    *(
        "Café of the Lost (1988)",
        "Captain's Daughter, The (1944)",
        "Ember: A Story of Fire (1999)",
        "Nine Lanterns (1955)",
    ),
)
MOVIES = [MovieRecord(id_, title, year_of(title), (), False) for id_, title in enumerate(MADE, start=1)]


@pytest.mark.parametrize(
    ("damage", "title", "damaged"),
    [
        ("article at the end", "The Matrix", "Matrix, The"),
        ("accents lost", "Café", "Cafe"),
        ("punctuation lost", "Captain's Daughter: II", "Captains Daughter II"),
        ("`&` and \u201cand\u201d", "Salt & Sand", "Salt and Sand"),
        ("Roman and Arabic numbers", "Rocky III", "Rocky 3"),
        ("name in brackets alone", "The Moon (La Lune)", "La Lune"),
        ("name in brackets left out", "The Moon (La Lune)", "The Moon"),
    ],
)
def test_a_title_is_damaged_as_the_row_says(damage: str, title: str, damaged: str) -> None:
    assert DAMAGES[damage](Asked(title, 2000), random.Random(0)) == Asked(damaged, 2000)


def test_made_titles_are_found_in_every_damage_and_none_that_is_not_there() -> None:
    matcher = TitleMatcher(MOVIES)
    found = measure(matcher, MOVIES, all_together, there=True)

    assert (found.precision, found.recall) == (1, 1)
    assert absent(MOVIES, all_together, same_from=88).wrong == 0


def test_a_matcher_that_takes_anything_is_found_out() -> None:
    assert absent(MOVIES, all_together, same_from=0).asked == len(MOVIES)
    careless = measure(
        TitleMatcher(MOVIES, same_from=0), MOVIES[:1], lambda *_: Asked("Orchards of Stone II", 1980), there=True
    )

    assert careless.wrong == 1


def test_the_page_has_a_row_for_every_damage(sample_folder: Path) -> None:
    page = report(catalogue(sample_folder)[:40])

    assert all(f"| {name} |" in page for name in DAMAGES)
    assert "| **88** |" in page
