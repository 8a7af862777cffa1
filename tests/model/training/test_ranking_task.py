"""Protocols of lists, their baselines, and the task of ranking."""

import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from builders import RATING_ONLY, SMALL, context_for, network
from torch import Tensor, nn

from model.baselines.lists import ItemKnn, Popularity
from model.baselines.registry import RANKING
from model.data.dataset import MovieLens
from model.data.sequences import Examples, Sequences
from model.data.splits import Split, leave_one_out, split, user_split
from model.errors import SettingsError, UnknownNameError
from model.evaluation.interfaces import Ranker
from model.evaluation.scoring import rank, score_lists
from model.features.catalogue import UNKNOWN
from model.network.config import RankingConfig, RankingTrainingConfig
from model.training.estimator import NetworkRanker, SeqRecEstimator
from model.training.presets import PRESETS
from model.training.ranking_task import NEVER, Places, RankingTask, Windows, _draw_relevant, windows
from model.types import FloatArray, IntArray


def sequences(*users: list[int], stars: float = 4.0) -> Sequences:
    """Users with these movie indices in their histories, oldest first."""
    return Sequences(
        user_ids=np.arange(1, len(users) + 1),
        profiles=np.zeros((len(users), 24), dtype=np.float32),
        movies=np.array([movie for movies in users for movie in movies], dtype=np.int64),
        stars=np.full(sum(map(len, users)), stars, dtype=np.float32),
        offsets=np.cumsum([0, *map(len, users)]),
    )


def test_leave_one_out_tests_the_last_movie_and_validates_on_the_one_before() -> None:
    divided = leave_one_out(sequences([1, 2, 3, 4], [5, 6], [7, 8, 9]))

    assert divided.train.sequences.movies.tolist() == [1, 2, 5, 6, 7]
    assert divided.validation.sequences.movies[divided.validation.targets].tolist() == [3, 8]
    assert divided.validation.histories().movies.tolist() == [1, 2, 5, 6, 7]
    assert divided.test.sequences.movies[divided.test.targets].tolist() == [4, 9]
    assert divided.test.histories().movies.tolist() == [1, 2, 3, 5, 6, 7, 8]


def test_a_refit_knows_the_ratings_for_validation_and_none_for_test() -> None:
    divided = leave_one_out(sequences([1, 2, 3, 4], [5, 6], [7, 8, 9]))
    assert divided.refit is not None

    assert divided.refit().sequences.movies.tolist() == [1, 2, 3, 5, 6, 7, 8]


def test_a_refit_on_other_users_knows_all_ratings_of_those_for_validation_and_no_user_for_test(
    sample: MovieLens,
) -> None:
    everyone = Sequences.of(sample)
    lists, stars = user_split(everyone), split("paper", everyone)
    assert lists.refit is not None

    refit = lists.refit().sequences

    known = [*stars.train.sequences.user_ids, *stars.validation.sequences.user_ids]
    assert refit.user_ids.tolist() == known
    assert not set(known) & set(stars.test.sequences.user_ids.tolist())
    assert len(refit.movies) == len(stars.train.sequences.movies) + len(stars.validation.sequences.movies)


@pytest.mark.parametrize("refitted", [True, False])
def test_lists_are_tested_refitted_only_where_the_preset_says_so(
    sample: MovieLens, lists_split: Split, monkeypatch: pytest.MonkeyPatch, refitted: bool
) -> None:
    learned: list[int] = []
    monkeypatch.setattr(
        SeqRecEstimator, "fit_ranking", lambda _, train, validation: learned.append(len(train.sequences))
    )
    preset = SMALL.model_copy(update={"tested_refitted": refitted})

    NetworkRanker(SeqRecEstimator(preset, context_for(sample)), "next").fit(lists_split)

    assert lists_split.refit is not None
    assert learned == [len((lists_split.refit() if refitted else lists_split.train).sequences)]


