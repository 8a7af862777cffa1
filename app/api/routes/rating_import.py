"""The route that imports what a user has rated on another site."""

from typing import Annotated

from fastapi import APIRouter, Query, Request

from app.api import translation
from app.api.dependencies import ServicesDependency
from app.api.error_handlers import responses
from app.api.parameters import UserId
from app.edge.keys import with_key
from app.edge.routes import FileRoute
from app.services.rating_import.importing import Preview
from app.services.scoring import in_bulk_thread
from seqrec.errors import (
    BodyTooLarge,
    Conflict,
    DatabaseUnavailable,
    InvalidRequest,
    NoStars,
    SlowBody,
    StorageFull,
    UserNotFound,
)
from seqrec.schemas.rating_import import Imported, ImportOptions

router = APIRouter(tags=["ratings"], route_class=FileRoute, dependencies=[with_key])
routers = (router,)

EXAMPLE = "Title,Year,Rating\nThe Matrix,1999,9\nHeat,1995,8\n"

FILE = {
    kind: {"schema": {"type": "string", "format": "binary", "description": "the bytes of the file"}, "example": EXAMPLE}
    for kind in ("application/octet-stream", "text/csv")
}
"""For OpenAPI. The route looks at the bytes alone, whatever they are called."""


@router.post(
    "/users/{user_id}/import",
    summary="Import what a user has rated on another site",
    description="The body is the file as it was downloaded: the archive or `ratings.csv` of Letterboxd, the ratings "
    "of IMDb (CSV), Trakt (JSON) or MovieLens (CSV), or any CSV with a title, a year and a rating. What it is, is told "
    "by its content. Movies are found by the ids of IMDb or TMDB where the catalogue has them, else by title and year. "
    "All that is `matched` is written, or with `preview` nothing; what is `doubtful` never is: send what was chosen of "
    "it to `POST /ratings`.",
    responses=responses(
        UserNotFound, NoStars, Conflict, SlowBody, BodyTooLarge, InvalidRequest, DatabaseUnavailable, StorageFull
    ),
    openapi_extra={"requestBody": {"required": True, "content": FILE}},
)
async def import_user_ratings(
    user_id: UserId, request: Request, services: ServicesDependency, options: Annotated[ImportOptions, Query()]
) -> Imported:
    content = await request.body()

    def run() -> tuple[Preview, int]:
        preview = services.rating_import.preview(user_id, content, options.name)
        if options.preview:
            return preview, 0
        return preview, services.rating_import.write(
            user_id, [(entry.movie.id, entry.given) for entry in preview.matched]
        )

    preview, written = await in_bulk_thread(run)
    return translation.imported(user_id, preview, written)
