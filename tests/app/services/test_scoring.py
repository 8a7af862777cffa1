"""What several requests ask for at the same time is computed together."""

import asyncio
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine

from app.main import create_app
from app.services import scoring
from app.services.recommendations import RecommendationOptions
from app.services.scoring import MicroBatcher
from app.services.similar_users import NearestUsers
from model.inference.scorer import Scorer
from seqrec.errors import Overloaded


class Doubling:
    """Doubles ids up to 100, and waits each time until it may."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.go = threading.Event()

    def __call__(self, ids: Sequence[int]) -> dict[int, int]:
        self.batches.append(list(ids))
        self.go.wait(10)
        return {id_: 2 * id_ for id_ in ids if id_ <= 100}


def test_who_comes_while_one_is_computed_is_computed_together() -> None:
    doubling = Doubling()

    async def ask() -> list[int | None]:
        batcher = MicroBatcher(doubling)
        first = asyncio.create_task(batcher.get(1))
        while not doubling.batches:
            await asyncio.sleep(0.001)
        others = [asyncio.create_task(batcher.get(id_)) for id_ in (2, 3, 2, 101)]
        await asyncio.sleep(0.01)
        doubling.go.set()
        return await asyncio.gather(first, *others)

    assert asyncio.run(ask()) == [2, 4, 6, 4, None]
    assert doubling.batches == [[1], [2, 3, 101]]


def test_a_batch_has_its_limit_and_all_are_answered_again_and_again() -> None:
    doubling = Doubling()
    doubling.go.set()

    async def ask() -> list[int | None]:
        batcher = MicroBatcher(doubling, most=5)
        answers: list[int | None] = []
        for _ in range(20):
            answers += await asyncio.gather(*(batcher.get(id_) for id_ in range(1, 13)))
        return answers

    assert asyncio.run(ask()) == [2 * id_ for id_ in range(1, 13)] * 20
    assert max(map(len, doubling.batches)) == 5


def test_an_error_reaches_everyone_of_its_batch_and_nobody_after() -> None:
    calls: list[Sequence[int]] = []

    def fails_once(ids: Sequence[int]) -> dict[int, int]:
        calls.append(ids)
        if len(calls) == 1:
            raise RuntimeError("broken")
        return {id_: id_ for id_ in ids}

    async def ask() -> tuple[Sequence[int | BaseException | None], int | None]:
        batcher = MicroBatcher(fails_once)
        failed = await asyncio.gather(batcher.get(1), batcher.get(2), return_exceptions=True)
        return failed, await batcher.get(1)

    failed, again = asyncio.run(ask())
    assert [str(error) for error in failed] == ["broken", "broken"]
    assert again == 1


def test_a_caller_who_leaves_takes_nothing_from_the_others() -> None:
    doubling = Doubling()

    async def ask() -> int | None:
        batcher = MicroBatcher(doubling)
        impatient, patient = asyncio.create_task(batcher.get(1)), asyncio.create_task(batcher.get(1))
        await asyncio.sleep(0.01)
        impatient.cancel()
        await asyncio.sleep(0.01)
        doubling.go.set()
        return await patient

    assert asyncio.run(ask()) == 2


def test_users_who_are_read_together_get_the_lists_that_each_gets_alone(loaded: Engine, scorer: Scorer) -> None:
    alone, together = (create_app(loaded, scorer) for _ in range(2))
    ids = list(range(1, 40))
    recommender = together.state.services.recommender
    read = recommender.read_users([*ids, 10**9])

    assert sorted(read) == ids
    for id_ in ids:
        assert recommender.recommend_now(read[id_], RecommendationOptions()), "it takes another thread"
    one, other = TestClient(alone), TestClient(together)
    for id_ in ids:
        expected = one.get(f"/users/{id_}/recommendations").json()["recommendations"]
        got = other.get(f"/users/{id_}/recommendations").json()["recommendations"]
        assert [entry["movie_id"] for entry in got] == [entry["movie_id"] for entry in expected]
        for mine, theirs in zip(got, expected, strict=True):
            assert mine["predicted_stars"] == pytest.approx(theirs["predicted_stars"], abs=2e-4)


def test_for_a_list_with_reasons_nothing_is_computed_before_it_is_made(loaded: Engine, scorer: Scorer) -> None:
    services = create_app(loaded, scorer).state.services

    explained = asyncio.run(services.async_recommender.read_user(1, explain=True))
    other = asyncio.run(services.async_recommender.read_user(2))

    assert not explained.user.is_encoded
    assert other.user.is_encoded


def test_who_waits_too_long_for_a_turn_is_refused_and_who_is_computed_is_answered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(scoring, "LONGEST_WAIT", 0.1)
    doubling = Doubling()

    async def ask() -> list[int | BaseException | None]:
        batcher = MicroBatcher(doubling)
        first = asyncio.create_task(batcher.get(1))
        while not doubling.batches:
            await asyncio.sleep(0.001)
        late = asyncio.create_task(batcher.get(2))
        refused = await asyncio.gather(late, return_exceptions=True)
        doubling.go.set()
        return [*refused, await first, await batcher.get(3)]

    refused, first, third = asyncio.run(ask())

    assert isinstance(refused, Overloaded)
    assert (first, third) == (2, 6)
    assert doubling.batches == [[1], [3]]


def test_a_thread_is_waited_for_as_long_as_the_queue_is_not_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scoring, "LONGEST_WAIT", 0.1)
    go = threading.Event()

    async def ask() -> list[bool | BaseException]:
        asked = [asyncio.create_task(scoring.in_scoring_thread(go.wait, 10)) for _ in range(8)]
        _, waiting = await asyncio.wait(asked, timeout=1)
        go.set()
        assert len(waiting) < 8
        answers = await asyncio.gather(*asked, return_exceptions=True)
        return [*answers, await scoring.in_scoring_thread(go.wait, 10)]

    *answers, afterwards = asyncio.run(ask())

    assert afterwards is True
    assert {type(answer) for answer in answers} == {bool, Overloaded}


def test_lists_are_answered_while_many_ask_for_similar_users(
    loaded: Engine, scorer: Scorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go = threading.Event(), threading.Event()
    app = create_app(loaded, scorer)
    find = app.state.services.similar_users.find

    def held(user_id: int, n: int) -> NearestUsers:
        begun.set()
        go.wait(10)
        found: NearestUsers = find(user_id, n)
        return found

    monkeypatch.setattr(app.state.services.similar_users, "find", held)
    with TestClient(app) as client, ThreadPoolExecutor(8) as threads:
        similar = [threads.submit(client.get, "/users/1/similar") for _ in range(8)]
        assert begun.wait(10)
        lists = [client.get(f"/users/{user}/recommendations").status_code for user in range(1, 5)]
        were_held = not any(one.done() and one.result().status_code == 200 for one in similar)
        go.set()
        found = {one.result().status_code for one in similar}

    assert were_held
    assert lists == [200] * 4
    assert 200 in found
    assert found <= {200, 503}  # who has waited too long for a turn