@pytest.mark.parametrize("refitted", [True, False])
def test_stars_are_tested_refitted_only_where_the_preset_says_so(
    sample: MovieLens, split: Split, monkeypatch: pytest.MonkeyPatch, refitted: bool
) -> None:
    learned: list[tuple[int, Examples | None, int | None]] = []
    monkeypatch.setattr(
        SeqRecEstimator,
        "fit_stars",
        lambda _, train, validation, last_epoch=None: learned.append((len(train), validation, last_epoch)),
    )
    preset = SMALL.model_copy(update={"tested_refitted": refitted})

    SeqRecEstimator(preset, context_for(sample)).fit(split)

    everyone = len(split.train) + len(split.validation)
    assert learned == [(everyone, None, 2) if refitted else (len(split.train), split.validation, None)]


def test_leave_one_out_draws_nothing_and_says_so(sample: MovieLens) -> None:
    with pytest.raises(SettingsError, match="leave the seeds out"):
        split("leave-one-out", Sequences.of(sample), (1, 2), task="ranking")


def test_the_user_split_asks_for_relevant_movies_of_the_second_half(sample: MovieLens) -> None:
    everyone = Sequences.of(sample)
    lists, stars = user_split(everyone), split("paper", everyone)

    assert lists.test.histories().movies.tolist() == stars.test.histories().movies.tolist()
    relevant = stars.test.targets[stars.test.target_stars >= 4]
    assert lists.test.sequences.movies[lists.test.targets].tolist() == stars.test.sequences.movies[relevant].tolist()
    assert (lists.test.target_stars >= 4).all()
    assert set(lists.train.sequences.user_ids).isdisjoint(lists.test.sequences.user_ids)


def test_a_protocol_of_stars_is_none_of_lists(sample: MovieLens) -> None:
    with pytest.raises(UnknownNameError, match="leave-one-out, user-split, by-time"):
        split("paper", Sequences.of(sample), task="ranking")


def test_popularity_counts_ratings_in_training() -> None:
    popularity = Popularity(vocabulary_size=6)
    popularity.fit(leave_one_out(sequences([1, 2, 3, 4], [2, 3, 1, 5], [2, 4, 5, 1])))

    assert popularity.scores(sequences([5], [])).tolist() == [[0, 1, 3, 1, 1, 0]] * 2


def test_similarity_of_movies_is_the_shrunk_cosine_of_their_raters() -> None:
    # Movies 1 and 2 have two raters in common, of three and of two: 2 / (sqrt(3) * sqrt(2) + 20).
    knn = ItemKnn(vocabulary_size=5)
    knn.fit(leave_one_out(sequences([1, 2, 3, 4], [1, 2, 3, 4], [1, 3, 4, 2])))

    assert knn.scores(sequences([2]))[0, 1] == pytest.approx(2 / (6**0.5 + 20))
    assert knn.scores(sequences([2]))[0, 2] == 0
    assert knn.scores(sequences([2]))[0, 4] == 0


def test_similarities_are_found_for_some_movies_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    divided = leave_one_out(sequences(*(random.permutation(np.arange(1, 30))[:12].tolist() for _ in range(40))))
    monkeypatch.setattr(ItemKnn, "neighbours", 5)
    at_once, in_parts = ItemKnn(vocabulary_size=30), ItemKnn(vocabulary_size=30)
    at_once.fit(divided)
    monkeypatch.setattr("model.baselines.lists.MOVIES_AT_ONCE", 7)
    in_parts.fit(divided)

    assert (in_parts.similarity != at_once.similarity).nnz == 0
    assert at_once.similarity.getnnz(axis=1)[1:].min() == 5


def test_similarities_of_a_large_catalogue_are_never_all_in_memory() -> None:
    movies = 4_000
    divided = leave_one_out(sequences([1, 2, 3, 4], [1, movies - 1, 3, 4]))
    tracemalloc.start()
    try:
        ItemKnn(vocabulary_size=movies).fit(divided)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert peak < movies**2 * np.float32().nbytes / 2


