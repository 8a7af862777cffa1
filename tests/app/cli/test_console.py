"""How progress is printed, on a terminal and elsewhere."""

import io

import pytest
from rich.console import Console

from app.cli import console
from app.cli.console import BarReporter, LineReporter


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """What a terminal is sent."""
    written = io.StringIO()
    monkeypatch.setattr(console, "console", Console(file=written, force_terminal=True, width=100, color_system=None))
    return written


def stages(reporter: BarReporter) -> list[str]:
    return [] if reporter._bars is None else [task.description for task in reporter._bars.tasks]


def test_each_stage_has_a_bar_and_a_headline_removes_the_bars_before_it(screen: io.StringIO) -> None:
    reporter = BarReporter()
    reporter.progress("titles encoded", 1, 2)
    reporter.progress("titles encoded", 2, 2)
    reporter.progress("factorization", 1, 2)
    assert stages(reporter) == ["titles encoded", "factorization"]

    reporter.headline("the next run")
    reporter.progress("factorization", 2, 2)
    assert stages(reporter) == ["factorization"]
    reporter.close()
    assert "the next run" in screen.getvalue()


def test_the_bar_of_an_epoch_becomes_a_line_when_the_next_one_begins(screen: io.StringIO) -> None:
    reporter = BarReporter()
    reporter.progress("factorization", 2, 2)
    for epoch in range(1, 41):  # more than a screen has lines
        reporter.progress(f"stars, epoch {epoch}/40", 10, 10)
        reporter.progress(f"lists, epoch {epoch}/40", 2000, 2000, f"NDCG@10 0.{epoch:04}")
    assert stages(reporter) == ["factorization", "stars, epoch 40/40", "lists, epoch 40/40"]
    reporter.close()

    lines = [line.strip() for line in screen.getvalue().splitlines()]
    for epoch in range(1, 40):
        assert any(line.endswith(f"lists, epoch {epoch}/40: 2,000 of 2,000, NDCG@10 0.{epoch:04}") for line in lines)


def test_a_stage_that_begins_again_has_a_new_bar(screen: io.StringIO) -> None:
    reporter = BarReporter()
    reporter.progress("epoch", 2, 2)
    reporter.progress("epoch", 1, 2)
    assert stages(reporter) == ["epoch", "epoch"]
    reporter.close()


def test_a_message_is_printed_after_the_bars_before_it(screen: io.StringIO) -> None:
    reporter = BarReporter()
    reporter.progress("titles encoded", 2, 2)
    reporter.message("done")
    reporter.close()

    written = screen.getvalue()
    assert written.rindex("titles encoded") < written.rindex("done")


def test_without_a_terminal_the_end_of_a_stage_is_a_line(screen: io.StringIO) -> None:
    reporter = LineReporter()
    reporter.progress("ratings", 1, 2000)
    reporter.progress("ratings", 2000, 2000, "no problems")

    assert screen.getvalue() == "  ratings: 2,000 of 2,000, no problems\n"
