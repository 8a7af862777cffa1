"""What handlers are given; set up once by `app.main.create_app`."""

from typing import Annotated, cast

from fastapi import Depends, Request
from sqlalchemy import Engine

from app.service import Recommender


def _engine(request: Request) -> Engine:
    return cast(Engine, request.app.state.engine)


def _recommender(request: Request) -> Recommender:
    return cast(Recommender, request.app.state.recommender)


EngineDependency = Annotated[Engine, Depends(_engine)]
RecommenderDependency = Annotated[Recommender, Depends(_recommender)]
