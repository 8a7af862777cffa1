"""Routes that write, export and import events, and that read watch lists."""

from collections.abc import Iterator
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse

from app.api import headers, translation
from app.api.dependencies import ServicesDependency
from app.api.error_handlers import BODY_ERRORS, responses
from app.api.json_lines import lines_of, received, streamed
from app.api.parameters import Cursor, UserId
from app.edge.keys import with_key
from app.edge.routes import BatchRoute, BulkRoute, Route
from app.services.feedback.events import NamedEvent
from app.storage.events import EventRecord
from seqrec.errors import Conflict, DatabaseUnavailable, InvalidRequest, StorageFull, UserNotFound
from seqrec.schemas.events import EventsWritten, NewEvents, Watchlist
from seqrec.schemas.ratings import ExportSearch

router = APIRouter(tags=["events"], route_class=Route, dependencies=[with_key])
batches = APIRouter(tags=["events"], route_class=BatchRoute, dependencies=[with_key])
bulk = APIRouter(tags=["events"], route_class=BulkRoute, dependencies=[with_key])
routers = (router, batches, bulk)

EXAMPLE_LINES = (
    '{"event_id":"7f9c-1","user_id":1,"movie_id":1,"kind":"watch","removed":false,"share":0.95,"position":null,'
    '"occurred_at":978824268,"recommendation_id":null}\n'
)


@batches.post(
    "/events",
    summary="Write up to 10,000 events in one transaction, all or none",
    description="What users did beside rating: what they were shown, opened, watched, liked, disliked, skipped or put "
    "on their watch list. It counts in the very next answer. If one is wrong, none is written, and the error names it "
    "by its position. An event that comes again with the same `event_id` of its user is written once.",
    responses=responses(Conflict, *BODY_ERRORS, DatabaseUnavailable, StorageFull),
)
def write_events(request: NewEvents, services: ServicesDependency) -> EventsWritten:
    return translation.events_written(services.events.put_all(request.events))


@router.get(
    "/users/{user_id}/watchlist",
    summary="A user's watch list, what was added last first",
    description="In pages: `next_cursor`, and the header `Link`, lead to the next one. Events of kind `watchlist` "
    "write it.",
    responses=headers.described(200, "Link") | responses(UserNotFound, InvalidRequest, DatabaseUnavailable),
)
def list_watchlist(
    user_id: UserId,
    request: Request,
    response: Response,
    services: ServicesDependency,
    limit: Annotated[int, Query(ge=1, le=1000, description="Movies on a page.")] = 50,
    cursor: Cursor = None,
) -> Watchlist:
    page = services.events.watchlist(user_id, limit, cursor)
    response.headers.update(headers.next_page(request, page.next_cursor))
    movies = [translation.watchlist_movie(entry) for entry in page.movies]
    return Watchlist(
        user_id=user_id, user_external_id=page.user_external_id, movies=movies, next_cursor=page.next_cursor
    )


@bulk.get(
    "/export/events",
    summary="All events, one JSON object a line",
    description="In the order in which they came. An event that is written meanwhile may be included or not.",
    response_class=StreamingResponse,
    responses={200: {"content": lines_of("Event", EXAMPLE_LINES)}, **responses(InvalidRequest, DatabaseUnavailable)},
)
def export_events(
    request: Request, services: ServicesDependency, wanted: Annotated[ExportSearch, Query()]
) -> StreamingResponse:
    events: Iterator[EventRecord | NamedEvent] = (
        services.events.export_by_external_ids() if wanted.ids == "external" else services.events.export()
    )
    return streamed(request, (translation.event(event).model_dump_json() for event in events))


@bulk.post(
    "/import/events",
    summary="Write events, one JSON object a line, all or none",
    description="Any number: memory use does not grow with it. Errors name the line. Numbers that are not "
    "ids may be text.",
    responses=responses(Conflict, *BODY_ERRORS, DatabaseUnavailable, StorageFull),
    openapi_extra={"requestBody": {"required": True, "content": lines_of("NewEvent", EXAMPLE_LINES)}},
)
async def import_events(request: Request, services: ServicesDependency) -> EventsWritten:
    async with received(request) as file:
        return translation.events_written(await run_in_threadpool(services.events.import_lines, file))
