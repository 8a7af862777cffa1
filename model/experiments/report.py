"""What the experiment leaves for readers: README.md, results.json and figures, from the results that are there."""

import json
from dataclasses import asdict
from pathlib import Path

from model.experiments.figures import draw_imbalance
from model.experiments.findings import Findings
from model.experiments.imbalance import ratings_per_movie, ratings_per_user
from model.experiments.plan import Plan
from model.experiments.rows import Rows
from model.experiments.sections import IMBALANCE_FIGURE, SECTIONS, head
from model.experiments.storage import write_text
from model.movielens import MovieLens


def write_report(folder: Path, data: MovieLens, rows: Rows, plan: Plan) -> None:
    """Write everything that can be shown of the results so far; a figure without results is left out."""
    findings = Findings.gathered(data, rows, plan)
    draw_imbalance(folder / IMBALANCE_FIGURE, ratings_per_user(data), ratings_per_movie(data))
    sections = [section(findings, folder) for section in SECTIONS]
    write_text(folder / "README.md", "\n".join([head(findings), *sections]))
    write_text(folder / "results.json", _as_json(findings))


def _as_json(findings: Findings) -> str:
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
