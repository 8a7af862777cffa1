"""Users who sign up get ids that nobody has had."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import Engine

from app.services.users import Users
from app.storage.database import Database
from model.features.users import Profile
from seqrec.errors import UserNotFound


@pytest.fixture
def users(engine: Engine) -> Users:
    return Users(Database(engine))


def test_all_who_sign_up_at_once_get_ids_of_their_own(users: Users) -> None:
    with ThreadPoolExecutor(20) as threads:
        ids = [user.id for user in threads.map(lambda _: users.add(None, Profile()), range(200))]

    assert sorted(ids) == list(range(1, 201))


def test_the_id_of_a_user_who_left_is_nobody_elses(users: Users) -> None:
    ann = users.add(None, Profile(), "ann@example.org")
    users.remove(ann.id)
    bob = users.add(None, Profile(), "bob@example.org")
    users.remove(ann.id)  # once more, as a program does that had no answer

    assert bob.id != ann.id
    assert users.get(bob.id).external_id == "bob@example.org"
    with pytest.raises(UserNotFound):
        users.get(ann.id)


def test_an_id_that_a_caller_gives_is_taken_also_after_its_user_has_left(users: Users) -> None:
    users.remove(users.add(7, Profile()).id)

    assert users.add(7, Profile()).id == 7
    assert users.add(None, Profile()).id == 8
