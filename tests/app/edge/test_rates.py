"""A caller who asks more often than the service takes is told when to come back; others are not held up."""

import pytest
from fastapi.testclient import TestClient
from pydantic import ValidationError
from server import running
from sqlalchemy import Engine

from app.edge.keys import Keys
from app.edge.limits import Limits
from app.main import create_app
from app.settings import Settings
from model.inference.scorer import Scorer
from seqrec import Client, TooManyRequests

KEYS = Keys(api=("one", "two"))


@pytest.fixture
def limited(loaded: Engine, scorer: Scorer) -> TestClient:
    return TestClient(create_app(loaded, scorer, keys=KEYS, limits=Limits(rate="3/minute")))


def statuses(client: TestClient, times: int, path: str = "/genres", **headers: str) -> list[int]:
    return [client.get(path, headers=headers).status_code for _ in range(times)]


def test_a_key_is_stopped_at_its_limit_and_another_one_goes_on(limited: TestClient) -> None:
    assert statuses(limited, 4, **{"X-API-Key": "one"}) == [200, 200, 200, 429]
    assert statuses(limited, 1, **{"X-API-Key": "two"}) == [200]

    answer = limited.get("/genres", headers={"X-API-Key": "one"})
    assert answer.json()["code"] == "too_many_requests"
    assert "3 per 1 minute" in answer.json()["detail"]
    assert 1 <= int(answer.headers["retry-after"]) <= 60


def test_a_wrong_key_takes_nothing_from_a_right_one_and_health_has_no_limit(limited: TestClient) -> None:
    assert statuses(limited, 5, **{"X-API-Key": "wrong"}) == [401] * 5
    assert statuses(limited, 5, "/health/live") == [200] * 5

    assert statuses(limited, 3, **{"X-API-Key": "one"}) == [200] * 3


def test_without_keys_a_made_up_key_is_no_way_around_the_limit(loaded: Engine, scorer: Scorer) -> None:
    client = TestClient(create_app(loaded, scorer, limits=Limits(rate="2/hour")))

    assert [client.get("/genres", headers={"X-API-Key": str(n)}).status_code for n in range(3)] == [200, 200, 429]


def test_a_client_comes_back_when_it_is_told_to(loaded: Engine, scorer: Scorer) -> None:
    app = create_app(loaded, scorer, limits=Limits(rate="2/second"))
    with running(app) as address, Client(address) as client:
        assert [client.user(1).user_id for _ in range(4)] == [1, 1, 1, 1]
    with running(app) as address, Client(address, retries=0) as impatient, pytest.raises(TooManyRequests):
        _ = [impatient.user(1) for _ in range(50)]


def test_without_the_setting_there_is_no_limit(loaded: Engine, scorer: Scorer) -> None:
    assert statuses(TestClient(create_app(loaded, scorer)), 50) == [200] * 50
    assert Settings().request_rate is None


@pytest.mark.parametrize("rate", ["60", "60/fortnight", "0/minute", "many", "60 per minute"])
def test_a_rate_that_cannot_be_read_is_refused(rate: str) -> None:
    with pytest.raises(ValidationError, match="request_rate"):
        Settings(request_rate=rate)
