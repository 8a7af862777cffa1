"""Reproduces the tables and figures of the SeqRec paper (McGill University, 2022), and some that it lacks."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from model.data.dataset import MovieLens
from model.errors import UnknownNameError
from model.experiments.comparisons import compare
from model.experiments.plan import Plan, found
from model.experiments.report import around_summary, write_report
from model.experiments.rows import Row, Rows
from model.training.context import TrainingContext

PARTS = ("table-4", "table-5", "variants", "other-splits")
"""What takes time. All else is computed from the data, or from the results of these parts."""

OnLine = Callable[[str], None]
"""Called with a line of text whenever something begins."""


def reproduce(
    folder: Path,
    data: MovieLens,
    context: TrainingContext,
    plan: Plan,
    parts: Sequence[str] = PARTS,
    on_line: OnLine = lambda _: None,
    readme: Path | None = None,
) -> None:
    """Run what is not in the folder yet, then write the report of everything that is, also of earlier runs.

    The report's summary goes into ``readme``, where one is given.

    An interruption costs the epoch that is being run: finished rows stay in the folder, and the row's own state until
    all is done.
    """
    require_parts(parts)
    if readme is not None:
        around_summary(readme)  # refused now, not after hours
    checkpoints = folder / ".checkpoints"
    rows = Rows(folder, data, replace(context, checkpoints=checkpoints, resume=True))
    run_parts(rows, plan, parts, on_line)
    write_report(folder, data, rows, replace(plan, models=None), readme)
    rows.context.discard_checkpoints()
    with suppress(OSError):  # not empty: the state of another run, which was interrupted or is still going on
        checkpoints.rmdir()


def require_parts(parts: Iterable[str]) -> None:
    """Raise `UnknownNameError` unless these are all parts of the experiment."""
    for part in parts:
        if part not in PARTS:
            raise UnknownNameError("part", part, PARTS)


def run_parts(rows: Rows, plan: Plan, parts: Sequence[str], on_line: OnLine = lambda _: None) -> None:
    """Run what the parts need and is not there yet; everything that is finished is kept in the rows' folder."""
    if "table-4" in parts:
        _run_rows("table-4", rows, plan.table_4(), on_line)
    if "table-5" in parts:
        _run_rows("table-5", rows, [row for _, row in plan.table_5()], on_line)
    if "variants" in parts:
        _compare_pairs("variants", rows, [(varied, whole) for _, varied, whole in plan.variants()], on_line)
    if "other-splits" in parts:
        _compare_pairs("other-splits", rows, plan.pairs(found(rows, plan.table_4())), on_line)


def _compare_pairs(part: str, rows: Rows, pairs: Sequence[tuple[Row, Row]], on_line: OnLine) -> None:
    for number, (first, second) in enumerate(pairs, start=1):
        on_line(f"{part}, {number} of {len(pairs)}: {first.title}, against {second.model}")
        compare(rows, first, second)


def _run_rows(part: str, rows: Rows, chosen: Sequence[Row], on_line: OnLine) -> None:
    for number, row in enumerate(chosen, start=1):
        on_line(f"{part}, {number} of {len(chosen)}: {row.title}")
        result = rows.run(row)
        if result.missing is not None:
            on_line(f"{row.model} was not run: {result.missing}")
