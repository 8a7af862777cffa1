"""What handlers depend on; `app.main.create_app` sets it up once."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Annotated, ParamSpec, TypeVar, cast

from anyio import CapacityLimiter, to_thread
from fastapi import Depends, Request

from app.services.model_host import ModelHost
from app.services.movies import Movies
from app.services.popularity import Popularity
from app.services.ratings import Ratings
from app.services.recommendations import Recommender
from app.services.users import Users
from app.storage.database import Database

P = ParamSpec("P")
T = TypeVar("T")

scoring = CapacityLimiter(os.cpu_count() or 1)
"""More threads than cores would only make every request that scores wait for all others."""


async def in_scoring_thread(function: Callable[P, T], *arguments: P.args, **options: P.kwargs) -> T:
    """What the function returns; it may score, or wait for the database, without holding up other requests."""
    return await to_thread.run_sync(partial(function, *arguments, **options), limiter=scoring)


@dataclass(frozen=True)
class Services:
    """All use cases of the service."""

    database: Database
    host: ModelHost
    popularity: Popularity
    recommender: Recommender
    users: Users
    movies: Movies
    ratings: Ratings

    @classmethod
    def over(cls, host: ModelHost) -> "Services":
        database, popularity = host.database, Popularity(host)
        return cls(
            database,
            host,
            popularity,
            Recommender(host, popularity),
            Users(database),
            Movies(host),
            Ratings(database),
        )


async def _services(request: Request) -> Services:  # not a plain function, which would cost a thread's switch
    return cast(Services, request.app.state.services)


ServicesDependency = Annotated[Services, Depends(_services)]
