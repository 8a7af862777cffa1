"""The list experiment on a small network, and the results of the real one."""

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from weakref import finalize

import numpy as np
import pytest
from builders import SMALL, context_for

from model.baselines.registry import HORIZON_OF_PROTOCOL, RANKING
from model.card import RankingScore
from model.data.dataset import MovieLens
from model.data.sequences import Examples, Sequences
from model.data.splits import Split
from model.errors import SettingsError, UnknownNameError
from model.evaluation import ranking_metrics
from model.evaluation.interfaces import Ranker
from model.evaluation.scoring import score_lists
from model.experiments.lists.comparisons import ListComparison
from model.experiments.lists.report import BEGIN, END, rank_models, summarize, write_lists
from model.experiments.lists.runs import (
    DIVERSITIES,
    ExternalResult,
    ListResults,
    diversify_scores,
    evaluate_diversities,
    execute_all,
    load_results,
    parse_seeds,
)
from model.experiments.results import write_record
from model.inference.diversity import CategoryDistribution, divergence
from model.training.context import TrainingContext
from model.training.estimator import NetworkRanker, SeqRecEstimator
from model.types import FloatArray

ROOT = Path(__file__).parents[3]
RESULTS = ROOT / "docs" / "results"

PEER = {"model": "als", "library": "implicit", "version": "0.7.3", "settings": {"factors": 64}, "ndcg_at_10": 0.99}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("lists")


def small(name: str, context: TrainingContext, protocol: str, seed: int = 0, *, has_stars: bool = True) -> Ranker:
    """A small network under this name."""
    if not name.startswith("seqrec"):
        return RANKING.build(name, context, protocol)
    preset = SMALL.model_copy(update={"name": name})
    if name == "seqrec-rating":
        network = SMALL.network.model_copy(update={"ranking": None})
        preset = preset.model_copy(update={"network": network, "ranking_training": None})
    preset = preset.with_seed(seed).for_data(has_stars=has_stars)
    return NetworkRanker(SeqRecEstimator(preset, context), HORIZON_OF_PROTOCOL[protocol])