def test_lists_hold_neither_rated_movies_nor_the_unknown_one() -> None:
    # Everyone's best scores are for the unknown movie, then for what was rated: the target, movie 4, comes right after.
    def scores(histories: Sequences) -> FloatArray:
        return np.tile(np.array([9, 8, 7, 6, 5, 4], dtype=np.float32), (len(histories), 1))

    score = score_lists(scores, leave_one_out(sequences([1, 2, 3, 4], [2, 1, 3, 4])).test, np.array([0, 4, 4, 1, 1, 1]))

    assert (score.ndcg_at_10, score.hr_at_10, score.mrr) == (1, 1, 1)
    assert score.coverage_at_10 == 2 / 5  # movies 4 and 5 of five
    assert score.popular_share_at_10 == 0


def test_a_ranker_is_given_the_histories_and_no_target() -> None:
    given: list[list[int]] = []

    def scores(histories: Sequences) -> FloatArray:
        given.extend(part.tolist() for part in np.split(histories.movies, histories.offsets[1:-1]))
        return np.zeros((len(histories), 10), dtype=np.float32)

    divided = leave_one_out(sequences([1, 2, 3, 4], [5, 6], [7, 8, 9]))
    score_lists(scores, divided.test, np.ones(10, dtype=np.int64))

    assert given == [[1, 2, 3], [7, 8]]  # who has two ratings has no target


def test_windows_know_what_was_rated_before_them() -> None:
    made = windows(
        sequences([5, 6, 7, 8], [9, 3]),
        np.array([0, 1]),
        np.array([2, 0]),
        np.array([2, 2]),
        vocabulary_size=10,
        random=np.random.default_rng(0),
        relevant=np.arange(6),
    )

    assert made.movies.T.tolist() == [[7, 8], [9, 3]]
    assert made.from_start.tolist() == [False, True]
    assert made.rated_at[0].tolist() == [NEVER] * 5 + [-1, -1, 0, 1] + [NEVER]
    assert made.rated_at[1, [3, 9]].tolist() == [1, 0]
    steps, users = made.predicted()
    # The first movie of a window inside a history is read and not predicted: what came before it is not known here.
    assert sorted(zip(users.tolist(), steps.tolist(), strict=True)) == [(0, 1), (1, 0), (1, 1)]


def whole_catalogue_step(task: RankingTask, of: Windows) -> Tensor:
    """The loss of a step that encodes all movies, whether it needs them or not."""
    candidates, network = task.sampler.draw(), task.network.members[0]
    movies = network.movies()
    queries = network(of.profiles, of.movies, of.stars, movies.vectors)
    steps, users = of.predicted()
    loss = task._loss("next", queries, movies, of.movies, of, Places.of(steps, users, of), candidates)
    some = of.relevant[steps, users] != UNKNOWN
    at = Places.of(steps[some], users[some], of)
    return loss + task.config.relevance_weight * task._loss(
        "relevance", queries, movies, of.relevant, of, at, candidates
    )


