"""The split of all users at the same times."""

from dataclasses import replace

import numpy as np
import pytest

from model.data.dataset import MovieLens
from model.data.sequences import Examples, Sequences
from model.data.splits import by_time, leave_one_out, split
from model.errors import DataError, SettingsError


def at(*users: list[int]) -> Sequences:
    """Users with ratings at these times, oldest first; no two users have a movie in common."""
    times = np.array([time for own in users for time in own])
    return Sequences(
        user_ids=np.arange(1, len(users) + 1),
        profiles=np.zeros((len(users), 24), dtype=np.float32),
        movies=np.arange(1, len(times) + 1),
        stars=np.full(len(times), 4, dtype=np.float32),
        offsets=np.cumsum([0, *map(len, users)]),
        times=times,
    )


def targets_and_times(examples: Examples) -> tuple[list[int], list[int]]:
    times = examples.sequences.times
    assert times is not None
    return examples.sequences.movies[examples.targets].tolist(), times[examples.targets].tolist()


def test_ratings_are_divided_at_two_times_that_are_the_same_for_all_users() -> None:
    # Twenty ratings at 1 to 20: sixteen for training, then two for validation, and two for test.
    everyone = at([1, 4, 5, 9, 17, 19], [2, 3, 6, 7, 8, 10, 11, 12, 13, 14, 15, 16], [18, 20])

    divided = by_time(everyone)

    assert divided.train.sequences.times is not None
    assert sorted(divided.train.sequences.times.tolist()) == list(range(1, 17))
    assert targets_and_times(divided.validation) == ([5], [17])  # the third user has no history then
    assert divided.validation.histories().movies.tolist() == [1, 2, 3, 4]
    assert targets_and_times(divided.test) == ([6, 20], [19, 20])
    assert divided.test.histories().movies.tolist() == [1, 2, 3, 4, 5, 19]


def uneven(sample: MovieLens) -> Sequences:
    """The sample at random times of the same years."""
    everyone = Sequences.of(sample)
    random = np.random.default_rng(0)
    times = np.concatenate([np.sort(random.integers(0, 10**8, count)) for count in everyone.counts])
    return replace(everyone, times=times)


def newest(examples: Examples) -> int:
    assert examples.sequences.times is not None
    return int(examples.sequences.times.max())


def test_nothing_in_training_is_later_than_a_target_and_leave_one_out_cannot_say_so(sample: MovieLens) -> None:
    everyone = uneven(sample)
    fair, leaking = by_time(everyone), leave_one_out(everyone)

    assert newest(fair.train) < min(targets_and_times(fair.validation)[1])
    assert max(targets_and_times(fair.validation)[1]) < min(targets_and_times(fair.test)[1])
    assert newest(leaking.train) > min(targets_and_times(leaking.test)[1])


def test_times_that_are_all_the_same_number_of_seconds_apart_are_refused(sample: MovieLens) -> None:
    with pytest.raises(DataError, match="100% are 60 seconds apart"):
        split("by-time", Sequences.of(sample), task="ranking")


def test_data_without_times_is_refused() -> None:
    with pytest.raises(DataError, match="needs the times"):
        by_time(replace(at([1, 2, 5], [1, 7]), times=None))


def test_nothing_is_drawn(sample: MovieLens) -> None:
    with pytest.raises(SettingsError, match="leave the seeds out"):
        split("by-time", Sequences.of(sample), (1, 2), task="ranking")
