"""What handlers depend on; `app.main.create_app` sets it up once."""

from dataclasses import dataclass
from typing import Annotated, cast

from fastapi import Depends, Request

from app.observability.probe import Probe
from app.services.feedback.events import RETENTION_DAYS, Events
from app.services.feedback.kinds import DEFAULT_MEANINGS, Meanings
from app.services.feedback.online import OnlineMeasure
from app.services.feedback.recommendation_ids import RecommendationIds
from app.services.groups import Groups
from app.services.ids import ExternalIds
from app.services.model_host import ModelHost
from app.services.models.collection import Models
from app.services.movies import Movies
from app.services.popularity import Popularity
from app.services.rating_import.importing import RatingImport
from app.services.ratings import Ratings
from app.services.recommendations import Recommender
from app.services.scoring import AsyncRecommender
from app.services.similar_users import SimilarUsers
from app.services.users import Users
from app.storage.database import Database


@dataclass(frozen=True)
class Services:
    """What handlers use: the use cases, the database, the model host and the probe.

    ``readiness`` asks the database whether it answers.
    """

    database: Database
    readiness: Probe
    host: ModelHost
    models: Models
    popularity: Popularity
    recommender: Recommender
    async_recommender: AsyncRecommender
    similar_users: SimilarUsers
    groups: Groups
    users: Users
    movies: Movies
    ratings: Ratings
    external_ids: ExternalIds
    rating_import: RatingImport
    events: Events
    online: OnlineMeasure

    @classmethod
    def over(
        cls, host: ModelHost, meanings: Meanings = DEFAULT_MEANINGS, retention: float = RETENTION_DAYS
    ) -> "Services":
        """``meanings`` says what events mean for lists, ``retention`` how many days they are kept."""
        database, popularity, ids = host.database, Popularity(host), RecommendationIds()
        recommender = Recommender(host, popularity, ids, meanings)
        return cls(
            database=database,
            readiness=Probe(),
            host=host,
            models=host.models,
            popularity=popularity,
            recommender=recommender,
            async_recommender=AsyncRecommender(recommender),
            similar_users=SimilarUsers(recommender),
            groups=Groups(recommender),
            users=Users(database),
            movies=Movies(host),
            ratings=Ratings(database),
            external_ids=ExternalIds(database),
            rating_import=RatingImport(database, host.snapshot),
            events=Events(database, ids, retention),
            online=OnlineMeasure(host, popularity, meanings),
        )


def services_of(request: Request) -> Services:
    """For the routes that are asked most, and what they depend on: to solve a dependency costs a short answer much."""
    return cast(Services, request.app.state.services)


async def _services(request: Request) -> Services:  # not a plain function, which would cost a thread's switch
    return services_of(request)


ServicesDependency = Annotated[Services, Depends(_services)]
