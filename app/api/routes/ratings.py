"""Routes that read, write, export and import ratings."""

from collections.abc import Iterator
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse

from app.api import headers, translation
from app.api.dependencies import ServicesDependency
from app.api.error_handlers import BODY_ERRORS, responses
from app.api.json_lines import lines_of, received, streamed
from app.api.parameters import Cursor, KnownMovieId, MovieId, QueriedMovieId, UserId
from app.edge.keys import with_key
from app.edge.routes import BatchRoute, BulkRoute, Route
from app.services.ratings import GivenRating
from app.storage.ratings import RatingRecord
from seqrec.errors import (
    Conflict,
    DatabaseUnavailable,
    InvalidRequest,
    MovieNotFound,
    NoStars,
    StarsNeeded,
    StorageFull,
    UserNotFound,
)
from seqrec.schemas.ratings import ExportSearch, NewRatings, Rating, StarsGiven, UserRatings, Written

router = APIRouter(tags=["ratings"], route_class=Route, dependencies=[with_key])
batches = APIRouter(tags=["ratings"], route_class=BatchRoute, dependencies=[with_key])
bulk = APIRouter(tags=["ratings"], route_class=BulkRoute, dependencies=[with_key])
routers = (router, batches, bulk)

EXAMPLE_LINES = (
    '{"user_id":1,"movie_id":1,"stars":5.0,"rated_at":978824268}\n'
    '{"user_id":1,"movie_id":48,"stars":5.0,"rated_at":978824351}\n'
)


@router.get(
    "/users/{user_id}/ratings",
    summary="A user's ratings, newest first",
    description="In pages: `next_cursor`, and the header `Link`, lead to the next one. With `movie_id`, the rating "
    "of this movie alone, if there is one.",
    responses=headers.described(200, "Link")
    | responses(UserNotFound, MovieNotFound, InvalidRequest, DatabaseUnavailable),
)
def list_user_ratings(
    user_id: UserId,
    request: Request,
    response: Response,
    services: ServicesDependency,
    limit: Annotated[int, Query(ge=1, le=1000, description="Ratings on a page.")] = 50,
    cursor: Cursor = None,
    movie_id: QueriedMovieId = None,
) -> UserRatings:
    page = services.ratings.page_for_user(user_id, limit, cursor, movie_id)
    response.headers.update(headers.next_page(request, page.next_cursor))
    return UserRatings(
        user_id=user_id,
        user_external_id=page.user_external_id,
        ratings=[translation.rated_movie(entry) for entry in page.ratings],
        next_cursor=page.next_cursor,
    )


@router.put(
    "/users/{user_id}/ratings/{movie_id}",
    summary="Rate a movie, or replace the rating",
    description="It counts in the very next answer. Without `rated_at` it is the user's newest, each time it is sent. "
    "In a service without stars it has none, and says that the user likes the movie.",
    responses=responses(
        UserNotFound, MovieNotFound, NoStars, StarsNeeded, Conflict, *BODY_ERRORS, DatabaseUnavailable, StorageFull
    ),
)
def put_rating(user_id: UserId, movie_id: MovieId, request: StarsGiven, services: ServicesDependency) -> Rating:
    return translation.rating(services.ratings.put(user_id, movie_id, request.stars, request.rated_at))


@router.delete(
    "/users/{user_id}/ratings/{movie_id}",
    status_code=204,
    summary="Delete a rating; deleting again does nothing",
    description="The movie may be recommended to the user again.",
    responses=responses(UserNotFound, InvalidRequest, DatabaseUnavailable, StorageFull),
)
def delete_rating(user_id: UserId, movie_id: KnownMovieId, services: ServicesDependency) -> None:
    if movie_id is not None:
        services.ratings.remove(user_id, movie_id)


@batches.post(
    "/ratings",
    summary="Write up to 10,000 ratings in one transaction, all or none",
    description="Each is new or replaces an older one. If one is wrong, none is written, and the error names it by its "
    "position.",
    responses=responses(NoStars, StarsNeeded, Conflict, *BODY_ERRORS, DatabaseUnavailable, StorageFull),
)
def put_ratings(request: NewRatings, services: ServicesDependency) -> Written:
    return Written(written=services.ratings.put_all(request.ratings))


@bulk.get(
    "/export/ratings",
    summary="All ratings, one JSON object a line",
    description="Ordered by the own ids of user and movie. A rating that is written meanwhile may be included or not.",
    response_class=StreamingResponse,
    responses={
        200: {"content": lines_of("ExportedRating", EXAMPLE_LINES)},
        **responses(InvalidRequest, DatabaseUnavailable),
    },
)
def export_ratings(
    request: Request, services: ServicesDependency, wanted: Annotated[ExportSearch, Query()]
) -> StreamingResponse:
    ratings: Iterator[RatingRecord | GivenRating] = (
        services.ratings.export_by_external_ids() if wanted.ids == "external" else services.ratings.export()
    )
    return streamed(request, (translation.exported_rating(rating).model_dump_json() for rating in ratings))


@bulk.post(
    "/import/ratings",
    summary="Write ratings, one JSON object a line, all or none",
    description="Any number: memory use does not grow with it. Errors name the line. As in all of JSON, a number is an "
    "own id, and a text an external one; stars and times may be text too. While a long one is written, other ratings "
    "wait, and after some seconds are refused with 503: send large files in parts, or when few people rate.",
    responses=responses(NoStars, StarsNeeded, Conflict, *BODY_ERRORS, DatabaseUnavailable, StorageFull),
    openapi_extra={"requestBody": {"required": True, "content": lines_of("NewRating", EXAMPLE_LINES)}},
)
async def import_ratings(request: Request, services: ServicesDependency) -> Written:
    async with received(request) as file:
        return Written(written=await run_in_threadpool(services.ratings.import_lines, file))
