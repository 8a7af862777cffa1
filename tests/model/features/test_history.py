import sys
import tracemalloc

import numpy as np
import pytest

from model.features.history import History, Rated
from model.features.users import UserContext

ENTRIES = [Rated(5, 4.0), Rated(2**63 - 1, 0.1 + 0.2), Rated(7, 4.0, feedback="like")]


def test_a_history_has_the_entries_that_it_was_made_of() -> None:
    history = History.of(ENTRIES)

    assert list(history) == ENTRIES
    assert [history[at] for at in (0, 1, 2, -1)] == [*ENTRIES, ENTRIES[-1]]
    assert list(history[1:]) == ENTRIES[1:]
    assert history[:2].feedback is None
    assert (len(history), bool(history), bool(History.of([]))) == (3, True, False)
    with pytest.raises(IndexError):
        history[3]


def test_histories_are_equal_if_all_of_their_entries_are() -> None:
    history = History.of(ENTRIES)

    assert history == History.of(list(history))
    assert history[:2] == History.of(ENTRIES[:2])
    for other in (ENTRIES[:2], ENTRIES[::-1], [*ENTRIES[:2], Rated(7, 4.0)], [*ENTRIES[:2], Rated(7, 3.0, "like")]):
        assert history != History.of(other)


def test_a_copy_keeps_no_more_than_its_own_entries() -> None:
    own = History.of(ENTRIES)[:1].copy()

    assert own.movie_ids.base is None
    assert own.stars.base is None


def test_a_user_has_given_stars_only_where_they_stand_for_no_other_feedback() -> None:
    user = UserContext(history=ENTRIES)

    assert [user.own_stars(movie_id) for movie_id in (5, 7, 9)] == [4.0, None, None]
    assert [user.has(movie_id) for movie_id in (5, 7, 9)] == [True, True, False]
    assert list(user.without(5).history) == ENTRIES[1:]


def test_a_long_history_takes_what_it_says_and_no_objects() -> None:
    movie_ids, stars = np.arange(10_000), np.full(10_000, 4.0)
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        history = History.of([Rated(*pair) for pair in zip(movie_ids.tolist(), stars.tolist(), strict=True)])
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert history.nbytes == 160_000
    assert after - before < history.nbytes + 100 * sys.getsizeof(history)
