"""Parameters that several routes share."""

from typing import Annotated

from fastapi import Depends, Path, Query, Request
from fastapi.concurrency import run_in_threadpool
from starlette.convertors import StringConvertor, register_url_convertor

from app.api.dependencies import services_of
from seqrec.errors import MovieNotFound, UserNotFound
from seqrec.ids import PREFIX
from seqrec.schemas.common import NamedId


class _MovieSegment(StringConvertor):
    """A part of a path that names no other route of movies, so that a method which that one lacks is a 405."""

    regex = "(?!(?:popular|first)(?:/|$))[^/]+"


register_url_convertor("movie", _MovieSegment())

_IDS = f"Digits alone are the service's own id, all else is an external one; `{PREFIX}` may stand before that."
_NamedUser = Annotated[NamedId, Path(description=f"The user. {_IDS}", examples=[1, "ann@example.org"])]
_NamedMovie = Annotated[NamedId, Path(description=f"The movie. {_IDS}", examples=[1, "tt0111161"])]


# Coroutines, so that a request by own ids waits for no thread and asks no database.
async def _known_user(user_id: _NamedUser, request: Request) -> int | None:
    if isinstance(user_id, int):
        return user_id
    found = await run_in_threadpool(services_of(request).external_ids.look_up, users=[user_id])
    return found.users.get(user_id)


async def _known_movie(movie_id: _NamedMovie, request: Request) -> int | None:
    if isinstance(movie_id, int):
        return movie_id
    found = await run_in_threadpool(services_of(request).external_ids.look_up, movies=[movie_id])
    return found.movies.get(movie_id)


KnownUserId = Annotated[int | None, Depends(_known_user)]
"""As `UserId`, but None for an unknown external id: for what does nothing where there is no such user."""

KnownMovieId = Annotated[int | None, Depends(_known_movie)]
"""The same of a movie."""


async def _user(user_id: _NamedUser, request: Request) -> int:
    known = await _known_user(user_id, request)
    if known is None:
        raise UserNotFound([user_id])
    return known


async def _movie(movie_id: _NamedMovie, request: Request) -> int:
    known = await _known_movie(movie_id, request)
    if known is None:
        raise MovieNotFound([movie_id])
    return known


UserId = Annotated[int, Depends(_user)]
"""The service's own id of the user whom the path's ``user_id`` names; `UserNotFound` for an unknown external id."""

MovieId = Annotated[int, Depends(_movie)]
"""The same of the movie that the path's ``movie_id`` names; `MovieNotFound`."""


async def _queried_movie(
    request: Request,
    movie_id: Annotated[NamedId | None, Query(description=f"Only this movie. {_IDS}", examples=[1])] = None,
) -> int | None:
    return None if movie_id is None else await _movie(movie_id, request)


QueriedMovieId = Annotated[int | None, Depends(_queried_movie)]
"""The same of the movie that the query's ``movie_id`` names; None if it names none."""

Cursor = Annotated[str | None, Query(description="`next_cursor` of the page before.")]