@pytest.mark.parametrize("sampled_movies", [15, None], ids=["a sample", "the whole catalogue"])
@pytest.mark.parametrize("longest", [8, 3], ids=["padded windows", "windows of one length"])
def test_a_step_learns_the_same_as_one_that_encodes_all_movies(sampled_movies: int | None, longest: int) -> None:
    random = np.random.default_rng(0)
    users = [random.permutation(np.arange(1, 60))[:length].tolist() for length in (12, 30, 3)]
    train = sequences(*users)
    train = replace(train, stars=random.choice([2.0, 4.0, 5.0], len(train.movies)).astype(np.float32))
    assert SMALL.network.ranking is not None
    shape = SMALL.network.model_copy(update={"ranking": SMALL.network.ranking.model_copy(update={"unknown_rate": 0.0})})
    ranking = network(shape, vocabulary_size=60).require_ranking().members[0].train()
    training = RankingTrainingConfig(sampled_movies=sampled_movies, relevance_share=0.5)
    task = RankingTask(ranking, train, None, training, torch.device("cpu"))
    lengths = np.minimum(train.counts, longest)
    window = windows(train, np.arange(3), train.counts - lengths, lengths, 60, random, task.relevant, 0.5)
    samples = len(window.predicted()[0])
    learned = dict(ranking.named_parameters())

    def loss_and_gradients(step: Callable[[], Tensor]) -> tuple[Tensor, ...]:
        torch.manual_seed(7)
        loss = step()
        return loss, *torch.autograd.grad(loss, list(learned.values()))

    whole = loss_and_gradients(lambda: whole_catalogue_step(task, window))
    needed = loss_and_gradients(lambda: task._mean_loss(window, samples))

    assert whole[0].item() == pytest.approx(needed[0].item(), rel=1e-6)
    for name, one, other in zip(learned, whole[1:], needed[1:], strict=True):
        assert torch.allclose(one, other, rtol=1e-4, atol=1e-7), name


def test_a_relevant_movie_is_drawn_from_those_at_a_step_or_later_also_beyond_the_window() -> None:
    histories = sequences([1, 5, 6, 7, 8], [2, 9, 3, 4])
    histories.stars[:] = [4, 4, 3, 2, 5, 5, 1, 4, 3]  # relevant: movies 1, 5 and 8, and 2 and 3
    ratings = np.array([[1, 6], [2, 7], [3, 8]])  # movies 5, 6, 7 and 9, 3, 4

    def draw(seed: int, relevant: IntArray) -> IntArray:
        return _draw_relevant(histories, relevant, ratings, np.array([0, 1]), np.random.default_rng(seed))

    drawn = np.stack([draw(seed, np.flatnonzero(histories.stars >= 4)) for seed in range(50)])

    assert set(drawn[:, 0, 0].tolist()) == {5, 8}
    assert (drawn[:, 1:, 0] == 8).all()
    assert (drawn[:, :2, 1] == 3).all()
    assert (drawn[:, 2, 1] == UNKNOWN).all()  # nothing that is relevant is left
    assert not draw(0, np.array([], dtype=np.int64)).any()


def test_relevant_movies_are_learned_at_a_share_of_the_steps() -> None:
    one, length = sequences(list(range(1, 1001))), np.array([1000])

    made = windows(one, np.array([0]), length * 0, length, 1001, np.random.default_rng(0), np.arange(1000), 0.25)

    assert (made.relevant != UNKNOWN).float().mean().item() == pytest.approx(0.25, abs=0.05)


def chains(users: int, *, shuffled: bool = False) -> Sequences:
    """Users who walk round a circle of 20 movies, from anywhere: the last movie says which comes next.

    With ``shuffled``, any ten of the movies in any order: nothing does.
    """
    random = np.random.default_rng(0)
    starts = random.integers(20, size=users)
    walks = [[1 + (start + step) % 20 for step in range(10)] for start in starts.tolist()]
    if shuffled:
        walks = [(1 + random.permutation(20)[:10]).tolist() for _ in walks]
    return sequences(*walks)


def ndcg_on_chains(sample: MovieLens, *, shuffled: bool) -> float:
    preset = SMALL.model_copy(
        update={
            "network": SMALL.network.model_copy(update={"ranking": RankingConfig(embedding=16, hidden=12)}),
            "ranking_training": RankingTrainingConfig(epochs=30, learning_rate=2e-2),
        }
    )
    model = NetworkRanker(SeqRecEstimator(preset, context_for(sample)), "next")
    return RANKING.evaluate(
        model, leave_one_out(chains(200, shuffled=shuffled)), model.model.context
    ).evaluation.ndcg_at_10


def test_the_network_learns_which_movie_comes_next(sample: MovieLens) -> None:
    assert ndcg_on_chains(sample, shuffled=False) > 0.9


