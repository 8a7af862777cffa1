import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from builders import RATING_ONLY, SMALL_NETWORK, context_for
from matplotlib.image import imread
from pydantic import ValidationError

from model.baselines.registry import RATING
from model.card import Epoch, Evaluation, Score
from model.data.dataset import MovieLens
from model.data.sequences import Examples, Sequences
from model.data.splits import Split
from model.data.summary import measure_imbalance, measure_spread
from model.errors import SettingsError, TitleModelError, UnknownNameError
from model.evaluation.interfaces import RatingModel
from model.evaluation.rating_metrics import Predicted
from model.experiments.ablation import ABLATIONS
from model.experiments.paper import PARTS, execute_parts, reproduce
from model.experiments.plan import VARIANTS, Plan, Variant, parse_split_seeds
from model.experiments.provenance import Fingerprint
from model.experiments.report import BEGIN, END, write_summary
from model.experiments.results import (
    POPULARITY_BINS,
    BinError,
    Result,
    bin_labels,
    binned_errors,
    errors_by_history,
    errors_by_popularity,
)
from model.experiments.runs import Run, RunStore, settings_of
from model.experiments.tables import SUMMARY_MODELS, markdown, variants_table
from model.training.context import TrainingContext
from model.training.estimator import SeqRecEstimator
from model.training.presets import PRESETS

PAPER = RATING_ONLY.model_copy(
    update={
        "name": "seqrec-paper",
        "network": SMALL_NETWORK.model_copy(update={"prior": "mean", "likelihood": "normal"}),
    }
)


@pytest.fixture(scope="module", autouse=True)
def one_fingerprint() -> Iterator[None]:
    """Taking a fingerprint fits a model once more, which these tests count; `test_provenance` tests fingerprints."""
    with pytest.MonkeyPatch.context() as patch:
        taken = Fingerprint(losses=[], answers=[3.0], quality=1.0)
        patch.setattr("model.experiments.runs.fingerprint", lambda *_: taken)
        yield


class Guess:
    """Predicts the distribution of stars in training, its mean shifted by ``off``; records that it was fitted."""

    epochs: ClassVar[list[Epoch]] = []

    def __init__(self, name: str, fitted: list[str], off: float = 0.0, inductive: bool = True) -> None:
        self.name, self.off, self.inductive, self.fitted = name, off, inductive, fitted

    def fit(self, split: Split) -> None:
        self.fitted.append(f"{self.name} {split.name} {split.seeds[0]}")
        self.shares = np.bincount(split.train.sequences.stars.astype(int), minlength=6)[1:] / len(
            split.train.sequences.stars
        )

    def predict(self, examples: Examples) -> Predicted:
        targets = len(examples.targets)
        stars = np.full(targets, self.shares @ np.arange(1, 6) + self.off, dtype=np.float32)
        return Predicted(stars, np.tile(self.shares.astype(np.float32), (targets, 1)))


class WithoutTitles(Guess):
    def fit(self, split: Split) -> None:
        raise TitleModelError("The title model is not to be had. Install it.")


class Interrupted(Guess):
    def fit(self, split: Split) -> None:
        raise KeyboardInterrupt


def small_plan(fitted: list[str]) -> Plan:
    """Two small networks; all other models are guesses, which record that they were fitted."""
    return Plan(
        builders={
            "mean": lambda _: Guess("mean", fitted),
            "bias": partial(RATING.build, "bias"),
            "seqrec-paper": partial(SeqRecEstimator, PAPER),
            "seqrec-rating": partial(SeqRecEstimator, RATING_ONLY),
            "near": lambda _: Guess("near", fitted, off=0.1),
            "far": lambda _: Guess("far", fitted, off=0.5),
            "known": lambda _: Guess("known", fitted, off=0.01, inductive=False),
            "titles": lambda _: WithoutTitles("titles", fitted),
        },
        ablated=PAPER,
        varied=RATING_ONLY,
        other_seeds=((1, 2),),
    )


@pytest.fixture(scope="module")
def fitted() -> list[str]:
    """Models and splits that were fitted, in order."""
    return []


@pytest.fixture(scope="module")
def lines() -> list[str]:
    """The lines of progress."""
    return []


