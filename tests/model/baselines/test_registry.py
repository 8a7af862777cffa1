"""Every model by task and name."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from builders import context_for

from model import pipeline
from model.baselines.registry import PUBLISHED_MODELS, RANKING, RATING, TASKS, EvaluationTask, require_task
from model.card import Evaluation, RankingEvaluation
from model.data.dataset import MovieLens
from model.errors import SettingsError, UnknownNameError
from model.training.presets import PRESETS

EVALUATE_THREE_MEANS = """
import sys
from pathlib import Path

import torch

from model.baselines.registry import RATING
from model.data import dataset
from model.pipeline import evaluate
from model.training.context import TrainingContext

data = dataset.read(Path(sys.argv[1]))
context = TrainingContext(data.catalogue, titles=None, bert_titles=None, device=torch.device("cpu"))
for name in RATING.baselines:
    evaluate(data, RATING, name, context)
packages = ("model.baselines.", "transformers", "sentence_transformers")
print(sorted(module for module in sys.modules if module.startswith(packages)))
"""


def test_scoring_three_means_imports_no_published_network(sample_folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", EVALUATE_THREE_MEANS, str(sample_folder)], capture_output=True, text=True, check=True
    )

    ours = ("factorization", "lists", "registry", "simple")
    assert done.stdout.strip() == str([f"model.baselines.{name}" for name in ours])


@pytest.mark.parametrize("name", PUBLISHED_MODELS)
def test_every_published_model_has_the_name_that_it_is_built_by(name: str, sample: MovieLens) -> None:
    assert RATING.build(name, context_for(sample)).name == name


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
def test_every_task_has_the_presets_and_its_baselines(task: EvaluationTask) -> None:
    assert {*PRESETS, *task.baselines} <= set(task.builders)
    task.require(task.baselines[0], task.default_protocol)  # which refuses a protocol that the task has not


@pytest.mark.parametrize(
    ("task", "baseline", "record"),
    [("rating", "movie-mean", Evaluation), ("ranking", "item-knn", RankingEvaluation)],
)
def test_one_use_case_evaluates_stars_and_lists(
    task: str, baseline: str, record: type[Evaluation] | type[RankingEvaluation], sample: MovieLens, tmp_path: Path
) -> None:
    context = context_for(sample, tmp_path)
    evaluation = pipeline.evaluate(sample, require_task(task), baseline, context)

    assert isinstance(evaluation, record)
    assert (evaluation.model, evaluation.protocol) == (baseline, require_task(task).default_protocol)
    # A baseline stands beside itself with the same score: it was fitted and scored likewise.
    assert evaluation.baselines[baseline].model_dump() == {
        name: getattr(evaluation, name) for name in evaluation.baselines[baseline].model_dump()
    }


def test_names_that_there_are_not_are_refused_before_any_work() -> None:
    with pytest.raises(UnknownNameError, match=r"no task 'both'.*rating, ranking"):
        require_task("both")
    with pytest.raises(UnknownNameError, match=r"no ranking model 'bias'.*popularity, item-knn"):
        RANKING.require("bias", "user-split")
    with pytest.raises(UnknownNameError, match=r"no protocol 'user-split'.*paper, random"):
        RATING.require("bias", "user-split")


def test_a_recurrent_layer_is_chosen_for_stars_alone(sample: MovieLens) -> None:
    assert RATING.build("seqrec-paper", context_for(sample), recurrent="lstm").name == "seqrec-lstm"
    with pytest.raises(SettingsError, match="leave --rnn out"):
        RANKING.build("seqrec", context_for(sample), recurrent="lstm")


@pytest.mark.parametrize("task", [RATING, RANKING], ids=["rating", "ranking"])
def test_a_seed_is_that_of_all_of_a_presets_training(task: EvaluationTask[Any, Any, Any], sample: MovieLens) -> None:
    model = task.build("seqrec", context_for(sample), seed=7)
    preset = (model.model if task is RANKING else model).preset

    assert (preset.training.seed, preset.ranking_training.seed) == (7, 7)
    assert preset.with_seed(0) == PRESETS["seqrec"]


def test_a_seed_for_a_model_that_draws_nothing_is_refused(sample: MovieLens) -> None:
    with pytest.raises(SettingsError, match="popularity takes no seed"):
        RANKING.build("popularity", context_for(sample), seed=1)