def test_the_network_learns_no_order_where_there_is_none(sample: MovieLens) -> None:
    # Eleven movies are left to guess from: by chance, the sum of all ten gains divided by eleven, 0.41.
    assert ndcg_on_chains(sample, shuffled=True) < 0.55


def test_by_relevance_a_list_has_relevant_movies_whatever_comes_next(sample: MovieLens) -> None:
    # Everyone rates all of 20 movies in some order, and likes the first ten.
    random = np.random.default_rng(1)
    orders = [(1 + random.permutation(20)).tolist() for _ in range(150)]
    read = sequences(*orders)
    rated = replace(read, stars=np.where(read.movies <= 10, 5.0, 2.0).astype(np.float32))
    preset = SMALL.model_copy(update={"ranking_training": RankingTrainingConfig(epochs=15, learning_rate=2e-2)})
    model = NetworkRanker(SeqRecEstimator(preset, context_for(sample)), "relevance")
    model.fit(leave_one_out(rated))

    later = model.scores(sequences([11], [1]))[:, 1:21]
    model.horizon = "next"
    following = model.scores(sequences([11], [1]))[:, 1:21]

    assert (later[:, :10].min(1) > later[:, 10:].max(1)).all()
    assert not (following[:, :10].min(1) > following[:, 10:].max(1)).all()


def test_a_disliked_movie_counts_differently_from_a_loved_one(sample: MovieLens) -> None:
    model = NetworkRanker(SeqRecEstimator(SMALL, context_for(sample)), "relevance")
    model.fit(user_split(Sequences.of(sample)))

    loved, hated = model.scores(sequences([3, 4, 5], stars=5.0)), model.scores(sequences([3, 4, 5], stars=1.0))

    assert np.abs(loved - hated).max() > 1e-3


@pytest.fixture(scope="module")
def lists_split(sample: MovieLens) -> Split:
    return user_split(Sequences.of(sample))


@pytest.fixture(scope="module", params=["popularity", "item-knn", "small", "small-rating"])
def ranker(request: pytest.FixtureRequest, sample: MovieLens, lists_split: Split) -> Ranker:
    context = context_for(sample)
    presets = {"small": SMALL, "small-rating": RATING_ONLY}
    model = (
        NetworkRanker(SeqRecEstimator(presets[request.param], context), "relevance")
        if request.param in presets
        else RANKING.build(request.param, context, "user-split")
    )
    model.fit(lists_split)
    return model


def test_every_ranker_scores_every_movie_for_every_user_whoever_else_is_in_the_batch(
    ranker: Ranker, lists_split: Split
) -> None:
    histories = lists_split.test.histories()
    together = ranker.scores(histories)

    assert together.shape == (len(histories), ranker.vocabulary_size)
    assert np.isfinite(together).all()
    for user in (0, len(histories) - 1):
        alone = ranker.scores(histories.take(np.array([user])))
        assert np.allclose(alone[0], together[user], atol=1e-4)


def test_every_ranker_answers_for_an_empty_history(ranker: Ranker) -> None:
    assert np.isfinite(ranker.scores(sequences([], [1]))).all()


def test_what_comes_after_the_history_changes_no_list(ranker: Ranker, lists_split: Split) -> None:
    """An evaluation hands a ranker the histories of the test users and nothing of their targets."""
    changed = replace(lists_split.test.sequences, movies=lists_split.test.sequences.movies.copy())
    changed.movies[lists_split.test.targets] = (
        1 + (changed.movies[lists_split.test.targets] + 40) % 80
    )  # 80 movies in all
    altered = replace(lists_split.test, sequences=changed)

    assert not np.array_equal(altered.sequences.movies, lists_split.test.sequences.movies)
    assert np.array_equal(rank(ranker.scores, altered).lists, rank(ranker.scores, lists_split.test).lists)


