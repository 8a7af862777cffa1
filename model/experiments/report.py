"""Writes the report: README.md, results.json and the figures, from the results that are available."""

import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from model.data.dataset import MovieLens
from model.data.summary import ratings_per_movie, ratings_per_user
from model.errors import SettingsError
from model.experiments.figures import draw_imbalance
from model.experiments.plan import Plan
from model.experiments.results import Result
from model.experiments.runs import RunStore
from model.experiments.sections import IMBALANCE_FIGURE, SECTIONS, Findings, introduction
from model.experiments.tables import summary_table
from model.files import atomic_write

BEGIN, END = "<!-- results: written by seqrec experiments paper -->", "<!-- end of results -->"
"""The summary of the results stands between these marks in a README."""


def write_report(folder: Path, data: MovieLens, store: RunStore, plan: Plan, readme: Path | None = None) -> None:
    """Write every section, also those that have no results yet; their figures are left out.

    If a ``readme`` is given, it gets the summary; see `write_summary`.
    """
    findings = Findings.collect(data, store, plan)
    draw_imbalance(folder / IMBALANCE_FIGURE, ratings_per_user(data), ratings_per_movie(data))
    sections = [section(findings, folder) for section in SECTIONS]
    write_text(folder / "README.md", "\n".join([introduction(findings), *sections]))
    write_text(folder / "results.json", _to_json(findings))
    if readme is not None:
        write_summary(readme, findings.models)


def write_summary(readme: Path, results: Iterable[Result]) -> None:
    """Write the summary table into a Markdown file, between its two marks."""
    before, after = around_summary(readme)
    write_text(readme, f"{before}{BEGIN}\n{summary_table(results)}{END}{after}")


def around_summary(readme: Path, begin: str = BEGIN, end: str = END) -> tuple[str, str]:
    """The text before and after the marks; `SettingsError` unless the file has each mark once, in this order."""
    parts = readme.read_text(encoding="utf-8").split(begin)
    before, (_, *after) = parts[0], parts[-1].split(end)
    if len(parts) != 2 or len(after) != 1:
        raise SettingsError(f"{readme} has no single place for the table, between {begin} and {end}.")
    return before, after[0]


def write_text(path: Path, text: str) -> None:
    with atomic_write(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _to_json(findings: Findings) -> str:
    record = {
        "data": findings.data.model_dump(mode="json"),
        "imbalance": findings.imbalance.model_dump(mode="json"),
        "models": [result.model_dump(mode="json") for result in findings.models],
        "ablations": [
            {**ablation._asdict(), "result": result.model_dump(mode="json")} for ablation, result in findings.ablations
        ],
        "variants": [
            {
                **asdict(variant),
                "result": result.model_dump(mode="json"),
                "change": comparison.model_dump(mode="json"),
            }
            for variant, result, comparison in findings.variants
        ],
        "comparisons": [comparison.model_dump(mode="json") for comparison in findings.comparisons],
    }
    return json.dumps(record, indent=2) + "\n"
