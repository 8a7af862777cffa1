"""The composition root: puts the application together."""

from importlib.metadata import version
from pathlib import Path

from fastapi import FastAPI
from fastapi_offline import FastAPIOffline
from sqlalchemy import Engine

from app.api import error_handlers, movies, operations, page, predictions, ratings, recommendations, users
from app.api.dependencies import Services
from app.api.middleware import Requests
from app.api.security import Keys, with_key
from app.services.model_host import USER_CACHE, ModelHost
from app.storage.database import Database
from model.inference.scorer import Scorer
from seqrec.errors import InternalError, KeyRefused, KeyRequired

DESCRIPTION = """\
Predicts the stars that a user would give a movie, and recommends movies that the user has not rated.

Every error has the same shape: a `code` for programs and a `message` for people. Besides the errors of its routes, any
path may answer `not_found`, `method_not_allowed`, `conflict` (another request has changed what this one needs: try
again), `foreign_origin` (403: a page of another site writes to a service without keys) or `http_error` (a body that
cannot be read at all). Every answer has the headers `X-Request-ID`, taken over from
the request if it has one, and `X-Model-Version`. A service with keys wants one in the header `X-API-Key`.
"""


def create_app(
    engine: Engine,
    scorer: Scorer,
    artifacts: Path | None = None,
    keys: Keys = Keys(),  # noqa: B008 - a tuple cannot be changed
    user_cache: int = USER_CACHE,
) -> FastAPI:
    """The service over a database with a current schema and a loaded model.

    ``artifacts`` is the folder to look for newer models in, ``user_cache`` the bytes that what the model knows of users
    may take.
    """
    app = api()
    host = ModelHost(Database(engine), scorer, artifacts, user_cache)
    app.state.services = Services.over(host)
    app.state.keys = keys
    app.add_middleware(Requests, version=lambda: host.model.version, guarded=not keys)
    return app


def api() -> FastAPI:
    """Routes and error handlers without database and model, for the API's description."""
    app = FastAPIOffline(
        title="SeqRec",
        version=version("seqrec"),
        description=DESCRIPTION,
        responses=error_handlers.responses(InternalError),
        redoc_url=None,
        static_url="/static-docs",
        favicon_url="/static/icon.svg",
        generate_unique_id_function=lambda route: route.name,  # so that generated clients have readable names
    )
    error_handlers.add_handlers(app)
    for routes in (predictions, recommendations, users, ratings, movies):
        app.include_router(
            routes.router,
            dependencies=[with_key],
            responses=error_handlers.responses(KeyRequired, KeyRefused),
        )
    for routes in (operations, page):
        app.include_router(routes.router)
    app.mount("/static", page.Assets())
    return app
