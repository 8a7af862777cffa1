"""What handlers depend on; `app.main.create_app` sets it up once."""

from dataclasses import dataclass
from typing import Annotated, cast

from fastapi import Depends, Request

from app.services.model_host import ModelHost
from app.services.movies import Movies
from app.services.ratings import Ratings
from app.services.recommendations import Recommender
from app.services.users import Users
from app.storage.database import Database


@dataclass(frozen=True)
class Services:
    """All use cases of the service."""

    database: Database
    host: ModelHost
    recommender: Recommender
    users: Users
    movies: Movies
    ratings: Ratings

    @classmethod
    def over(cls, host: ModelHost) -> "Services":
        database = host.database
        return cls(database, host, Recommender(host), Users(database), Movies(host), Ratings(database))


def _services(request: Request) -> Services:
    return cast(Services, request.app.state.services)


ServicesDependency = Annotated[Services, Depends(_services)]
