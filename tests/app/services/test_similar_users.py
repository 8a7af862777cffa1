"""Users who are similar to one, found by what the service keeps of all."""

import os
import subprocess
import sys
from collections import deque
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from app.main import create_app
from app.services.feedback.contexts import ContextReader
from app.services.recommendations import Recommender, Similar
from app.services.user_states import UserStates
from model.features.users import UserContext
from model.inference.scorer import Scorer

MODEL, OTHER = "a", "b"
POINTS = np.array([1.0, 0.0], dtype=np.float32)


@pytest.fixture
def recommender(loaded: Engine, scorer: Scorer) -> Recommender:
    found: Recommender = create_app(loaded, scorer).state.services.recommender
    return found


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Ids of the users whose histories are read."""
    ids: list[int] = []
    original = ContextReader.read

    def noted(reader: ContextReader, session: Session, user_ids: Sequence[int]) -> dict[int, UserContext]:
        ids.extend(user_ids)
        return original(reader, session, user_ids)

    monkeypatch.setattr(ContextReader, "read", noted)
    return ids


def rounded(similar: Similar) -> list[tuple[int, float]]:
    # Users are encoded in batches, whose composition decides the last digits.
    return [(user_id, round(cosine, 2)) for user_id, cosine in similar.nearest]


def test_what_is_known_of_all_users_is_not_computed_again(recommender: Recommender, read: list[int]) -> None:
    computed = rounded(recommender.similar_users(1, 5))
    deque(recommender.know_directions(), maxlen=0)
    read.clear()

    assert rounded(recommender.similar_users(1, 5)) == computed
    assert read == []


ENDS = """\
import atexit, threading
from app.server import from_settings
from app.settings import Settings
atexit.register(lambda: print([one.name for one in threading.enumerate()]))
from_settings(Settings())
print([one.name for one in threading.enumerate()])
"""
"""Names of the threads of a service while it is there, and of those that the end of its process finds."""


def test_the_thread_that_keeps_them_ends_before_its_process_does(
    loaded: Engine, database_url: str, artifact_folder: Path
) -> None:
    environment = os.environ | {"SEQREC_DATABASE_URL": database_url, "SEQREC_ARTIFACTS": str(artifact_folder.parent)}

    ended = subprocess.run([sys.executable, "-c", ENDS], env=environment, stdout=subprocess.PIPE, check=True, text=True)

    at_first, at_last = ended.stdout.splitlines()
    assert "directions" in at_first
    assert "directions" not in at_last


def test_all_users_are_known_however_many_batches_they_are(
    recommender: Recommender, read: list[int], loaded: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.services.recommendations.USERS_PER_BATCH", 7)
    deque(recommender.know_directions(), maxlen=0)

    with loaded.connect() as connection:
        assert sorted(read) == list(connection.scalars(text("SELECT id FROM users ORDER BY id")))


def test_a_user_who_has_changed_is_read_again_and_no_one_else(
    recommender: Recommender, read: list[int], loaded: Engine
) -> None:
    deque(recommender.know_directions(), maxlen=0)
    other = recommender.similar_users(1, 1).nearest[0][0]
    with loaded.begin() as connection:
        connection.execute(text("UPDATE ratings SET stars = 6 - stars WHERE user_id = :user"), {"user": other})
    read.clear()

    changed = recommender.similar_users(1, 100)

    assert read == [other]
    assert rounded(changed) == rounded(
        create_app(loaded, recommender.host.model).state.services.recommender.similar_users(1, 100)
    )


def test_a_direction_counts_for_its_model_and_revision_alone() -> None:
    states = UserStates(0, [MODEL, OTHER])
    states.put_direction(MODEL, 1, 100, POINTS)

    assert states.direction(MODEL, 1, 100) is POINTS
    assert states.direction(MODEL, 1, 101) is None
    assert states.direction(OTHER, 1, 100) is None


def test_directions_of_a_model_that_is_no_longer_served_are_forgotten() -> None:
    states = UserStates(0, [MODEL, OTHER])
    states.put_direction(OTHER, 1, 0, POINTS)
    states.keep_only([MODEL])
    states.put_direction(OTHER, 2, 0, POINTS)  # of a request that began before

    assert states.direction(OTHER, 1, 0) is states.direction(OTHER, 2, 0) is None


def test_the_directions_kept_last_stay_when_there_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.services.user_states.MOST_DIRECTIONS", 2)
    states = UserStates(0, [MODEL])
    for user_id in (1, 2, 3):
        states.put_direction(MODEL, user_id, 0, POINTS)

    assert [user_id for user_id in (1, 2, 3) if states.direction(MODEL, user_id, 0) is not None] == [2, 3]
