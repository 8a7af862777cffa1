"""What handlers depend on; `app.main.create_app` sets it up once."""

from dataclasses import dataclass
from typing import Annotated, cast

from fastapi import Depends, Request

from app.services.model_host import ModelHost
from app.services.models.collection import Models
from app.services.movies import Movies
from app.services.popularity import Popularity
from app.services.probe import Probe
from app.services.ratings import Ratings
from app.services.recommendations import KnownUser, Recommender
from app.services.scoring import Gathering
from app.services.users import Users
from app.storage.database import Database


@dataclass(frozen=True)
class Services:
    """All use cases of the service; ``users_to_read`` reads the users of several requests together.

    ``readiness`` asks the database whether it answers.
    """

    database: Database
    readiness: Probe
    host: ModelHost
    models: Models
    popularity: Popularity
    recommender: Recommender
    users_to_read: Gathering[KnownUser]
    users: Users
    movies: Movies
    ratings: Ratings

    @classmethod
    def over(cls, host: ModelHost) -> "Services":
        database, popularity = host.database, Popularity(host)
        recommender = Recommender(host, popularity)
        return cls(
            database,
            Probe(),
            host,
            host.models,
            popularity,
            recommender,
            Gathering(recommender.read_users),
            Users(database),
            Movies(host),
            Ratings(database),
        )


async def _services(request: Request) -> Services:  # not a plain function, which would cost a thread's switch
    return cast(Services, request.app.state.services)


ServicesDependency = Annotated[Services, Depends(_services)]
