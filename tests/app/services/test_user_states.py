import numpy as np
import pytest

from app.services.user_states import UserStates
from model.features.users import Profile, Rated, UserContext
from model.inference.ranking import UserState
from model.inference.scorer import Scorer


def state_of(scorer: Scorer, ratings: int = 5) -> UserState:
    return scorer.read(UserContext(Profile("F", 25, 3), [Rated(id_, 4.0) for id_ in range(1, ratings + 1)]))


def test_a_state_is_found_until_the_user_has_another_revision(scorer: Scorer) -> None:
    states, state = UserStates(1 << 20), state_of(scorer)
    states.put(7, 100, state)

    assert states.get(7, 100) is state
    assert states.get(7, 101) is None
    assert states.get(8, 100) is None


def test_the_least_recently_used_go_when_the_memory_is_full(scorer: Scorer) -> None:
    size = state_of(scorer).nbytes
    states = UserStates(3 * size)
    for user_id in (1, 2, 3):
        states.put(user_id, 0, state_of(scorer))
    states.get(1, 0)
    states.put(4, 0, state_of(scorer))

    assert [user_id for user_id in (1, 2, 3, 4) if states.get(user_id, 0)] == [1, 3, 4]


def test_a_state_that_has_grown_is_accounted_anew_when_it_is_put_again(scorer: Scorer) -> None:
    first, second = state_of(scorer), state_of(scorer)
    states = UserStates(first.nbytes + second.nbytes)
    states.put(1, 0, first)
    states.put(2, 0, second)
    before = second.nbytes
    scorer.recommend_from(second, np.ones(len(scorer.catalogue.vocabulary), dtype=bool), n=10)
    states.put(2, 0, second)

    assert second.nbytes > before
    assert states.get(1, 0) is None
    assert states.get(2, 0) is None or second.nbytes <= states.limit


@pytest.mark.parametrize("limit", [0, 1])
def test_without_memory_nothing_is_kept(scorer: Scorer, limit: int) -> None:
    states = UserStates(limit)
    states.put(1, 0, state_of(scorer))

    assert states.get(1, 0) is None
