"""What a fingerprint tells apart, and that no kept result is older than the code that it names."""

import json
import shutil
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from model.baselines.lists import ItemKnn
from model.baselines.registry import TASKS
from model.experiments.lists.runs import load_results
from model.experiments.plan import Plan
from model.experiments.provenance import Fingerprint, fingerprint
from model.experiments.results import Result, read_record
from model.factorization import bias, gibbs
from model.features.users import Profile, encode_profiles
from model.training import ranking_task
from model.types import FloatArray

RESULTS = Path(__file__).parents[3] / "docs" / "results"


def taken(task: str, model: str, protocol: str) -> Fingerprint:
    return fingerprint(lambda context: TASKS[task].build(model, context, protocol), protocol, task)


of_today = cache(taken)


def outdated(folder: Path) -> Iterator[str]:
    """The kept results whose model does something else today."""
    plan = Plan()
    runs = {run.model: run for run in [*plan.table_4(), *(run for _, run in plan.table_5())]}
    runs |= {run.model: run for _, run, _ in plan.variants()}
    for file in sorted((folder / "rows").glob("*.json")):
        kept = read_record(file, Result)
        if kept is not None and kept.made_by is not None:
            today = cache(fingerprint)(runs[kept.model].build, kept.protocol, "rating")
            if not today.matches(kept.made_by.fingerprint):
                yield file.name
    for one in load_results(folder).own:
        name, protocol = one.evaluation.model, one.evaluation.protocol
        if one.made_by is not None and not of_today("ranking", name, protocol).matches(one.made_by.fingerprint):
            yield f"{protocol}-{name}"


def test_no_kept_result_is_older_than_the_code_that_it_names() -> None:
    assert list(outdated(RESULTS)) == []


def test_a_kept_result_of_other_code_is_named(tmp_path: Path) -> None:
    for folder in ("rows", "lists"):
        shutil.copytree(RESULTS / folder, tmp_path / folder)
    for file in (tmp_path / "rows" / "bias_paper_1_2.json", tmp_path / "lists" / "user-split-item-knn.json"):
        record = json.loads(file.read_text())
        record["made_by"]["fingerprint"]["quality"] *= 1.01
        file.write_text(json.dumps(record))

    assert list(outdated(tmp_path)) == ["bias_paper_1_2.json", "user-split-item-knn"]


@pytest.mark.parametrize(
    ("task", "model", "protocol"), [("ranking", "seqrec", "leave-one-out"), ("rating", "seqrec-rating", "paper")]
)
def test_the_rounding_of_another_machine_passes(
    task: str, model: str, protocol: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def rounded(profiles: Sequence[Profile]) -> FloatArray:
        exact = encode_profiles(profiles)
        return exact * np.random.default_rng(0).normal(1, 1e-5, exact.shape).astype(np.float32)

    expected = of_today(task, model, protocol)
    monkeypatch.setattr("model.data.sequences.encode_profiles", rounded)

    other = taken(task, model, protocol)

    assert other != expected
    assert other.matches(expected)


@pytest.mark.parametrize(
    ("task", "model", "protocol", "change"),
    [
        pytest.param("rating", "movie-mean", "paper", (bias, "MOVIE_SHRINKAGE", 5.5), id="shrinkage of movies"),
        pytest.param("ranking", "item-knn", "user-split", (ItemKnn, "shrinkage", 21.0), id="shrinkage of similarities"),
        pytest.param("ranking", "seqrec", "user-split", (ranking_task, "LATEST", 0.6), id="windows at the end"),
        pytest.param("rating", "seqrec-rating", "paper", (gibbs, "WEIGHT_STRENGTH", 12.0), id="prior of the factors"),
    ],
)
def test_a_changed_recipe_fails(
    task: str, model: str, protocol: str, change: tuple[object, str, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = of_today(task, model, protocol)

    monkeypatch.setattr(*change)

    assert not taken(task, model, protocol).matches(before)
