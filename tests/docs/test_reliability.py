"""The page of figures that `make soak` writes."""

import re

import pytest
import reliability
from documents import ROOT


def test_a_row_has_its_figures_in_the_columns_of_its_table() -> None:
    rows: list[dict[str, int | str]] = [
        {"table": "faults", "what": "kills", "database": "sqlite", "kills": 20, "writes acknowledged": 2500}
    ]

    page = reliability.document(rows, ", here")

    assert "| kills | sqlite |  | 20 |  |  |  |  | 2,500 |  |\n" in page
    assert "its own last run, here." in page


def test_a_figure_without_a_column_is_refused() -> None:
    with pytest.raises(ValueError, match="no column: answers"):
        reliability.record("anything", answers=5)


def test_the_page_is_one_that_a_run_has_written_with_todays_text() -> None:
    page = reliability.DOCUMENT.read_text()

    for part in re.split(r"\{\w+\}", reliability.TEXT):
        assert part.strip() in page, "run: make soak"
    assert page.count("| postgresql |") >= 3


def test_the_tests_that_the_page_names_are_there() -> None:
    for path in re.findall(r"`(tests/\S+)`", reliability.TEXT):
        assert (ROOT / path).exists(), path
