from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from builders import RATING_ONLY, SMALL, SMALL_NETWORK, context_for, network

from model.data.dataset import MovieLens
from model.data.sequences import Examples, Sequences, split_in_half
from model.data.splits import Split, paper_split, random_split
from model.errors import CheckpointError, DivergedError
from model.evaluation.batch_scoring import predict
from model.evaluation.rating_metrics import Predicted, rmse
from model.factorization.cross_fitting import fit_priors
from model.inference.artifact import load_card
from model.network.config import FactorizationConfig, TrainingConfig
from model.network.rating import SeqRec
from model.pipeline import train
from model.training.batches import Batches, balanced
from model.training.estimator import SeqRecEstimator
from model.training.rating_task import RatingTask
from model.training.trainer import Progress, Trainer
from model.types import IntArray

CPU = torch.device("cpu")


def rating_network(trained: Trainer) -> SeqRec:
    assert isinstance(trained.network, SeqRec)
    return trained.network


def trainer(split: Split, vocabulary_size: int, **settings: object) -> Trainer:
    config = TrainingConfig(**{"epochs": 3, **settings})
    priors = fit_priors(SMALL_NETWORK, split.train.sequences, np.zeros((vocabulary_size, 0), dtype=np.float32), seed=0)
    return Trainer(
        RatingTask(network(SMALL_NETWORK, vocabulary_size), split.train, split.validation, config, CPU, priors)
    )


def one_fold(examples: Examples) -> IntArray:
    return np.zeros(len(examples), dtype=np.int64)


@pytest.fixture(scope="module")
def vocabulary_size(sample: MovieLens) -> int:
    return len(sample.catalogue.vocabulary)


def test_an_epoch_has_every_target_once_after_its_own_users_history(split: Split) -> None:
    examples = split.train
    movies_of_targets, stars_of_targets = [], []
    for batch in Batches(examples, TrainingConfig(), one_fold(examples)).epoch(1):
        assert len(batch.users.lengths) <= 16
        assert np.bincount(batch.sample_users.numpy()).max() <= 32
        movies_of_targets += batch.sample_movies.tolist()
        stars_of_targets += batch.sample_stars.tolist()

    assert sorted(movies_of_targets) == sorted(examples.sequences.movies[examples.targets].tolist())
    assert sum(stars_of_targets) == examples.target_stars.sum()


