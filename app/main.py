"""The composition root: puts the application together."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

from fastapi import FastAPI
from fastapi_offline import FastAPIOffline
from sqlalchemy import Engine
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.types import Lifespan

from app.api import error_handlers, page
from app.api.dependencies import Services
from app.api.description import Description
from app.api.routes import (
    events,
    groups,
    movies,
    operations,
    predictions,
    rating_import,
    ratings,
    recommendations,
    users,
)
from app.edge.admission import Admission
from app.edge.draining import Drain
from app.edge.hosts import ANY, Hosts
from app.edge.keys import Keys
from app.edge.limits import DEFAULT_LIMITS, Limits
from app.edge.paths import PROBES, route_path
from app.edge.rates import Rates
from app.edge.refusals import STATE, Refusals
from app.edge.requests import Requests
from app.edge.routes import BulkSlots
from app.observability import metrics, tracing
from app.services.feedback.events import RETENTION_DAYS
from app.services.feedback.kinds import DEFAULT_MEANINGS, Meanings
from app.services.model_host import USER_CACHE, ModelHost
from app.services.models.collection import KEEP_MODELS
from app.storage.database import Database, most_connections
from model.inference import artifact
from model.inference.scorer import Scorer
from seqrec.errors import KeyRequired, KeyUnknown, TooManyRequests

LEAST_COMPRESSED = 8192
"""Bytes: a shorter answer, such as a list of ten, is sent in one go anyway, and compression would only delay it."""

COMPRESSION_LEVEL = 3
"""Of zlib: less than half the time of level 6, for a tenth more bytes."""

READABLE = (
    *("Deprecation", "ETag", "Link", "Location", "Retry-After", "WWW-Authenticate"),
    *("X-Model-Version", "X-Recommendation-ID", "X-Request-ID"),
)
"""Headers that a page of another site may read, beside those that any page may."""

DESCRIPTION = """\
Predicts the stars that a user would give a movie, and recommends movies that the user has not rated.

Every error is a problem of RFC 9457 (`application/problem+json`), with a `code` for programs and a `detail` for people.
`conflict` means that another request has changed what this one needs, `foreign_host` and `foreign_origin` that a page
of another site asks a service without keys. Answers of status 429 and 503 have the header `Retry-After`. What no route
answers is `not_found` (404), or, under the path of one, `method_not_allowed` (405, with the header `Allow`). Every
answer has the headers `X-Request-ID`, taken over from the request if it has one, and `X-Model-Version`; only the
refusal of a request that was not read (503 `overloaded`) has an id of its own and no version, and the answer to a
browser that asks what a page of another site may send (`OPTIONS`) has neither. A service with keys wants one in the
header `X-API-Key`.

Every path is also there under `/v1`, where nothing is removed and nothing changes its meaning.
"""


def create_app(
    engine: Engine,
    scorer: Scorer,
    *,
    artifacts: artifact.Root | None = None,
    keys: Keys = Keys(),  # noqa: B008 - a tuple cannot be changed
    user_cache: int = USER_CACHE,
    limits: Limits = DEFAULT_LIMITS,
    hosts: Hosts = Hosts(),  # noqa: B008 - as above
    drain: float = 0,
    image_url: str | None = None,
    meanings: Meanings = DEFAULT_MEANINGS,
    event_retention: float = RETENTION_DAYS,
    keep_models: int = KEEP_MODELS,
) -> FastAPI:
    """The service over a database with a current schema and a loaded model.

    ``artifacts`` is where to look for newer models, ``user_cache`` the bytes that what the model knows of users
    may take. A service with keys answers under any name, and to pages of any site that have a key; those of
    ``hosts.origins`` may read the answers too. For ``drain`` seconds after SIGTERM it answers on and says that it
    is not ready. ``image_url`` is where the page finds pictures of movies, with names of ids in braces. ``meanings``
    says what events mean for lists; they are kept for ``event_retention`` days. A reload keeps the newest
    ``keep_models`` artifacts.
    """
    draining, refusals = Drain(drain), Refusals(limits.requests)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, Refusals]]:
        async with draining.lifespan(app):
            yield {STATE: refusals}

    app = api(lifespan)
    metrics.watch_connections(engine, most_connections(engine))
    tracing.trace_statements(engine)
    host = ModelHost(Database(engine), scorer, artifacts, user_cache, keep_models)
    app.state.services = Services.over(host, meanings, event_retention)
    app.state.keys, app.state.limits, app.state.draining = keys, limits, draining
    app.state.bulk_slots = BulkSlots(limits.requests)
    app.state.image_url = image_url
    app.state.rates = Rates(limits.rate) if limits.rate else None
    app.add_middleware(Admission, limits=limits, hosts=Hosts(origins=(ANY,)) if keys else hosts, refusals=refusals)
    app.add_middleware(GZipMiddleware, LEAST_COMPRESSED, COMPRESSION_LEVEL, exclude_content_types=())
    app.add_middleware(Requests, version=lambda: host.model.version, draining=draining)
    if hosts.origins:  # outermost, so that a page can read errors too
        app.add_middleware(
            CORSMiddleware, allow_origins=hosts.origins, allow_methods="*", allow_headers="*", expose_headers=READABLE
        )
    return app


def api(lifespan: Lifespan[FastAPI] | None = None) -> FastAPI:
    """Routes and error handlers without database and model, for the API's description."""
    app = FastAPIOffline(
        title="SeqRec",
        version=version("seqrec"),
        description=DESCRIPTION,
        responses=error_handlers.responses(),
        redoc_url=None,
        lifespan=lifespan,
        static_url="/static-docs",
        favicon_url="static/icon.svg",
        # Spans as soon as `app.observability.tracing` has set a provider; metrics and logs are the service's own.
        telemetry={
            "metrics": False,
            "logs": False,
            "operation_spans": False,
            "exclude": lambda scope: "path" in scope and route_path(scope) in PROBES,
        },
        generate_unique_id_function=lambda route: route.name,  # so that generated clients have readable names
    )
    error_handlers.add_handlers(app)
    for module in (predictions, recommendations, groups, users, ratings, rating_import, events, movies):
        for router in module.routers:
            app.include_router(router, responses=error_handlers.responses(KeyRequired, KeyUnknown, TooManyRequests))
    for router in (*operations.routers, page.router):
        app.include_router(router)
    app.state.image_url = None
    app.mount("/static", page.assets)
    app.openapi = Description(app)  # type: ignore[method-assign]  # FastAPI's own way to extend it
    return app
