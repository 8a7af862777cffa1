"""Answers every error in one shape."""

import logging
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from sqlalchemy.exc import IntegrityError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.exceptions import HTTPException
from starlette.routing import Match

from app.api.page import not_found, wants_page
from app.edge.answers import answer, error_answer
from app.edge.paths import root_path, route_path
from app.edge.requests import HEADERS
from model.files import is_full
from seqrec.errors import (
    BodyTooLarge,
    Conflict,
    DatabaseUnavailable,
    ErrorBody,
    ForeignHost,
    ForeignOrigin,
    InternalError,
    InvalidField,
    InvalidRequest,
    Overloaded,
    ServiceError,
    SlowBody,
    StorageFull,
    TimedOut,
    UnsupportedMedia,
)
from seqrec.validation import invalid_fields

logger = logging.getLogger(__name__)

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")

BODY_ERRORS: tuple[type[ServiceError], ...] = (SlowBody, BodyTooLarge, UnsupportedMedia, InvalidRequest)
"""What a route that reads a body may answer to it."""

ANYWHERE: tuple[type[ServiceError], ...] = (ForeignHost, ForeignOrigin, InternalError, Overloaded, TimedOut)
"""What any route may answer."""

FILTERS = {"genre", "genre_all"}
"""Fields that services refuse by their names, without saying where in a request they were."""

UNREADABLE = "cannot be read: send JSON in UTF-8, without lone surrogates (\\ud800), and not nested too deeply"


def responses(*errors: type[ServiceError]) -> dict[int | str, dict[str, Any]]:
    """OpenAPI's responses of a route that may raise these errors, besides those that any may."""
    by_status: dict[int, list[type[ServiceError]]] = {}
    for error in (*errors, *ANYWHERE):
        by_status.setdefault(error.status, []).append(error)
    return {status: _response(raised) for status, raised in sorted(by_status.items())}


def _response(errors: Sequence[type[ServiceError]]) -> dict[str, Any]:
    """The answer of one status; errors of one status have the same headers."""
    headers = {name: {"required": True, "schema": {"type": "string"}} for name in errors[0].headers}
    return {
        "model": ErrorBody,
        "description": "Code " + " or ".join(f"`{error.code}`" for error in errors),
        "headers": HEADERS | headers,
    }


def add_handlers(app: FastAPI) -> None:
    """Answer every error that a handler raises with an `ErrorBody`; `app.edge.requests` does so for faults."""

    @app.exception_handler(ServiceError)
    async def service_error(request: Request, error: ServiceError) -> JSONResponse:
        return answer(_located(error, request) if isinstance(error, InvalidRequest) else error, request.scope)

    @app.exception_handler(OperationalError)
    @app.exception_handler(InterfaceError)
    @app.exception_handler(PoolTimeoutError)
    async def database_error(request: Request, error: Exception) -> JSONResponse:
        logger.error("%s %s: the database failed: %s", request.method, request.url.path, error)
        return answer(DatabaseUnavailable(), request.scope)

    @app.exception_handler(StorageFull)
    @app.exception_handler(OSError)
    async def no_room(request: Request, error: StorageFull | OSError) -> JSONResponse:
        if isinstance(error, OSError) and not is_full(error):
            raise error
        logger.error("%s %s: no room on the disk: %s", request.method, request.url.path, error.__cause__ or error)
        return answer(StorageFull(), request.scope)

    @app.exception_handler(IntegrityError)
    async def conflict(request: Request, error: IntegrityError) -> JSONResponse:
        logger.warning("%s %s: %s", request.method, request.url.path, error.orig)
        return answer(Conflict(), request.scope)

    @app.exception_handler(RequestValidationError)
    async def invalid_request(request: Request, error: RequestValidationError) -> JSONResponse:
        return answer(InvalidRequest(invalid_fields(error.errors())), request.scope)

    @app.exception_handler(HTTPException)
    async def http_error(request: Request, error: HTTPException) -> Response:
        return _answer_http_error(request, error)


def _located(error: InvalidRequest, request: Request) -> InvalidRequest:
    """The error with the path of each field; services know names alone, as that of a filter."""
    place = "query" if request.method == "GET" else "body"
    return InvalidRequest(
        [
            field.model_copy(update={"field": f"{place}.{field.field}"}) if field.field in FILTERS else field
            for field in error.details
        ]
    )


def _answer_http_error(request: Request, error: HTTPException) -> Response:
    if error.status_code == HTTPStatus.BAD_REQUEST:  # what the framework calls a body that is not text, for one
        return answer(InvalidRequest([InvalidField(field="body", message=UNREADABLE)]), request.scope)
    if error.status_code == HTTPStatus.NOT_FOUND and wants_page(request):
        return not_found(route_path(request.scope))
    code = {404: "not_found", 405: "method_not_allowed"}.get(error.status_code, "http_error")
    message = (
        f"{request.method} {request.url.path}: {error.detail}. {root_path(request.scope)}/docs lists what there is."
    )
    headers = dict(error.headers or {})
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        headers["Allow"] = ", ".join(_methods(request))
    return error_answer(request.scope, error.status_code, code, message, headers=headers)


def _methods(request: Request) -> list[str]:
    """What the path answers; the framework names the methods of its first route alone."""
    routes = request.app.router.routes
    return [
        method
        for method in METHODS
        if any(route.matches({**request.scope, "method": method})[0] is Match.FULL for route in routes)
    ]
