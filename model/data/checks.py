"""What must hold of every line of a data file, and the lines of which it does not."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import polars as pl

from model.errors import DataError

PROBLEMS_SHOWN = 5
"""Of the problems of a data set, when it is refused."""


@dataclass(frozen=True)
class Rule:
    """What must hold in every row (``holds``; null does not hold), and what to say of a row where it does not."""

    holds: pl.Expr
    complaint: str


class Problem(NamedTuple):
    """A bad line: where it stands, the first line being 1, what is wrong with it, and what it says."""

    path: Path
    line: int
    complaint: str
    text: str

    def __str__(self) -> str:
        return f"{self.path}, line {self.line}: {self.complaint}: {self.text!r}"


class Problems:
    """The bad lines of a data set, file by file, each file's in order; of each line, the first rule that it breaks."""

    def __init__(self) -> None:
        self._found: list[tuple[Path, pl.DataFrame]] = []

    def check(self, path: Path, rows: pl.DataFrame, rules: Sequence[Rule]) -> None:
        """Add the rows that break a rule; ``rows`` have their ``number``, their ``line`` and what the rules read."""
        verdicts = rows.select("number", "line", *(rule.holds.fill_null(False).alias(rule.complaint) for rule in rules))
        bad = verdicts.filter(~pl.all_horizontal(rule.complaint for rule in rules))
        complaint = pl.coalesce(pl.when(~pl.col(rule.complaint)).then(pl.lit(rule.complaint)) for rule in rules)
        self._found.append((path, bad.select("number", "line", complaint=complaint)))

    def __len__(self) -> int:
        return sum(len(bad) for _, bad in self._found)

    def __iter__(self) -> Iterator[Problem]:
        for path, bad in self._found:
            for row in bad.iter_rows(named=True):
                yield Problem(path, row["number"], row["complaint"], row["line"])

    def refuse(self) -> None:
        """Raise `DataError` with the first few, if there are any."""
        if not len(self):
            return
        shown = [str(problem) for problem in islice(self, PROBLEMS_SHOWN)]
        more = len(self) - len(shown)
        raise DataError("\n".join([*shown, *([f"and {more:,} more bad lines"] if more else [])]))
