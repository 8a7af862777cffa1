"""Rules for the lines of data files, and the lines that break them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import polars as pl

from model.errors import DataError

PROBLEMS_IN_MESSAGE = 5
"""The first problems of a data set; the error message counts the others."""


@dataclass(frozen=True)
class Rule:
    """A condition on every line, and the complaint about a line that breaks it. A condition that is null is broken."""

    holds: pl.Expr
    complaint: str


class Problem(NamedTuple):
    """A bad line: its file, its number from 1 on, what is wrong with it, and its text."""

    path: Path
    line: int
    complaint: str
    text: str

    def __str__(self) -> str:
        return f"{self.path}, line {self.line}: {self.complaint}: {self.text!r}"


class Problems:
    """The bad lines of a data set, by file and line, each with the first rule that it breaks."""

    def __init__(self) -> None:
        self._bad_lines: list[tuple[Path, pl.DataFrame]] = []

    def check(self, path: Path, lines: pl.DataFrame, rules: Sequence[Rule]) -> None:
        """Add the lines that break a rule; ``lines`` has the columns ``number``, ``line`` and those the rules read."""
        verdicts = lines.select(
            "number", "line", *(rule.holds.fill_null(False).alias(rule.complaint) for rule in rules)
        )
        bad = verdicts.filter(~pl.all_horizontal(rule.complaint for rule in rules))
        # In the order of the rules, so that the first complaint that is not null is that of the first broken rule.
        complaint = pl.coalesce(pl.when(~pl.col(rule.complaint)).then(pl.lit(rule.complaint)) for rule in rules)
        self._bad_lines.append((path, bad.select("number", "line", complaint=complaint)))

    def __len__(self) -> int:
        return sum(len(bad) for _, bad in self._bad_lines)

    def __iter__(self) -> Iterator[Problem]:
        for path, bad in self._bad_lines:
            for row in bad.iter_rows(named=True):
                yield Problem(path, row["number"], row["complaint"], row["line"])

    def refuse(self, advice: str) -> None:
        """Raise `DataError` with the first `PROBLEMS_IN_MESSAGE` and the advice, if there are any."""
        if not len(self):
            return
        first = [str(problem) for problem in islice(self, PROBLEMS_IN_MESSAGE)]
        more = len(self) - len(first)
        raise DataError("\n".join([*first, *([f"and {more:,} more bad lines"] if more else []), advice]))
