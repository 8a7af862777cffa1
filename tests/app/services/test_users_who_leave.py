"""Users who are deleted while the service reads them: PostgreSQL shows each statement what is there at its time."""

from collections.abc import Sequence

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from app.main import create_app
from app.services.feedback.contexts import ContextReader
from app.services.recommendations import PredictionQuery, RecommendationOptions, Recommender
from app.services.users import Users
from app.storage.database import Database
from model.features.users import UserContext
from model.inference.scorer import Scorer
from seqrec.errors import UserNotFound

pytestmark = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


@pytest.fixture
def recommender(loaded: Engine, scorer: Scorer) -> Recommender:
    found: Recommender = create_app(loaded, scorer).state.services.recommender
    return found


class Leaving(ContextReader):
    """Deletes user 1 before or after the users are read."""

    def __init__(self, database: Database, *, before: bool) -> None:
        super().__init__()
        self.users, self.before = Users(database), before

    def read(self, session: Session, user_ids: Sequence[int]) -> dict[int, UserContext]:
        if self.before:
            self.users.remove(1)
        contexts = super().read(session, user_ids)
        self.users.remove(1)
        return contexts


def test_one_who_leaves_before_the_history_is_read_is_not_found(recommender: Recommender) -> None:
    recommender.contexts = Leaving(recommender.database, before=True)

    with pytest.raises(UserNotFound, match="1"):
        recommender.recommend(1, RecommendationOptions())


def test_of_several_the_one_who_leaves_is_not_found(recommender: Recommender) -> None:
    recommender.contexts = Leaving(recommender.database, before=True)

    with pytest.raises(UserNotFound, match="1"):
        recommender.predict([PredictionQuery(1, 3), PredictionQuery(2, 3)])


@pytest.mark.parametrize("before", [True, False])
def test_lists_of_many_are_made_for_those_who_stay(recommender: Recommender, before: bool) -> None:
    recommender.contexts = Leaving(recommender.database, before=before)

    lists, _ = recommender.recommend_between(1, 3, RecommendationOptions())

    assert list(lists) == ([2, 3] if before else [1, 2, 3])