@contextmanager
def small_models() -> Iterator[None]:
    """While it lasts, the experiment's networks are small."""
    task = replace(
        RANKING,
        builders={name: partial(small, name) for name in RANKING.builders},
        preset_builder=lambda preset, context, protocol: small(
            preset.name, context, protocol, preset.training.seed, has_stars=preset.network.predicts_stars
        ),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("model.experiments.lists.runs.RANKING", task)
        yield


@pytest.fixture(scope="module")
def measured(folder: Path, sample: MovieLens) -> tuple[ListResults, Callable[[], list[str]]]:
    """The results, and a function that repeats the experiment and returns the models that were run."""

    def run() -> tuple[ListResults, list[str]]:
        ran: list[str] = []
        with small_models():
            return execute_all(folder, sample, context_for(sample), ran.append), ran

    return run()[0], lambda: run()[1]


def test_every_model_is_evaluated_on_every_protocol_once(measured: tuple[ListResults, Callable[[], list[str]]]) -> None:
    lists, again = measured

    assert [(one.evaluation.protocol, one.evaluation.model) for one in lists.own] == [
        (protocol, model)
        for protocol in ("leave-one-out", "user-split")
        for model in ("popularity", "item-knn", "seqrec-rating", "seqrec", "seqrec-best")
    ]
    assert again() == []


def test_results_of_other_data_and_of_other_settings_are_left_out(
    measured: tuple[ListResults, object], folder: Path, sample: MovieLens, tmp_path: Path
) -> None:
    shutil.copytree(folder / "lists", tmp_path / "lists")
    popularity, knn, _, seqrec = measured[0].own[:4]
    assert popularity.made_by is not None
    other = popularity.made_by.model_copy(update={"seed": 1, "data_checksum": "another"})
    for name, changed in {
        "seqrec-seed-1": seqrec.model_copy(update={"data_checksum": "another", "made_by": other}),
        "item-knn": knn.model_copy(update={"settings": knn.settings | {"shrinkage": 1.0}}),
    }.items():
        write_record(tmp_path / "lists" / f"leave-one-out-{name}.json", changed)
    external_result(tmp_path, popularity.evaluation.model_dump() | PEER | {"made_by": other.model_dump()})

    with small_models():
        results = execute_all(tmp_path, sample, context_for(sample), lambda _: None, models=["popularity"])

    kept = [one for one in measured[0].own if one != knn]
    assert [one.model_dump() for one in results.own] == [one.model_dump() for one in kept]
    assert results.external == []
    assert len(load_results(tmp_path).external) == 1


def test_without_stars_networks_that_predict_none_are_evaluated(likes: MovieLens, tmp_path: Path) -> None:
    with small_models():
        results = execute_all(tmp_path, likes, context_for(likes), lambda _: None, models=["seqrec-rating", "seqrec"])

    assert [one.evaluation.model for one in results.own] == ["seqrec", "seqrec"]
    assert [one.settings["preset"]["network"]["predicts_stars"] for one in results.own] == [False, False]


def test_our_lists_are_evaluated_at_every_diversity(measured: tuple[ListResults, object]) -> None:
    for result in measured[0].own:
        if result.evaluation.model != "seqrec":
            assert result.diversity == []
            continue
        assert [effect.diversity for effect in result.diversity] == list(DIVERSITIES)
        plain = result.diversity[0].test
        assert plain.model_dump() == pytest.approx(RankingScore(**result.evaluation.model_dump()).model_dump())
        assert result.diversity[-1].distance < result.diversity[0].distance


def test_the_report_shows_tables_figures_and_external_baselines(
    measured: tuple[ListResults, object], folder: Path, tmp_path: Path
) -> None:
    evaluation = measured[0].own[0].evaluation
    peer = external_result(tmp_path, evaluation.model_dump() | PEER)
    lists = ListResults(measured[0].own, [peer])
    readme = tmp_path / "README.md"
    readme.write_text(f"before\n{BEGIN}\n{END}\nafter\n")

    write_lists(tmp_path, lists, readme)

    page = (tmp_path / "lists.md").read_text()
    table = page[page.index("## leave-one-out") :].splitlines()
    assert table[4].startswith("| als (implicit 0.7.3) | 0.9900 |")  # the best first
    assert "factors 64" in page
    for figure in ("lists.png", "lists-training.png", "lists-diversity.png"):
        assert figure in page
        assert (tmp_path / figure).stat().st_size > 10_000
    text = readme.read_text()
    assert text.startswith(f"before\n{BEGIN}\n| model | leave-one-out: NDCG@10 | HR@10 | user-split: NDCG@10 | HR@10 |")
    assert "| `popularity` |" in text
    assert text.endswith(f"{END}\nafter\n")


def test_a_model_with_several_seeds_shows_its_mean_and_spread_and_only_a_clear_lead_is_bold(
    measured: tuple[ListResults, object], folder: Path, tmp_path: Path
) -> None:
    own = [one for one in measured[0].own if one.evaluation.protocol == "leave-one-out"]
    popularity = own[0]
    (seqrec,) = (one for one in own if one.evaluation.model == "seqrec")
    assert popularity.made_by is not None
    second = seqrec.model_copy(
        update={
            "evaluation": seqrec.evaluation.model_copy(update={"ndcg_at_10": 0.9}),
            "made_by": popularity.made_by.model_copy(update={"seed": 1}),
        }
    )
    shutil.copytree(folder / "lists", tmp_path / "lists")
    write_record(tmp_path / "lists" / "leave-one-out-seqrec-seed-1.json", second)
    both = load_results(tmp_path)
    assert [one.seed for one in both.own if one.evaluation == second.evaluation] == [1]

    write_lists(tmp_path, both)

    row = table_row(tmp_path, "seqrec")
    first = seqrec.evaluation.ndcg_at_10
    cell = f"{(first + 0.9) / 2:.4f} ({first:.4f} to 0.9000)"
    assert f"| {cell} |" in row  # not bold: there are no ranks behind the second seed

    lead = {"first_ndcg": (first + 0.9) / 2, "difference": 0.2, "low": 0.1, "high": 0.3, "users": 9, "resamples": 9}
    for other in own:
        if other is seqrec:
            continue
        names = {"protocol": "leave-one-out", "first": "seqrec", "second": other.evaluation.model}
        comparison = ListComparison(**names, **lead, second_ndcg=other.evaluation.ndcg_at_10)
        write_record(tmp_path / "leads" / f"leave-one-out-seqrec-against-{comparison.second}.json", comparison)
    write_lists(tmp_path, both)

    assert f"| **{cell}** |" in table_row(tmp_path, "seqrec")
    assert "| -0.2000 (-0.3000 to -0.1000) |" in table_row(tmp_path, "popularity")


def test_a_report_without_our_network_or_its_first_seed_has_the_rest(
    measured: tuple[ListResults, object], tmp_path: Path
) -> None:
    own = measured[0].own
    others = [one for one in own if one.evaluation.model != "seqrec"]
    write_lists(tmp_path, ListResults(others, []))
    assert "popularity" in (page := (tmp_path / "lists.md").read_text())
    assert "lists-diversity.png" not in page

    second = [
        one.model_copy(update={"made_by": one.made_by.model_copy(update={"seed": 1})})
        for one in own
        if one.evaluation.model == "seqrec" and one.made_by is not None
    ]
    write_lists(tmp_path, ListResults([*others, *second], []))
    assert "lists-diversity.png" in (tmp_path / "lists.md").read_text()
    assert (tmp_path / "lists-diversity.png").exists()


def table_row(folder: Path, model: str) -> str:
    """The model's row in the first table of the page."""
    page = (folder / "lists.md").read_text()
    return next(
        line for line in page[page.index("## leave-one-out") :].splitlines() if line.startswith(f"| `{model}` |")
    )


def test_a_peer_whose_training_was_ended_while_it_still_improved_is_called_unfinished(tmp_path: Path) -> None:
    write_lists(tmp_path, load_results(RESULTS))

    page = (tmp_path / "lists.md").read_text()
    assert "gru (RecTools 0.19.0) is unfinished: its training was ended after 62 minutes" in page
    assert page.count("is unfinished") == 1


def external_result(folder: Path, values: dict[str, object]) -> ExternalResult:
    (folder / "peers").mkdir()
    (folder / "peers" / "leave-one-out-als.json").write_text(json.dumps(values))
    return load_results(folder).external[0]


def test_a_diversified_order_leaves_rated_movies_last_and_balances_the_first_ten() -> None:
    # Genres alternate. The history holds both equally; the scores prefer even indices.
    genres = np.eye(2, dtype=np.float32)[np.arange(40) % 2]
    categories = CategoryDistribution(genres, np.ones(40, dtype=np.int64))

    def scores(histories: Sequences) -> FloatArray:
        preference = np.where(np.arange(40) % 2, 0.0, 3.0) - np.arange(40) / 100
        return np.tile(preference.astype(np.float32), (len(histories), 1))

    histories = Sequences(
        user_ids=np.array([1]),
        profiles=np.zeros((1, 24), dtype=np.float32),
        movies=np.array([2, 3, 4, 5]),
        stars=np.ones(4, dtype=np.float32),
        offsets=np.array([0, 4]),
    )
    plain = ranking_metrics.top(diversify_scores(scores, categories, 0.0)(histories))[0]
    mixed = ranking_metrics.top(diversify_scores(scores, categories, 0.9)(histories))[0]

    assert not set(plain) & {0, 2, 3, 4, 5}
    assert (plain % 2).sum() == 0
    assert (mixed % 2).sum() == 5


def test_scores_are_in_memory_for_two_batches_at_most_and_do_not_mix(sample: MovieLens, split: Split) -> None:
    vocabulary_size = len(sample.catalogue.vocabulary)
    categories = CategoryDistribution(
        np.eye(2, dtype=np.float32)[np.arange(vocabulary_size) % 2], np.arange(vocabulary_size)
    )
    alive: set[int] = set()
    most = 0

    def scores(histories: Sequences) -> FloatArray:
        nonlocal most
        drawn = [np.random.default_rng(user).random(vocabulary_size, dtype=np.float32) for user in histories.user_ids]
        computed = np.stack(drawn)
        alive.add(id(computed))
        finalize(computed, alive.discard, id(computed))
        most = max(most, len(alive))
        return computed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("model.experiments.lists.runs.USERS_PER_BATCH", 3)
        effects = evaluate_diversities(scores, categories, split)

    assert most <= 2
    assert [effect.diversity for effect in effects] == list(DIVERSITIES)
    for effect in effects:
        diverse = diversify_scores(scores, categories, effect.diversity)
        assert effect.validation == score_lists(diverse, split.validation, categories.counts)
        assert effect.test == score_lists(diverse, split.test, categories.counts)
    assert effects[0].distance > effects[-1].distance


def test_the_distance_of_a_list_that_is_shorter_than_ten_is_that_of_its_own_movies(split: Split) -> None:
    rated, unrated, last = np.arange(3, 12), [1, 2], 11
    genres = np.array([[float(movie != last), float(movie == last)] for movie in range(12)], dtype=np.float32)
    categories = CategoryDistribution(genres, np.arange(12))
    stars = np.full(10, 5, dtype=np.float32)
    user = Sequences(np.array([1]), np.zeros((1, 24), np.float32), np.array([*rated, 1]), stars, np.array([0, 10]))
    examples = Examples(user, np.array([len(rated)]))

    effects = evaluate_diversities(
        lambda histories: np.tile(np.arange(12, dtype=np.float32), (len(histories), 1)),
        categories,
        replace(split, validation=examples, test=examples),
    )

    expected = divergence(categories.of(rated), categories.shares[unrated].mean(0))
    assert [effect.distance for effect in effects] == pytest.approx([float(expected)] * len(DIVERSITIES))


def test_the_readme_has_the_summary_of_the_saved_results() -> None:
    readme = (ROOT / "README.md").read_text()

    assert f"{BEGIN}\n{summarize(rank_models(RESULTS, load_results(RESULTS)))}{END}" in readme


def test_seeds_are_whole_numbers_each_once() -> None:
    assert parse_seeds("0, 3,0") == (0, 3)
    for text in ("", "1,", "-1", "one"):
        with pytest.raises(SettingsError, match="as in 0,1"):
            parse_seeds(text)


def test_an_unknown_model_is_refused_before_anything_is_trained(sample: MovieLens, tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="popularity, item-knn"):
        execute_all(tmp_path, sample, context_for(sample), lambda _: None, models=["bpr"])
