"""The results in docs/results stay valid: hours of measurement are not lost to a renamed field or setting.

A field that was renamed without a mapping in `model.legacy` makes these tests fail.
"""

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from builders import context_for

from model.baselines.registry import RANKING
from model.data.dataset import MovieLens
from model.experiments.lists.runs import MODELS, PROTOCOLS, is_cached, load_results, ranker_settings
from model.experiments.plan import OUR_MODEL, Plan, find_results
from model.experiments.runs import Run, RunStore
from model.features.catalogue import Catalogue
from model.training.context import TrainingContext

RESULTS = Path(__file__).parents[3] / "docs" / "results"
ML_1M_CHECKSUM = "7a674428d1944940002bca933ce4f2bd567e866ac0cc85674d3f442ca393d494"
ML_1M_MOVIES = 3_883


@pytest.fixture(scope="module")
def context(sample: MovieLens) -> TrainingContext:
    """As for MovieLens 1M: of the data, the models' settings hold nothing but the number of movies."""
    size = ML_1M_MOVIES
    catalogue = Catalogue(tuple(range(1, size + 1)), ("",) * size, ((),) * size, ())
    return replace(context_for(sample), catalogue=catalogue)


@pytest.fixture(scope="module")
def store(sample: MovieLens, context: TrainingContext) -> RunStore:
    return store_of(RESULTS, sample, context)


def store_of(folder: Path, sample: MovieLens, context: TrainingContext) -> RunStore:
    return RunStore(folder, replace(sample, checksum=ML_1M_CHECKSUM), context)


def all_comparisons(store: RunStore) -> list[tuple[Run, Run]]:
    plan = Plan()
    variants = [(varied, unchanged) for _, varied, unchanged in plan.variants()]
    return [*variants, *plan.comparisons(find_results(store, plan.table_4()))]


def all_runs(store: RunStore) -> Iterator[Run]:
    plan = Plan()
    yield from plan.table_4()
    yield from (run for _, run in plan.table_5())
    for pair in all_comparisons(store):
        yield from pair


def test_every_saved_result_is_that_of_a_run_of_today_with_the_same_settings(store: RunStore) -> None:
    found = {store.result_file(run) for run in all_runs(store) if store.find(run) is not None}
    found |= {store.comparison_file(*pair) for pair in all_comparisons(store) if store.find_comparison(*pair)}

    assert found == set((RESULTS / "rows").glob("*.json"))


@pytest.mark.parametrize(
    ("part", "holds"), [("ranking_training", True), ("training", False)], ids=["of lists", "of stars"]
)
def test_a_result_of_stars_holds_until_another_training_of_stars(
    part: str, holds: bool, sample: MovieLens, context: TrainingContext, tmp_path: Path
) -> None:
    shutil.copytree(RESULTS / "rows", tmp_path / "rows")
    store = store_of(tmp_path, sample, context)
    run = next(run for run in all_runs(store) if run.model == "seqrec" and store.find(run) is not None)
    record = json.loads(store.result_file(run).read_text())
    record["settings"]["preset"][part]["epochs"] = 99
    store.result_file(run).write_text(json.dumps(record))

    assert (store.find(run) is not None) == holds


@pytest.mark.parametrize(
    ("model", "protocol", "part", "holds"),
    [
        pytest.param("seqrec-best", "user-split", "drift", True, id="relevance reads the factorization"),
        pytest.param("seqrec-best", "user-split", "factorization", False, id="whose stars it counts"),
        pytest.param("seqrec-best", "leave-one-out", "factorization", True, id="what comes next does not"),
        pytest.param("seqrec-best", "leave-one-out", "ranking", False, id="lists"),
        pytest.param("seqrec-rating", "leave-one-out", "drift", False, id="lists by stars"),
        pytest.param("seqrec-rating", "leave-one-out", "factorization", False, id="lists by factorized stars"),
    ],
)
def test_a_result_of_lists_holds_until_something_changes_that_lists_are_made_of(
    model: str, protocol: str, part: str, holds: bool, context: TrainingContext, tmp_path: Path
) -> None:
    settings = ranker_settings(RANKING.build(model, context, protocol))
    file = tmp_path / f"{protocol}-{model}.json"
    record = json.loads((RESULTS / "lists" / file.name).read_text())
    record["settings"]["preset"]["network"][part] = 7
    file.write_text(json.dumps(record))

    assert is_cached(file, ML_1M_CHECKSUM, settings) == holds


def test_every_saved_list_result_has_the_settings_of_today(context: TrainingContext) -> None:
    for protocol in PROTOCOLS:
        for name in MODELS:
            settings = ranker_settings(RANKING.build(name, context, protocol))
            assert is_cached(RESULTS / "lists" / f"{protocol}-{name}.json", ML_1M_CHECKSUM, settings), (protocol, name)
    results = load_results(RESULTS)
    assert len(results.own) == len(list((RESULTS / "lists").glob("*.json")))
    assert len(results.external) == len(list((RESULTS / "peers").glob("*.json")))


def test_a_result_with_a_field_that_has_no_mapping_is_not_found(
    store: RunStore, sample: MovieLens, context: TrainingContext, tmp_path: Path
) -> None:
    run = Plan().run(OUR_MODEL, "paper", (2658, 4769))
    shutil.copytree(RESULTS / "rows", tmp_path / "rows")
    renamed = store_of(tmp_path, sample, context)
    assert renamed.find(run) is not None
    file = renamed.result_file(run)

    file.write_text(file.read_text().replace('"dropout"', '"drop_rate"'))

    assert renamed.find(run) is None