def test_a_batch_pairs_each_sample_with_the_history_of_its_user() -> None:
    # Three users, each with movies of its own hundred.
    movies = np.concatenate([np.arange(100 * user, 100 * user + 10) for user in (1, 2, 3)])
    sequences = Sequences(
        user_ids=np.array([1, 2, 3]),
        profiles=np.zeros((3, 24), dtype=np.float32),
        movies=movies,
        stars=np.ones(30, dtype=np.float32),
        offsets=np.array([0, 10, 20, 30]),
    )
    for random_history_lengths in (False, True):
        config = TrainingConfig(random_history_lengths=random_history_lengths)
        for batch in Batches(Examples(sequences, np.array([5, 5, 5])), config, np.array([0, 1, 0])).epoch(1):
            ends = batch.users.lengths.cumsum(0)
            for sample_user, movie in zip(batch.sample_users.tolist(), batch.sample_movies.tolist(), strict=True):
                history = batch.users.movies[ends[sample_user] - batch.users.lengths[sample_user] : ends[sample_user]]
                assert all(movie > earlier and movie // 100 == earlier // 100 for earlier in history.tolist())


def test_the_users_of_a_step_are_of_one_fold_and_every_target_is_still_there_once(split: Split) -> None:
    numbers = np.arange(len(split.train))
    profiles = np.repeat(numbers, 24).reshape(-1, 24).astype(np.float32)  # tell who is who
    examples = Examples(replace(split.train.sequences, profiles=profiles), split.train.history_lengths)
    folds = numbers % 3
    batches = Batches(examples, TrainingConfig(users_per_step=4), folds)
    steps = list(batches.epoch(1))

    assert len(steps) == len(batches)
    assert sum(len(step.sample_stars) for step in steps) == len(examples.targets)
    assert {step.fold for step in steps} == {0, 1, 2}
    for step in steps:
        users = step.users.profiles[:, 0].long().numpy()
        assert (folds[users] == step.fold).all()


def test_random_history_lengths_meet_histories_of_every_length(split: Split) -> None:
    lengths = [
        length
        for number in range(1, 30)
        for batch in Batches(split.train, TrainingConfig(random_history_lengths=True), one_fold(split.train)).epoch(
            number
        )
        for length in batch.users.lengths.tolist()
    ]

    assert min(lengths) == 0
    assert max(lengths) > split.train.history_lengths.max()


def test_the_same_seed_gives_the_same_network_and_another_seed_another(split: Split, vocabulary_size: int) -> None:
    runs = []
    for seed in (0, 0, 1):
        one = trainer(split, vocabulary_size, seed=seed, epochs=1)
        one.run()
        runs.append(predict(rating_network(one), split.test, CPU).stars)

    assert np.array_equal(runs[0], runs[1])
    assert not np.array_equal(runs[0], runs[2])


def test_a_resumed_run_ends_exactly_where_an_uninterrupted_one_does(
    split: Split, vocabulary_size: int, tmp_path: Path
) -> None:
    whole = trainer(split, vocabulary_size)
    whole.run()

    checkpoint = tmp_path / "run.safetensors"
    with pytest.raises(KeyboardInterrupt):
        trainer(split, vocabulary_size).run(checkpoint, _interrupt_in_epoch(3))
    resumed = trainer(split, vocabulary_size)
    resumed.resume(checkpoint)
    assert len(resumed.epochs) == 2
    resumed.run()

    assert [epoch.validation_rmse for epoch in resumed.epochs] == [epoch.validation_rmse for epoch in whole.epochs]
    assert np.array_equal(
        predict(rating_network(resumed), split.test, CPU).stars, predict(rating_network(whole), split.test, CPU).stars
    )


def _interrupt_in_epoch(number: int, call: int = 1) -> Callable[[Progress], None]:
    """Interrupts at the first step of an epoch, when that is met for the ``call``-th time."""
    met = []

    def on_progress(progress: Progress) -> None:
        if progress.epoch == number and progress.step == 1:
            met.append(progress)
        if len(met) == call:
            raise KeyboardInterrupt

    return on_progress


def test_a_training_that_is_killed_in_its_second_run_does_not_repeat_the_first(
    sample: MovieLens, tmp_path: Path
) -> None:
    interrupted = replace(context_for(sample, tmp_path / "state"), on_progress=_interrupt_in_epoch(1, call=2))
    with pytest.raises(KeyboardInterrupt):
        train(sample, RATING_ONLY, tmp_path, interrupted)
    assert len(list((tmp_path / "state").iterdir())) == 1

    steps: list[Progress] = []
    resumed = replace(context_for(sample, tmp_path / "state", resume=True), on_progress=steps.append)
    folder = train(sample, RATING_ONLY, tmp_path, resumed).folder

    assert max(step.epochs for step in steps) == load_card(folder).epochs
    assert len([step for step in steps if step.step == 1]) == load_card(folder).epochs
    assert list((tmp_path / "state").iterdir()) == []


def test_a_checkpoint_of_other_settings_is_refused(split: Split, vocabulary_size: int, tmp_path: Path) -> None:
    checkpoint = tmp_path / "run.safetensors"
    first = trainer(split, vocabulary_size, epochs=1)
    first.run(checkpoint)

    with pytest.raises(CheckpointError, match="other settings"):
        trainer(split, vocabulary_size, epochs=2).resume(checkpoint)


def test_a_damaged_checkpoint_is_refused(split: Split, vocabulary_size: int, tmp_path: Path) -> None:
    checkpoint = tmp_path / "run.safetensors"
    checkpoint.write_bytes(b"not a checkpoint")

    with pytest.raises(CheckpointError, match="cannot be read"):
        trainer(split, vocabulary_size).resume(checkpoint)


def test_training_stops_after_epochs_without_a_better_error_and_keeps_the_best(
    split: Split, vocabulary_size: int
) -> None:
    wild = trainer(split, vocabulary_size, epochs=30, patience=2, learning_rate=0.2)
    wild.run()

    best = wild.best_epoch
    assert best is not None
    assert len(wild.epochs) == best.number + 2
    error = rmse(predict(rating_network(wild), split.validation, CPU).stars, split.validation.target_stars)
    assert error == pytest.approx(best.validation_rmse)


def test_the_rate_rises_in_the_first_epoch_and_falls_to_half(split: Split, vocabulary_size: int) -> None:
    one = trainer(split, vocabulary_size, epochs=3, learning_rate=1.0)
    assert isinstance(one.task, RatingTask)
    rates = [one.task.rate(epochs_done) for epochs_done in (0.0, 0.5, 1.0, 2.0, 3.0)]

    assert rates == [0.5, 0.75, 1.0, 0.75, 0.5]


def test_where_targets_are_interleaved_in_time_so_are_those_of_random_history_lengths(split: Split) -> None:
    numbered = replace(split.train.sequences, movies=np.arange(len(split.train.sequences.movies)))
    interleaved = Examples(numbered, split.train.history_lengths, interleaved=True)
    earlier_than_some_history = 0
    for batch in Batches(interleaved, TrainingConfig(random_history_lengths=True), one_fold(interleaved)).epoch(1):
        ends = batch.users.lengths.cumsum(0)
        for user, movie in zip(batch.sample_users.tolist(), batch.sample_movies.tolist(), strict=True):
            history = batch.users.movies[ends[user] - batch.users.lengths[user] : ends[user]].tolist()
            assert history == sorted(history)
            assert movie not in history
            earlier_than_some_history += bool(history) and movie < history[-1]

    assert earlier_than_some_history > 0.5 * len(split.train.targets) / 2


def test_balanced_samples_of_quiet_users_and_rare_movies_weigh_more_and_the_mean_is_one() -> None:
    # User 0 rated movies 1 to 4, user 1 movie 1 alone: pairs of counts (4, 2), three times (4, 1), and (1, 2).
    users, movies = balanced(
        Sequences(
            user_ids=np.arange(2),
            profiles=np.zeros((2, 24), dtype=np.float32),
            movies=np.array([1, 2, 3, 4, 1]),
            stars=np.ones(5, dtype=np.float32),
            offsets=np.array([0, 4, 5]),
        ),
        balance=0.5,
    )

    weights = users[[0, 0, 0, 0, 1]] * movies[[1, 2, 3, 4, 1]]
    plain = np.array([8, 4, 4, 4, 2]) ** -0.5
    assert weights.tolist() == pytest.approx((plain / plain.mean()).tolist(), rel=1e-5)


def test_without_balance_all_samples_weigh_one(split: Split) -> None:
    for batch in Batches(split.train, TrainingConfig(), one_fold(split.train)).epoch(1):
        assert batch.sample_weights.tolist() == pytest.approx([1.0] * len(batch.sample_stars))


def styles(users: int) -> Examples:
    """Every second user gives nothing but threes; the others give ones and fives, at random."""
    random = np.random.default_rng(0)
    movies = np.concatenate([random.permutation(np.arange(1, 21)) for _ in range(users)])
    torn = np.repeat(np.arange(users) % 2, 20)
    stars = np.where(torn, random.choice([1.0, 5.0], size=20 * users), 3.0).astype(np.float32)
    sequences = Sequences(
        user_ids=np.arange(users),
        profiles=np.zeros((users, 24), dtype=np.float32),
        movies=movies,
        stars=stars,
        offsets=np.arange(0, 20 * users + 1, 20),
    )
    return split_in_half(sequences)


def predictions_of_unseen_users(everyone: Examples) -> tuple[Predicted, Examples]:
    """Predictions for the last 60 of 300 users, and these users, after a short training on the others."""
    learning, test = (
        Examples(everyone.sequences.take(users), everyone.history_lengths[users])
        for users in np.split(np.arange(300), [240])
    )
    priors = fit_priors(SMALL_NETWORK, learning.sequences, np.zeros((21, 0), dtype=np.float32), seed=0)
    one = Trainer(RatingTask(network(SMALL_NETWORK, 21), learning, None, CHECKERBOARD, CPU, priors))
    one.run()
    return predict(rating_network(one), test, CPU), test


def test_the_network_learns_from_the_history_how_a_user_spreads_the_stars() -> None:
    predictions, _ = predictions_of_unseen_users(styles(300))
    probabilities = predictions.probabilities

    assert probabilities is not None
    of_three = probabilities[:, 2].reshape(60, 10).mean(1)
    assert of_three[::2].min() > 0.8
    assert of_three[1::2].max() < 0.2


def checkerboard(users: int, *, shuffled: bool = False) -> Examples:
    """Users love either the even movies or the odd ones and hate the others: no bias can tell, one rating can.

    With ``shuffled``, the stars are dealt out again at random: there is nothing to learn.
    """
    random = np.random.default_rng(0)
    movies = np.concatenate([random.permutation(np.arange(1, 21)) for _ in range(users)])
    tastes = np.repeat(random.integers(2, size=users), 20)
    stars = np.where(movies % 2 == tastes, 5.0, 1.0).astype(np.float32)
    sequences = Sequences(
        user_ids=np.arange(users),
        profiles=np.zeros((users, 24), dtype=np.float32),
        movies=movies,
        stars=random.permutation(stars) if shuffled else stars,
        offsets=np.arange(0, 20 * users + 1, 20),
    )
    return split_in_half(sequences)


def error_on_checkerboard(*, shuffled: bool) -> float:
    """RMSE for users that were not in training, after a short training."""
    predictions, test = predictions_of_unseen_users(checkerboard(300, shuffled=shuffled))
    return rmse(predictions.stars, test.target_stars)


CHECKERBOARD = TrainingConfig(epochs=30, learning_rate=1e-2)


def test_the_network_learns_taste_that_no_bias_can_see() -> None:
    assert error_on_checkerboard(shuffled=False) < 0.5


def test_the_network_learns_nothing_from_shuffled_ratings() -> None:
    assert error_on_checkerboard(shuffled=True) > 1.9  # always answering the mean, 3 stars, has 2.0


FACTORIZATION = SMALL.model_copy(
    update={
        "name": "factorization",
        "network": SMALL.network.model_copy(
            update={
                "prior": "factorization",
                "factorization": FactorizationConfig(
                    factors=2,
                    coordinates=4,
                    sweeps=6,
                    burn_in=2,
                    keep_every=1,
                    folds=2,
                    fold_sweeps=4,
                    fold_keep_every=1,
                ),
            }
        ),
    }
)


def test_a_finished_training_that_is_resumed_trains_nothing_again_and_predicts_the_same(
    sample: MovieLens, split: Split, tmp_path: Path
) -> None:
    first = SeqRecEstimator(FACTORIZATION, context_for(sample, tmp_path))
    first.fit(split)
    steps: list[Progress] = []
    sweeps: list[tuple[int, int]] = []
    resuming = replace(
        context_for(sample, tmp_path, resume=True),
        on_progress=steps.append,
        on_fit=lambda done, total: sweeps.append((done, total)),
    )

    again = SeqRecEstimator(FACTORIZATION, resuming)
    again.fit(split)

    assert (steps, sweeps) == ([], [])
    assert np.array_equal(again.predict(split.test).stars, first.predict(split.test).stars)


@pytest.mark.parametrize("draw", [paper_split, random_split])
def test_the_stars_of_test_targets_are_never_read(sample: MovieLens, draw: Callable[[Sequences], Split]) -> None:
    split = draw(Sequences.of(sample))
    stars = split.test.sequences.stars.copy()
    stars[split.test.targets] = 6 - stars[split.test.targets]
    altered = replace(split, test=replace(split.test, sequences=replace(split.test.sequences, stars=stars)))

    predictions = []
    for known in (split, altered):
        model = SeqRecEstimator(FACTORIZATION, context_for(sample))
        model.fit(known)
        predictions.append(model.predict(known.test).stars)

    first, second = predictions
    assert np.array_equal(first, second)


def test_a_loss_that_is_no_number_ends_the_training_with_advice(split: Split, vocabulary_size: int) -> None:
    one = trainer(split, vocabulary_size, learning_rate=1e30)

    with pytest.raises(DivergedError, match="smaller learning rate"):
        one.run()