def test_an_evaluation_has_the_baselines_beside_it(sample: MovieLens, lists_split: Split) -> None:
    context = context_for(sample)
    model = NetworkRanker(SeqRecEstimator(SMALL, context), "relevance")
    evaluation = RANKING.evaluate(model, lists_split, context).evaluation

    assert (evaluation.model, evaluation.protocol, evaluation.inductive) == ("small", "user-split", True)
    assert set(evaluation.baselines) == {"popularity", "item-knn"}
    assert evaluation.n_users == int((lists_split.test.target_counts > 0).sum())
    assert len(evaluation.learning_curve) == 2
    assert all(epoch.validation_ndcg is not None for epoch in evaluation.learning_curve)


@pytest.mark.parametrize("averaging", [None, 8.0], ids=["last weights", "averaged weights"])
def test_an_interrupted_ranking_run_goes_on_where_it_stopped(
    sample: MovieLens, lists_split: Split, tmp_path: Path, averaging: float | None
) -> None:
    training = RankingTrainingConfig(epochs=2, averaging=averaging)
    preset = SMALL.model_copy(update={"ranking_training": training})
    whole = NetworkRanker(SeqRecEstimator(preset, context_for(sample)), "relevance")
    whole.fit(lists_split)

    def interrupt(progress: object) -> None:
        if progress.epoch == 2:  # type: ignore[attr-defined]
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        NetworkRanker(
            SeqRecEstimator(preset, replace(context_for(sample, tmp_path), on_progress=interrupt)), "relevance"
        ).fit(lists_split)
    resumed = NetworkRanker(SeqRecEstimator(preset, context_for(sample, tmp_path, resume=True)), "relevance")
    resumed.fit(lists_split)

    histories = lists_split.test.histories()
    assert np.array_equal(resumed.scores(histories), whole.scores(histories))


def test_the_rate_rises_and_falls_to_the_final_share() -> None:
    training = RankingTrainingConfig(epochs=10, learning_rate=0.4, warm_up=0.2, final_rate=0.1)
    ranking = network(SMALL.network, vocabulary_size=10).require_ranking()
    task = RankingTask(ranking, sequences([1, 2, 3]), None, training, torch.device("cpu"))

    assert [task.rate(epochs) for epochs in (1, 2, 6, 10)] == pytest.approx([0.2, 0.4, 0.22, 0.04])


def vector(module: nn.Module) -> Tensor:
    """A copy of all parameters, one behind the other."""
    return nn.utils.parameters_to_vector(module.parameters()).detach().clone()


def test_averaged_weights_are_the_mean_after_all_steps_in_which_later_steps_count_more() -> None:
    histories = sequences(*([1, 2, 3, 4, 5, 6, 7] for _ in range(3)))
    training = RankingTrainingConfig(epochs=2, users_per_step=1, averaging=1.0)
    ranking = network(SMALL.network, vocabulary_size=10).require_ranking()
    task = RankingTask(ranking, histories, None, training, torch.device("cpu"))
    after_steps: list[Tensor] = []
    for epoch in (1, 2):
        task.run_epoch(epoch, lambda *_: after_steps.append(vector(task.trained)))

    numbers = torch.arange(1, 7)  # by the first power of its number
    mean = (torch.stack(after_steps) * (numbers / numbers.sum())[:, None]).sum(0)

    assert torch.allclose(vector(ranking), mean, atol=1e-6)
    assert not torch.allclose(after_steps[-1], mean, atol=1e-3)


def test_the_average_of_a_refit_goes_on_from_the_network_that_it_starts_from() -> None:
    histories = sequences(*([1, 2, 3, 4, 5, 6, 7] for _ in range(3)))
    training = RankingTrainingConfig(epochs=1, users_per_step=1, averaging=1.0)
    ranking = network(SMALL.network, vocabulary_size=10).require_ranking()
    start = vector(ranking)
    task = RankingTask(ranking, histories, None, training, torch.device("cpu"), earlier_steps=6)
    after_steps: list[Tensor] = []
    task.run_epoch(1, lambda *_: after_steps.append(vector(task.trained)))

    # The start stands for steps 1 to 6, whose numbers add up to 21; those of the refit are 7, 8 and 9.
    mean = (torch.stack([start, *after_steps]) * (torch.tensor([21.0, 7.0, 8.0, 9.0]) / 45)[:, None]).sum(0)
    assert torch.allclose(vector(ranking), mean, atol=1e-6)


