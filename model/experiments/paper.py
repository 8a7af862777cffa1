"""Reproduces the tables and figures of the SeqRec paper (McGill University, 2022), and adds some of its own."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from model.data.dataset import MovieLens
from model.errors import UnknownNameError
from model.experiments.plan import Plan, find_results
from model.experiments.report import around_summary, write_report
from model.experiments.runs import Run, RunStore
from model.training.context import TrainingContext

PARTS = ("table-4", "table-5", "variants", "other-splits")
"""The parts that train models. Everything else is computed from the data or from the results of these parts."""

OnLine = Callable[[str], None]
"""Called with a line of text at the start of each run."""


def reproduce(
    folder: Path,
    data: MovieLens,
    context: TrainingContext,
    plan: Plan,
    parts: Sequence[str] = PARTS,
    on_line: OnLine = lambda _: None,
    readme: Path | None = None,
) -> None:
    """Execute the runs that the folder has no result of, then write the report of all results, earlier ones included.

    The report's summary goes into ``readme``, if given.

    An interruption loses the current epoch only: results stay in the folder, and so do the checkpoints until all runs
    are finished.
    """
    require_parts(parts)
    if readme is not None:
        around_summary(readme)  # fails now rather than after hours of training
    checkpoints = folder / ".checkpoints"
    store = RunStore(folder, data, replace(context, checkpoints=checkpoints, resume=True))
    execute_parts(store, plan, parts, on_line)
    write_report(folder, data, store, replace(plan, models=None), readme)
    store.context.discard_checkpoints()
    with suppress(OSError):  # not empty: it holds the checkpoints of another run, interrupted or still in progress
        checkpoints.rmdir()


def require_parts(parts: Iterable[str]) -> None:
    """Raise `UnknownNameError` unless these are all parts of the experiment."""
    for part in parts:
        if part not in PARTS:
            raise UnknownNameError("part", part, PARTS)


def execute_parts(store: RunStore, plan: Plan, parts: Sequence[str], on_line: OnLine = lambda _: None) -> None:
    """Execute the runs of these parts that have no cached result."""
    if "table-4" in parts:
        _execute_runs("table-4", store, plan.table_4(), on_line)
    if "table-5" in parts:
        _execute_runs("table-5", store, [run for _, run in plan.table_5()], on_line)
    if "variants" in parts:
        _compare_runs("variants", store, [(varied, unchanged) for _, varied, unchanged in plan.variants()], on_line)
    if "other-splits" in parts:
        results = find_results(store, plan.table_4())
        _compare_runs("other-splits", store, plan.comparisons(results), on_line)


def _execute_runs(part: str, store: RunStore, runs: Sequence[Run], on_line: OnLine) -> None:
    for number, run in enumerate(runs, start=1):
        on_line(f"{part}, {number} of {len(runs)}: {run.title}")
        result = store.get(run)
        if result.missing is not None:
            on_line(f"{run.model} was not run: {result.missing}")


def _compare_runs(part: str, store: RunStore, pairs: Sequence[tuple[Run, Run]], on_line: OnLine) -> None:
    for number, (first, second) in enumerate(pairs, start=1):
        on_line(f"{part}, {number} of {len(pairs)}: {first.title}, against {second.model}")
        store.compare(first, second)
