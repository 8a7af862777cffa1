import threading

import numpy as np
import pytest

from app.services.models import user_states
from app.services.models.user_states import UserStates
from model.features.history import Rated
from model.features.users import Profile, UserContext
from model.inference.scorer import Scorer
from model.inference.user_state import UserState

MODEL, OTHER = "a", "b"


def state_of(scorer: Scorer, ratings: int = 5) -> UserState:
    return scorer.read(UserContext(Profile("F", 25, 3), [Rated(id_, 4.0) for id_ in range(1, ratings + 1)]))


def test_a_state_is_found_until_the_user_has_another_revision(scorer: Scorer) -> None:
    states, state = UserStates(1 << 20, [MODEL]), state_of(scorer)
    states.put(MODEL, 7, 100, state)

    assert states.get(MODEL, 7, 100) is state
    assert states.get(MODEL, 7, 101) is None
    assert states.get(MODEL, 8, 100) is None


def test_the_least_recently_used_go_when_the_memory_is_full(scorer: Scorer) -> None:
    size = state_of(scorer).nbytes
    states = UserStates(3 * size, [MODEL])
    for user_id in (1, 2, 3):
        states.put(MODEL, user_id, 0, state_of(scorer))
    states.get(MODEL, 1, 0)
    states.put(MODEL, 4, 0, state_of(scorer))

    assert [user_id for user_id in (1, 2, 3, 4) if states.get(MODEL, user_id, 0)] == [1, 3, 4]


def test_memory_goes_back_to_the_system_each_time_users_have_gone_for_an_eighth_of_it(
    scorer: Scorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[None] = []
    monkeypatch.setattr(user_states, "give_free_memory_back", lambda: calls.append(None))
    size = state_of(scorer).nbytes
    states, times = UserStates(16 * size, [MODEL]), []
    for user_id in range(1, 26):
        states.put(MODEL, user_id, 0, state_of(scorer))
        for thread in threading.enumerate():
            if thread.name == "free memory":
                thread.join()
        times.append(len(calls))

    # 16 have room, and two are an eighth.
    assert [user_id for user_id in range(2, 26) if times[user_id - 1] > times[user_id - 2]] == [19, 22, 25]


def test_a_state_that_has_grown_is_accounted_anew_when_it_is_put_again(scorer: Scorer) -> None:
    first, second = state_of(scorer), state_of(scorer)
    states = UserStates(first.nbytes + second.nbytes, [MODEL])
    states.put(MODEL, 1, 0, first)
    states.put(MODEL, 2, 0, second)
    before = second.nbytes
    scorer.recommend_from(second, np.ones(len(scorer.vocabulary), dtype=bool), n=10)
    states.put(MODEL, 2, 0, second)

    assert second.nbytes > before
    assert states.get(MODEL, 1, 0) is None
    assert states.get(MODEL, 2, 0) is None or second.nbytes <= states.limit


def test_models_share_the_memory_and_never_a_state(scorer: Scorer) -> None:
    state, others = state_of(scorer), state_of(scorer)
    states = UserStates(state.nbytes + others.nbytes, [MODEL, OTHER])
    states.put(MODEL, 1, 0, state)
    states.put(OTHER, 1, 0, others)

    assert states.get(MODEL, 1, 0) is state
    assert states.get(OTHER, 1, 0) is others
    states.put(OTHER, 2, 0, state_of(scorer))
    assert states.get(MODEL, 1, 0) is None


def test_what_a_model_knew_that_is_no_longer_served_is_forgotten(scorer: Scorer) -> None:
    states = UserStates(1 << 20, [MODEL, OTHER])
    for model in (MODEL, OTHER):
        states.put(model, 1, 0, state_of(scorer))

    states.keep_only([MODEL])
    states.put(OTHER, 2, 0, state_of(scorer))  # of a request that began before

    assert states.get(MODEL, 1, 0)
    assert states.get(OTHER, 1, 0) is None
    assert states.get(OTHER, 2, 0) is None


@pytest.mark.parametrize("limit", [0, 1])
def test_without_memory_nothing_is_kept(scorer: Scorer, limit: int) -> None:
    states = UserStates(limit, [MODEL])
    states.put(MODEL, 1, 0, state_of(scorer))

    assert states.get(MODEL, 1, 0) is None
