"""The external ids in a body or a query: found, and looked up once, before anything is converted."""

from collections.abc import Iterator

from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel

from app.api.dependencies import Services
from app.services.ids import OwnIds

USER_FIELDS = frozenset({"user_id", "user_ids"})
MOVIE_FIELDS = frozenset({"movie_id", "movie_ids", "exclude"})


async def own_ids(request: BaseModel, services: Services) -> OwnIds:
    """Own ids of all external ones that the request names; where it names none, nothing is asked."""
    users, movies = set[str](), set[str]()
    for name, text in _texts(request):
        if name in USER_FIELDS:
            users.add(text)
        elif name in MOVIE_FIELDS:
            movies.add(text)
    if not users and not movies:
        return OwnIds()
    return await run_in_threadpool(services.external_ids.look_up, users, movies)


def _texts(body: BaseModel) -> Iterator[tuple[str, str]]:
    """The texts in the fields of a body and of the bodies in it, each with the name of its field."""
    for name, value in body:
        for one in value if isinstance(value, list) else (value,):
            if isinstance(one, str):
                yield name, one
            elif isinstance(one, BaseModel):
                yield from _texts(one)
