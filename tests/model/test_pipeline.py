"""From data to an artifact: what is trained, what is held out, and what is written."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from builders import RATING_ONLY, SMALL, context_for, star_figures

from model.baselines.registry import RANKING, RATING
from model.card import Card
from model.data.dataset import MovieLens
from model.data.sequences import Sequences
from model.data.splits import FEWEST_USERS, Split, paper_split
from model.errors import DataError, SettingsError
from model.evaluation.batch_scoring import predict
from model.evaluation.rating_metrics import rmse
from model.experiments.provenance import capped
from model.inference import artifact
from model.network.prior import FactorizationPrior
from model.network.rating import SeqRec
from model.pipeline import evaluate, require_enough, train, train_better, train_once
from model.training import estimator
from model.training.context import Callbacks, Run, TrainingContext
from model.training.estimator import NetworkRanker
from model.training.presets import PRESETS, QUICK_LOOK, first_look, preset
from model.training.ranking_task import RankingTask


def recording(context: TrainingContext, learned: list[tuple[Run, str]]) -> TrainingContext:
    """The context, and what is learned with it, in which run."""

    def callbacks_of(run: Run) -> Callbacks:
        return Callbacks(context.on_fit, context.on_progress, lambda task: learned.append((run, task)))

    return replace(context, callbacks_of=callbacks_of)


def card_with(card: Card, ndcg: float) -> Card:
    assert card.held_out_lists is not None
    lists = card.held_out_lists.model_copy(update={"ndcg_at_10": ndcg})
    return card.model_copy(update={"held_out_lists": lists})


def test_without_a_refit_the_served_network_is_the_one_that_was_measured(
    sample: MovieLens, split: Split, tmp_path: Path
) -> None:
    once = RATING_ONLY.model_copy(update={"refit": False})
    learned: list[tuple[Run, str]] = []

    trained = train(sample, once, tmp_path, recording(context_for(sample), learned), preliminary=True)

    network = artifact.load(trained.folder).network
    predicted = predict(network, split.test, torch.device("cpu")).stars
    error = rmse(predicted, split.test.target_stars, split.test.rating_scale)
    assert error == pytest.approx(star_figures(trained.card).rmse, abs=1e-6)
    assert artifact.load_card(trained.folder).preliminary
    assert learned == [("held-out", "stars")]


@pytest.mark.parametrize(("name", "coordinates"), [("seqrec", 4), ("seqrec-best", 4 + 2 + 2), ("seqrec-small", 4)])
def test_an_artifact_has_its_factorizations_and_the_drift(
    name: str, coordinates: int, sample: MovieLens, split: Split, tmp_path: Path
) -> None:
    small = capped(PRESETS[name]).model_copy(update={"refit": False})

    trained = train(sample, small, tmp_path, context_for(sample))

    network = artifact.load(trained.folder).network
    assert network.drift is not None
    assert isinstance(network.prior, FactorizationPrior)
    assert network.prior.coordinates.shape[1] == small.network.factorization.all_coordinates == coordinates
    predicted = predict(network, split.test, torch.device("cpu")).stars
    error = rmse(predicted, split.test.target_stars, split.test.rating_scale)
    assert error == pytest.approx(star_figures(trained.card).rmse, abs=1e-6)


def test_a_refit_learns_the_stars_of_all_users_before_the_longer_lists(sample: MovieLens, tmp_path: Path) -> None:
    learned: list[tuple[Run, str]] = []

    trained = train(sample, SMALL, tmp_path, recording(context_for(sample), learned))

    assert learned == [
        ("held-out", "stars"),
        ("all users", "stars"),
        ("held-out", "lists"),
        ("all users", "lists"),
    ]
    assert not trained.card.preliminary


def test_the_average_of_the_lists_goes_on_through_the_refit(
    sample: MovieLens, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tasks: list[RankingTask] = []

    def build(*arguments: Any) -> RankingTask:
        tasks.append(RankingTask(*arguments))
        return tasks[-1]

    monkeypatch.setattr(estimator, "RankingTask", build)
    train(sample, SMALL, tmp_path, context_for(sample))
    first, refit = tasks

    assert first.earlier_steps == 0
    assert refit.earlier_steps == first.epochs * first.step_count(1) > 0


@pytest.mark.parametrize(("ndcg", "written"), [(0.0, True), (1.0, False)])
def test_only_a_better_model_takes_the_place_of_the_served_one(
    sample: MovieLens, artifact_folder: Path, tmp_path: Path, ndcg: float, written: bool
) -> None:
    served = card_with(artifact.load_card(artifact_folder), ndcg)

    trained = train_better(sample, SMALL, tmp_path, context_for(sample), served)

    assert (trained is not None) == written
    assert (artifact.newest(tmp_path) is not None) == written


def test_lists_decide_which_model_is_better_and_stars_where_there_are_none(artifact_folder: Path) -> None:
    card = artifact.load_card(artifact_folder)
    stars_alone = card.model_copy(update={"held_out_lists": None})
    exact = stars_alone.model_copy(update={"held_out": star_figures(card).model_copy(update={"rmse": 0.1})})

    assert card_with(card, 0.4).is_better_than(card_with(card, 0.3))
    assert not card_with(card, 0.3).is_better_than(card_with(card, 0.3))
    assert exact.is_better_than(stars_alone)
    assert not stars_alone.is_better_than(exact)


def test_data_in_which_nobody_likes_anything_trains_stars_alone(sample: MovieLens, tmp_path: Path) -> None:
    # As the sample, but with 1 to 3 stars in place of 1 to 5: no movie is relevant to anyone.
    ratings = sample.ratings.with_columns(stars=((pl.col("stars") + 1) / 2).floor().cast(pl.Float32))
    disliked = replace(sample, ratings=ratings)

    trained = train(disliked, SMALL, tmp_path, context_for(disliked))

    assert trained.card.held_out_lists is None
    assert trained.card.ranking_training is None
    assert artifact.load(trained.folder).network.ranking is None


def test_one_training_on_data_in_which_nobody_likes_anything_trains_stars_alone(
    sample: MovieLens, tmp_path: Path
) -> None:
    disliked = replace(sample, ratings=sample.ratings.with_columns(stars=pl.lit(2, pl.Float32)))
    split = paper_split(Sequences.of(disliked))

    trained = train_once(split, disliked, SMALL, tmp_path, context_for(disliked), epochs=1, start=None)

    loaded = artifact.load(trained.folder)
    assert (loaded.network.ranking, loaded.first_movies) == (None, ())
    assert trained.card.ranking_training is None


def test_of_data_without_stars_lists_alone_are_learned(sample: MovieLens, tmp_path: Path) -> None:
    tasks: list[str] = []
    context = replace(context_for(sample), on_learned=tasks.append)

    trained = train(sample.without_stars(), SMALL, tmp_path, context)

    assert tasks == ["lists", "lists"]
    assert trained.card.held_out is None
    assert trained.card.held_out_lists is not None
    assert trained.card.held_out_lists.ndcg_at_10 > trained.card.held_out_lists.baselines["popularity"].ndcg_at_10 / 2
    assert not artifact.load(trained.folder).network.config.predicts_stars


def test_without_stars_the_network_that_is_evaluated_is_the_one_that_is_trained(
    sample: MovieLens, monkeypatch: pytest.MonkeyPatch
) -> None:
    untrained: list[SeqRec] = []

    def begin(ranker: NetworkRanker, split: Split) -> None:
        ranker.model.begin(split.train)
        untrained.append(ranker.model.network)

    monkeypatch.setattr(NetworkRanker, "fit", begin)
    evaluate(sample.without_stars(), RANKING, "seqrec-small", context_for(sample))

    (network,) = untrained
    assert not network.config.predicts_stars
    assert network.liking is None


def test_a_model_of_stars_alone_has_nothing_to_learn_without_them(sample: MovieLens, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="small-rating learns stars alone, and the data has none"):
        train(sample.without_stars(), RATING_ONLY, tmp_path, context_for(sample))
    with pytest.raises(SettingsError, match="seqrec-rating learns stars alone"):
        evaluate(sample.without_stars(), RANKING, "seqrec-rating", context_for(sample))
    with pytest.raises(DataError, match="sample has no stars to predict"):
        evaluate(sample.without_stars(), RATING, "bias", context_for(sample))


@pytest.mark.parametrize(("stars", "lists"), [(1, False), (5, True)])
def test_ratings_that_are_all_the_same_train_what_they_allow(
    sample: MovieLens, tmp_path: Path, stars: float, lists: bool
) -> None:
    alike = replace(sample, ratings=sample.ratings.with_columns(stars=pl.lit(stars, pl.Float32)))

    card = train(alike, SMALL, tmp_path, context_for(alike)).card

    assert (card.held_out_lists is not None) == lists
    assert star_figures(card).rmse < 0.5


def test_of_much_data_a_first_look_learns_from_some_users_and_is_measured_on_all_held_out_ones(
    sample: MovieLens,
) -> None:
    whole = paper_split(Sequences.of(sample))
    most = len(whole.train.sequences.movies) // 3

    some = whole.with_ratings(most, seed=0)

    assert most * 0.8 < len(some.train.sequences.movies) <= most
    assert set(some.train.sequences.user_ids) < set(whole.train.sequences.user_ids)
    assert some.test is whole.test
    assert whole.with_ratings(None, seed=0) is whole
    assert len(whole.with_ratings(1, seed=0).train) == 1  # never none


@pytest.mark.parametrize(("ratings", "epochs"), [(100_000, 12), (500_000, 8), (1_000_000, 4), (20_000_000, 4)])
def test_a_first_look_takes_more_epochs_for_few_ratings(ratings: int, epochs: int) -> None:
    chosen = first_look(ratings).ranking_training

    assert chosen is not None
    assert chosen.epochs == epochs


def test_a_first_look_is_smaller_than_the_whole_model_and_trained_once() -> None:
    whole, small = preset("seqrec").network.ranking, QUICK_LOOK.network.ranking

    assert whole is not None
    assert small is not None
    assert small.hidden < whole.hidden
    assert not QUICK_LOOK.refit
    assert all(np.array([one.refit for name, one in PRESETS.items() if name != QUICK_LOOK.name]))


def test_users_who_have_rated_nothing_are_not_enough_to_train(sample: MovieLens, tmp_path: Path) -> None:
    few = replace(sample, ratings=sample.ratings.filter(pl.col("user_id") <= FEWEST_USERS - 1))

    with pytest.raises(DataError, match="19 users have rated anything; training takes at least 20"):
        require_enough(few)
    with pytest.raises(DataError, match="19 users have rated anything"):
        train(few, SMALL, tmp_path, context_for(few))
