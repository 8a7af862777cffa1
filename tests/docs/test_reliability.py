"""The page of figures that `make soak` writes."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
import reliability
from documents import ROOT


def test_a_row_has_its_figures_in_the_columns_of_its_table() -> None:
    rows: list[dict[str, int | str]] = [
        {"table": "faults", "what": "kills", "database": "sqlite", "kills": 20, "writes acknowledged": 2500}
    ]

    page = reliability.document(rows, "this machine")

    assert "| kills | sqlite |  | 20 |  |  |  |  | 2,500 |  |  |\n" in page
    assert "makes this page, here on this machine." in page


def test_a_row_has_the_date_of_its_own_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reliability, "RECORD", tmp_path / "record.jsonl")
    before = {"table": "faults", "what": "cuts", "date": "2026-11-28"}
    reliability.RECORD.write_text(json.dumps(before) + "\n")
    earliest = f"{datetime.now(UTC):%Y-%m-%d}"
    reliability.record("kills", kills=20)

    rows = [json.loads(line) for line in reliability.RECORD.read_text().splitlines()]
    assert rows[1]["date"] in {earliest, f"{datetime.now(UTC):%Y-%m-%d}"}
    assert "|  | 2026-11-28 |\n" in reliability.document(rows, "this machine")


def test_a_figure_without_a_column_is_refused() -> None:
    with pytest.raises(ValueError, match="no column: answers"):
        reliability.record("anything", answers=5)


def test_the_page_is_one_that_a_run_has_written_with_todays_text() -> None:
    page = reliability.DOCUMENT.read_text()

    for part in re.split(r"\{\w+\}", reliability.TEXT):
        assert part.strip() in page, "run: make soak"
    assert page.count("| postgresql |") >= 3
    rows = [line for line in page.splitlines() if re.search(r"\| (sqlite|postgresql) \|", line)]
    assert all(re.search(r"\| \d{4}-\d\d-\d\d \|$", row) for row in rows)
    assert page.splitlines()[-1] in rows, "what follows the last row was written by hand"


def test_the_tests_that_the_page_names_are_there() -> None:
    for path in re.findall(r"`(tests/\S+)`", reliability.TEXT):
        assert (ROOT / path).exists(), path
