"""Users who are similar to one, found by what the service keeps of all."""

import os
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session
from waiting import comes_true

from app.main import create_app
from app.services.feedback.contexts import ContextReader
from app.services.models.user_states import UserStates
from app.services.similar_users import NearestUsers, SimilarUsers
from model.features.users import UserContext
from model.inference.scorer import Scorer

MODEL, OTHER = "a", "b"
POINTS = np.array([1.0, 0.0], dtype=np.float32)


@pytest.fixture
def similar_users(loaded: Engine, scorer: Scorer) -> SimilarUsers:
    found: SimilarUsers = create_app(loaded, scorer).state.services.similar_users
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


def rounded(similar: NearestUsers) -> list[tuple[int, float]]:
    # Users are encoded in batches, whose composition decides the last digits.
    return [(user_id, round(cosine, 2)) for user_id, cosine in similar.nearest]


def test_what_is_known_of_all_users_is_not_computed_again(similar_users: SimilarUsers, read: list[int]) -> None:
    computed = rounded(similar_users.find(1, 5))
    deque(similar_users.precompute_user_embeddings(), maxlen=0)
    read.clear()

    assert rounded(similar_users.find(1, 5)) == computed
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
    assert "user embeddings" in at_first
    assert "user embeddings" not in at_last


def test_all_users_are_known_however_many_batches_they_are(
    similar_users: SimilarUsers, read: list[int], loaded: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.services.similar_users.USERS_PER_BATCH", 7)
    deque(similar_users.precompute_user_embeddings(), maxlen=0)

    with loaded.connect() as connection:
        assert sorted(read) == list(connection.scalars(text("SELECT id FROM users ORDER BY id")))


@contextmanager
def beside_other_work(similar_users: SimilarUsers) -> Iterator[threading.Event]:
    """The thread runs, and another one computes until the event is set."""
    is_over = threading.Event()
    other = threading.Thread(target=lambda: deque(iter(is_over.is_set, True), maxlen=0))
    other.start()
    similar_users.start()
    try:
        yield is_over
    finally:
        is_over.set()
        other.join()
        similar_users.stop()


def test_the_thread_computes_while_there_is_nothing_else_to_do(
    similar_users: SimilarUsers, read: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.services.similar_users.USERS_PER_BATCH", 7)
    monkeypatch.setattr("app.services.similar_users.LONGEST_PAUSE_SECONDS", 60)
    with beside_other_work(similar_users) as is_over:
        assert comes_true(lambda: len(read) == 7)
        time.sleep(1)
        assert len(read) == 7
        is_over.set()
        assert comes_true(lambda: len(read) > 14)


def test_the_thread_goes_on_in_the_end_however_much_there_is_to_do(
    similar_users: SimilarUsers, read: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.services.similar_users.USERS_PER_BATCH", 7)
    monkeypatch.setattr("app.services.similar_users.LONGEST_PAUSE_SECONDS", 0.1)
    with beside_other_work(similar_users):
        assert comes_true(lambda: len(read) > 14)


def test_a_user_who_has_changed_is_read_again_and_no_one_else(
    similar_users: SimilarUsers, read: list[int], loaded: Engine, scorer: Scorer
) -> None:
    deque(similar_users.precompute_user_embeddings(), maxlen=0)
    other = similar_users.find(1, 1).nearest[0][0]
    with loaded.begin() as connection:
        connection.execute(text("UPDATE ratings SET stars = 6 - stars WHERE user_id = :user"), {"user": other})
    read.clear()

    changed = similar_users.find(1, 100)

    assert read == [other]
    assert rounded(changed) == rounded(create_app(loaded, scorer).state.services.similar_users.find(1, 100))


@pytest.mark.parametrize(
    ("change", "is_read_again"),
    [
        pytest.param("UPDATE movies SET hidden = NOT hidden, title = 'Other' WHERE id = 3", False, id="a known movie"),
        pytest.param("INSERT INTO movies (id, title) VALUES (9000, 'New (2026)')", True, id="a new movie"),
    ],
)
def test_users_are_read_again_only_if_the_model_has_other_movies(
    similar_users: SimilarUsers, read: list[int], loaded: Engine, change: str, is_read_again: bool
) -> None:
    deque(similar_users.precompute_user_embeddings(), maxlen=0)
    similar_users.find(1, 5)
    read.clear()
    with loaded.begin() as connection:
        connection.execute(text(change))

    similar_users.find(1, 5)

    assert (set(read) > {1}) == is_read_again  # who asks is read with the new catalogue


def test_an_embedding_counts_for_its_model_and_revision_alone() -> None:
    states = UserStates(0, [MODEL, OTHER])
    states.put_embedding(MODEL, 1, 100, POINTS)

    assert states.embedding(MODEL, 1, 100) is POINTS
    assert states.embedding(MODEL, 1, 101) is None
    assert states.embedding(OTHER, 1, 100) is None


def test_embeddings_of_a_model_that_is_no_longer_served_are_forgotten() -> None:
    states = UserStates(0, [MODEL, OTHER])
    states.put_embedding(OTHER, 1, 0, POINTS)
    states.keep_only([MODEL])
    states.put_embedding(OTHER, 2, 0, POINTS)  # of a request that began before

    assert states.embedding(OTHER, 1, 0) is states.embedding(OTHER, 2, 0) is None


def test_the_embeddings_kept_last_stay_when_there_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.services.models.user_states.MOST_EMBEDDINGS", 2)
    states = UserStates(0, [MODEL])
    for user_id in (1, 2, 3):
        states.put_embedding(MODEL, user_id, 0, POINTS)

    assert [user_id for user_id in (1, 2, 3) if states.embedding(MODEL, user_id, 0) is not None] == [2, 3]