def test_titles_and_genres_are_in_memory_once_though_an_averaged_network_has_its_weights_twice() -> None:
    ranking = network(SMALL.network, vocabulary_size=10).require_ranking()
    task = RankingTask(ranking, sequences([1, 2]), None, RankingTrainingConfig(averaging=8.0), torch.device("cpu"))

    both = [dict(one.named_buffers()) | dict(one.named_parameters()) for one in (ranking, task.trained)]
    assert {name for name in both[0] if both[0][name].data_ptr() == both[1][name].data_ptr()} == {
        "movies.genres",
        "movies.titles",
    }


def test_stars_and_lists_are_the_same_whether_a_network_learns_one_of_them_or_both(
    sample: MovieLens, lists_split: Split
) -> None:
    histories, context = lists_split.test.histories(), context_for(sample)
    stars_alone, lists_alone = (
        SeqRecEstimator(RATING_ONLY, context),
        NetworkRanker(SeqRecEstimator(SMALL, context), "relevance"),
    )
    stars_alone.fit(lists_split)
    lists_alone.fit(lists_split)
    both = SeqRecEstimator(SMALL, context)
    both.fit(lists_split)
    both.fit_ranking(lists_split.train, lists_split.validation)

    assert np.array_equal(both.predict(lists_split.test).stars, stars_alone.predict(lists_split.test).stars)
    assert np.array_equal(NetworkRanker(both, "relevance").scores(histories), lists_alone.scores(histories))


def test_a_refit_on_more_users_starts_from_the_first_fit(sample: MovieLens, lists_split: Split) -> None:
    patient = SMALL.model_copy(
        update={"ranking_training": RankingTrainingConfig(epochs=2, refit_epochs=1, refit_rate=0.0)}
    )
    first, second = (SeqRecEstimator(patient, context_for(sample)) for _ in range(2))
    for model in (first, second):
        model.begin(lists_split.train)
        model.fit_prior(lists_split.train)
    first.fit_ranking(lists_split.train, lists_split.validation)
    second.fit_ranking(lists_split.train, None, start=first.network)  # at a rate of 0

    histories = lists_split.test.histories()
    assert np.array_equal(
        NetworkRanker(second, "relevance").scores(histories), NetworkRanker(first, "relevance").scores(histories)
    )


def test_a_refit_goes_on_with_the_average_of_the_steps_that_made_its_start(
    sample: MovieLens, lists_split: Split
) -> None:
    first, soon, late = (SeqRecEstimator(SMALL, context_for(sample)) for _ in range(3))
    for model in (first, soon, late):
        model.begin(lists_split.train)
        model.fit_prior(lists_split.train)
    first.fit_ranking(lists_split.train, None)
    soon.fit_ranking(lists_split.train, None, start=first.network)
    late.fit_ranking(lists_split.train, None, start=first.network, earlier_steps=10**12)

    histories = lists_split.test.histories()
    at_first, soon_after, long_after = (
        NetworkRanker(model, "relevance").scores(histories) for model in (first, soon, late)
    )
    assert np.allclose(long_after, at_first, atol=1e-5)
    assert not np.allclose(soon_after, at_first, atol=1e-2)


def test_every_preset_can_be_evaluated_by_its_lists() -> None:
    assert {*PRESETS, "popularity", "item-knn"} == set(RANKING.builders)


def test_an_unknown_ranker_is_named_beside_those_that_there_are(sample: MovieLens) -> None:
    with pytest.raises(UnknownNameError, match="popularity, item-knn"):
        RANKING.build("best", context_for(sample), "user-split")