@pytest.fixture(scope="module")
def results(sample: MovieLens, fitted: list[str], lines: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a complete experiment that started from nothing."""
    folder = tmp_path_factory.mktemp("docs") / "results"
    reproduce(folder, sample, context_for(sample), small_plan(fitted), on_line=lines.append)
    return folder


@pytest.fixture(scope="module")
def readme(results: Path) -> str:
    return (results / "README.md").read_text()


def near_run(fitted: list[str], model: str = "near", *, off: float = 0.0) -> Run:
    return Run(model, lambda _: Guess(model, fitted, off), "paper", (1, 2))


def store_in(folder: Path, data: MovieLens) -> RunStore:
    return RunStore(folder, data, context_for(data))


def test_from_an_empty_folder_every_table_and_figure_appears(results: Path, readme: str) -> None:
    figures = re.findall(r"!\[[^]]+]\(([^)]+)\)", readme)

    assert figures == [
        "figure-1-imbalance.png",
        "figure-4-training.png",
        "table-5-ablations.png",
        "errors.png",
        "calibration.png",
        "other-splits.png",
    ]
    assert {path.name for path in results.iterdir()} == {*figures, "README.md", "results.json", "rows", ".predictions"}
    assert "has been run yet" not in readme
    assert "**Not real data" in readme


def test_the_figures_show_something(results: Path, readme: str) -> None:
    for name in re.findall(r"\((.+\.png)\)", readme):
        pixels = imread(results / name)
        assert min(pixels.shape[:2]) > 400
        assert (pixels[..., :3].mean(axis=(0, 1)) > 0.8).all(), "a light background"
        assert 0.01 < (pixels[..., :3].min(axis=2) < 0.8).mean() < 0.5, "and something on it"


def test_table_4_has_every_model_on_both_splits_beside_what_was_published(readme: str) -> None:
    table = [line.split(" | ") for line in readme.splitlines() if re.match(r"\| `.+` \| (paper|random)", line)]
    lines = {(cells[0].strip("|` "), cells[1]): cells for cells in table if len(cells) == 11}

    assert len(lines) == 2 * 8
    assert lines["seqrec-paper", "paper"][-2:] == ["recorded", "0.958 / 0.397 (SeqRec, McGill University 2022) |"]
    assert lines["seqrec-paper", "random"][-1] == "- |"
    assert lines["seqrec-rating", "paper"][2] == lines["near", "paper"][2] == "inductive"
    assert lines["seqrec-rating", "random"][2] == lines["known", "paper"][2] == "transductive"
    assert lines["seqrec-paper", "paper"][5] == "-"
    assert lines["seqrec-rating", "paper"][5] != "-"


def test_a_model_without_its_title_model_is_reported_and_stops_nothing(readme: str, lines: list[str]) -> None:
    assert "| `titles` | paper | not run | - |" in readme
    assert "`titles` was not run: The title model is not to be had.\n" in readme
    assert "titles was not run: The title model is not to be had" in lines


def test_without_the_title_model_there_is_a_report_that_says_so(sample: MovieLens, tmp_path: Path) -> None:
    def no_titles() -> np.ndarray:
        raise TitleModelError("The title model is not to be had. Install it.")

    context = replace(context_for(sample), titles=no_titles)
    reproduce(tmp_path, sample, context, small_plan([]))

    report = (tmp_path / "README.md").read_text()
    assert "They were not run: The title model is not to be had.\n" in report
    assert "`seqrec-rating` was not run: The title model is not to be had.\n" in report
    assert "| `bias` | paper | inductive | " in report
    assert not (tmp_path / "table-5-ablations.png").exists()


def test_table_5_has_the_eight_ablations_of_one_network(readme: str) -> None:
    section = readme.partition("## Table 5")[2].partition("## ")[0]

    assert [line.split(" | ")[0].strip("| ") for line in section.splitlines() if line.startswith("| ")][2:] == [
        ablation.name for ablation in ABLATIONS
    ]
    assert "| none | - | " in section
    assert "| movie id + title | embedding, movie, title | " in section


def test_our_model_is_compared_with_the_best_inductive_published_model_on_every_split(results: Path) -> None:
    record = json.loads((results / "results.json").read_text())

    assert [(one["seeds"], one["first"], one["second"]) for one in record["comparisons"]] == [
        ([2658, 4769], "seqrec-rating", "bias"),
        ([2658, 4769], "seqrec-rating", "near"),
        ([1, 2], "seqrec-rating", "bias"),
        ([1, 2], "seqrec-rating", "near"),
    ]
    for one in record["comparisons"]:
        assert one["difference"] == pytest.approx(one["first_rmse"] - one["second_rmse"])
        assert one["low"] < one["difference"] < one["high"]


def test_where_the_errors_are_shows_the_best_published_model_of_any_kind(readme: str) -> None:
    assert "| ratings of the user before | test ratings | `seqrec-rating` | `bias` | `known` |" in readme


def test_every_number_is_in_results_json(results: Path, sample: MovieLens) -> None:
    record = json.loads((results / "results.json").read_text())

    assert record["data"]["checksum"] == sample.checksum
    assert len(record["models"]) == 16
    assert [line["name"] for line in record["ablations"]] == [ablation.name for ablation in ABLATIONS]
    seqrec = next(one for one in record["models"] if one["model"] == "seqrec-rating" and one["protocol"] == "paper")
    assert sum(part["targets"] for part in seqrec["by_history"]) == seqrec["evaluation"]["n_test"]
    assert len(seqrec["evaluation"]["learning_curve"]) == 2


def test_a_second_run_runs_nothing_again_and_writes_the_same(
    results: Path, readme: str, sample: MovieLens, fitted: list[str]
) -> None:
    record, before = (results / "results.json").read_bytes(), list(fitted)
    reproduce(results, sample, context_for(sample), small_plan(fitted))

    assert fitted == before
    assert (results / "README.md").read_text() == readme
    assert (results / "results.json").read_bytes() == record


def test_results_without_predictions_are_valid(
    results: Path, sample: MovieLens, fitted: list[str], tmp_path: Path
) -> None:
    # As after cloning the repository, which holds no predictions.
    for path in results.glob("rows/*.json"):
        (tmp_path / "rows").mkdir(exist_ok=True)
        (tmp_path / "rows" / path.name).write_bytes(path.read_bytes())
    before = list(fitted)
    reproduce(tmp_path, sample, context_for(sample), small_plan(fitted))

    assert fitted == before
    assert (tmp_path / "results.json").read_bytes() == (results / "results.json").read_bytes()


def test_an_interrupted_run_goes_on_without_repeating_finished_runs(sample: MovieLens, tmp_path: Path) -> None:
    fitted: list[str] = []
    names = ["first", "second", "third"]
    builders: dict[str, Callable[[TrainingContext], RatingModel]] = {
        name: partial(lambda name, _: Guess(name, fitted), name) for name in names
    }
    interrupted = Plan(builders={**builders, "second": lambda _: Interrupted("second", fitted)})
    with pytest.raises(KeyboardInterrupt):
        reproduce(tmp_path, sample, context_for(sample), interrupted, ["table-4"])
    assert fitted == ["first paper 2658"]

    reproduce(tmp_path, sample, context_for(sample), Plan(builders=builders), ["table-4"])

    assert sorted(fitted) == sorted(f"{name} {split}" for name in names for split in ("paper 2658", "random 1234"))
    assert not list(tmp_path.rglob("*.writing"))


def test_a_result_carries_what_made_it(sample: MovieLens, tmp_path: Path) -> None:
    made_by = store_in(tmp_path, sample).get(near_run([])).made_by

    assert made_by is not None
    assert (made_by.data_checksum, made_by.seed, made_by.fingerprint.answers) == (sample.checksum, None, [3.0])
    assert {"seqrec", "torch", "numpy", "python", "device"} == set(made_by.versions)


def test_a_run_is_repeated_when_the_data_differ(sample: MovieLens, tmp_path: Path) -> None:
    fitted: list[str] = []
    store_in(tmp_path, sample).get(near_run(fitted))
    other = replace(sample, checksum="0" * 64)

    assert store_in(tmp_path, other).find(near_run(fitted)) is None
    assert store_in(tmp_path, other).get(near_run(fitted)).data_checksum == "0" * 64
    assert len(fitted) == 2


def test_a_run_is_repeated_when_the_models_settings_differ(sample: MovieLens, tmp_path: Path) -> None:
    fitted: list[str] = []
    store = store_in(tmp_path, sample)
    errors = [store.get(near_run(fitted, off=off)).evaluation for off in (0.0, 0.0, 1.0)]

    assert len(fitted) == 2
    assert errors[0] == errors[1] != errors[2]


def test_a_run_with_a_damaged_result_is_repeated(sample: MovieLens, tmp_path: Path) -> None:
    fitted: list[str] = []
    store = store_in(tmp_path, sample)
    store.get(near_run(fitted))
    (file,) = tmp_path.glob("rows/*.json")
    file.write_text(file.read_text()[:100])
    store.get(near_run(fitted))

    assert len(fitted) == 2


def test_a_run_without_its_title_model_is_tried_again(sample: MovieLens, tmp_path: Path) -> None:
    fitted: list[str] = []
    store = store_in(tmp_path, sample)
    assert store.get(Run("near", lambda _: WithoutTitles("near", fitted), "paper", (1, 2))).missing
    assert store.get(near_run(fitted)).missing is None


def test_a_comparison_is_computed_again_only_when_a_result_differs(sample: MovieLens, tmp_path: Path) -> None:
    fitted: list[str] = []
    store = store_in(tmp_path, sample)
    first = store.compare(near_run(fitted, "a"), near_run(fitted, "b", off=0.2))
    for path in tmp_path.glob(".predictions/*"):
        path.unlink()

    assert store.compare(near_run(fitted, "a"), near_run(fitted, "b", off=0.2)) == first
    assert len(fitted) == 2
    assert store.compare(near_run(fitted, "a"), near_run(fitted, "b", off=0.4)) != first


def test_runs_without_cached_predictions_are_repeated_to_compare_them(sample: MovieLens, tmp_path: Path) -> None:
    fitted: list[str] = []
    store = store_in(tmp_path, sample)
    for model in ("a", "b"):
        store.get(near_run(fitted, model))
    (tmp_path / ".predictions" / "a_paper_1_2.safetensors").unlink()
    (tmp_path / ".predictions" / "b_paper_1_2.safetensors").write_bytes(b"damaged")

    comparison = store.compare(near_run(fitted, "a"), near_run(fitted, "b"))
    assert comparison is not None
    assert comparison.difference == 0
    assert len(fitted) == 4


def test_a_result_stays_when_its_run_cannot_be_repeated(sample: MovieLens, tmp_path: Path) -> None:
    fitted: list[str] = []
    store = store_in(tmp_path, sample)
    result = store.get(near_run(fitted))
    (tmp_path / ".predictions" / "near_paper_1_2.safetensors").unlink()
    without = Run("near", lambda _: WithoutTitles("near", fitted), "paper", (1, 2))

    assert store.predictions(without) is None
    assert store.find(near_run(fitted)) == result


def test_only_the_chosen_models_and_parts_are_run(sample: MovieLens, tmp_path: Path) -> None:
    fitted: list[str] = []
    chosen = replace(small_plan(fitted), models=frozenset({"near", "mean"}))
    store = store_in(tmp_path, sample)
    execute_parts(store, chosen, ["table-5", "other-splits"])
    assert fitted == []
    execute_parts(store, chosen, PARTS)
    assert fitted == ["mean paper 2658", "near paper 2658", "mean random 1234", "near random 1234"]


def test_the_settings_of_a_network_are_its_preset(sample: MovieLens) -> None:
    context = context_for(sample)
    preset = PRESETS["seqrec-rating"]

    assert settings_of(SeqRecEstimator(preset, context))["preset"] == preset.model_dump(mode="json", exclude_none=True)


def test_unknown_names_and_bad_seeds_are_refused(sample: MovieLens, tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="no model 'svd'"):
        Plan(models=frozenset({"svd"}))
    with pytest.raises(UnknownNameError, match="no part 'table-9'"):
        reproduce(tmp_path, sample, context_for(sample), Plan(), ["table-9"])
    for text in ("1", "1,x", "1,2,3", "-1,2"):
        with pytest.raises(SettingsError, match="two numbers"):
            parse_split_seeds(text)
    assert parse_split_seeds("1, 2") == (1, 2)


def test_bins_are_named_by_their_first_and_last_value() -> None:
    assert bin_labels(POPULARITY_BINS) == ["0", "1-10", "11-50", "51-200", "201-1000", ">1000"]


def test_a_value_is_in_the_bin_that_names_it_and_empty_bins_are_left_out() -> None:
    values = np.array([0, 1, 10, 11, 1001])
    predicted = np.array([3, 4, 5, 9, 3], dtype=np.float32)  # 9 counts as 5
    actual = np.array([1, 3, 5, 3, 3], dtype=np.float32)

    assert binned_errors(values, POPULARITY_BINS, predicted, actual) == [
        BinError(bin="0", targets=1, rmse=2.0),
        BinError(bin="1-10", targets=2, rmse=np.sqrt(1 / 2)),
        BinError(bin="11-50", targets=1, rmse=2.0),
        BinError(bin=">1000", targets=1, rmse=0.0),
    ]


def test_an_epoch_without_a_score_is_not_the_best_one() -> None:
    score = Score(rmse=0.9, accuracy=0.4)
    curve = [
        Epoch(number=number, train_loss=1.0, validation_rmse=rmse, seconds=1.0)
        for number, rmse in enumerate([None, 0.95, 0.92, 0.93], start=1)
    ]
    unchanged = Evaluation(
        model="seqrec-rating",
        protocol="paper",
        split_seeds=(1, 2),
        inductive=True,
        learning_curve=curve,
        seconds=1.0,
        n_test=1,
        validation=score,
        baselines={},
        **score.model_dump(),
    )

    assert "| 3 of 4 |" in variants_table(unchanged, [])


def test_errors_are_binned_by_history_length_and_by_training_ratings_of_the_movie() -> None:
    # Training: movie 1 twice, movie 2 once. Test: a user with one rating before, then movies 1 and 3.
    profile = np.zeros((1, 24), dtype=np.float32)
    ones = np.ones(3, dtype=np.float32)
    train = Examples(Sequences(np.array([1]), profile, np.array([1, 1, 2]), ones, np.array([0, 3])), np.array([2]))
    test = Examples(Sequences(np.array([2]), profile, np.array([2, 1, 3]), ones, np.array([0, 3])), np.array([1]))
    split = Split("paper", (1, 2), True, train, test, test)
    stars = np.array([2, 3], dtype=np.float32)  # off by 1 and by 2

    assert errors_by_history(stars, split) == [BinError(bin="1-10", targets=2, rmse=np.sqrt(5 / 2))]
    assert errors_by_popularity(stars, split) == [
        BinError(bin="0", targets=1, rmse=2.0),
        BinError(bin="1-10", targets=1, rmse=1.0),
    ]


def test_the_spread_of_some_counts_worked_by_hand() -> None:
    one = measure_spread(np.array([1, 2, 3, 4, 5, 6, 7, 8, 9, 55]))

    assert (one.minimum, one.lower_quartile, one.median, one.upper_quartile) == (1, 3.25, 5.5, 7.75)
    assert (one.mean, one.maximum) == (10.0, 55)
    assert one.top_share == pytest.approx(0.55)


def test_the_imbalance_counts_users_rated_movies_and_stars(sample: MovieLens) -> None:
    found = measure_imbalance(sample)

    assert (found.users, found.ratings, sum(found.stars)) == (120, len(sample.ratings), len(sample.ratings))
    assert found.listed_movies >= found.movies == sample.ratings["movie_id"].n_unique()
    assert found.density == pytest.approx(len(sample.ratings) / (120 * found.movies))
    assert found.per_user.mean == pytest.approx(len(sample.ratings) / 120)


def test_a_table_in_markdown_keeps_bars_in_cells() -> None:
    assert markdown(["a", "b"], [["x|y", "1"]]) == "| a | b |\n| --- | ---: |\n| x\\|y | 1 |\n"


def test_the_summary_stands_between_its_marks_and_nothing_else_changes(tmp_path: Path) -> None:
    results = Path(__file__).parents[3] / "docs" / "results" / "results.json"
    models = [Result.model_validate(one) for one in json.loads(results.read_text())["models"]]
    readme = tmp_path / "README.md"
    readme.write_text(f"Before.\n\n{BEGIN}\nold\n{END}\n\nAfter.\n")

    write_summary(readme, models)

    before, table, after = re.split(f"{BEGIN}\n|{END}", readme.read_text())
    assert (before, after) == ("Before.\n\n", "\n\nAfter.\n")
    assert "| `seqrec` |" in table
    assert len(table.splitlines()) == 2 + len(SUMMARY_MODELS)
    assert "old" not in table


def test_a_readme_without_marks_for_the_summary_is_left_alone(tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    for text in ("Nothing.\n", f"{BEGIN}\n", f"{END} {BEGIN}"):
        readme.write_text(text)
        with pytest.raises(SettingsError, match="no single place"):
            write_summary(readme, [])
        assert readme.read_text() == text


def test_the_projects_readme_has_the_summary_of_the_saved_results(tmp_path: Path) -> None:
    root = Path(__file__).parents[3]
    kept = json.loads((root / "docs" / "results" / "results.json").read_text())["models"]
    copy = tmp_path / "README.md"
    copy.write_text((root / "README.md").read_text())

    write_summary(copy, [Result.model_validate(one) for one in kept])

    assert copy.read_text() == (root / "README.md").read_text()


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: variant.name)
def test_every_variant_changes_something_of_our_model(variant: Variant) -> None:
    ours, varied = PRESETS["seqrec-rating"], variant.apply(PRESETS["seqrec-rating"])

    assert (varied.network, varied.training) != (ours.network, ours.training)


def test_a_variant_of_an_unknown_setting_is_refused() -> None:
    with pytest.raises(ValidationError, match="droput"):
        Variant("typo", "?", network={"droput": 0.0}).apply(PRESETS["seqrec-rating"])
