"""The errors that the API answers, and the handlers that put them all into one shape.

ServiceError
 ├─ UserNotFound          404  user_not_found
 ├─ MovieNotFound         404  movie_not_found
 ├─ NoRelevance           409  no_relevance
 ├─ InvalidRequest        422  invalid_request
 ├─ NotReady              503  not_ready
 ├─ DatabaseUnavailable   503  database_unavailable
 └─ InternalError         500  internal_error

Beside them: 404 ``not_found`` for an unknown path and 405 ``method_not_allowed``.
"""

import logging
from collections.abc import Sequence
from typing import Any, ClassVar

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.exceptions import HTTPException

from model.errors import SeqRecError

logger = logging.getLogger(__name__)


class DatabaseError(SeqRecError):
    """The database cannot be used as it is; the message says which command mends it."""


class InvalidField(BaseModel):
    """One thing that is wrong with a request."""

    field: str = Field(description="Where it is, as a path from body, path or query.")
    message: str = Field(description="What is wrong with it.")


class ErrorBody(BaseModel):
    """Every error of this API has this shape."""

    code: str = Field(description="What went wrong, for programs.", examples=["user_not_found"])
    message: str = Field(description="What went wrong, for people.", examples=["There is no user 7."])
    details: list[InvalidField] = Field(default=[], description="For code invalid_request: each field that is wrong.")


class ServiceError(SeqRecError):
    """Base of the errors that a use case answers with."""

    status: ClassVar[int]
    code: ClassVar[str]


class UserNotFound(ServiceError):
    """One or more users are not in the database."""

    status = 404
    code = "user_not_found"

    def __init__(self, user_ids: Sequence[int]) -> None:
        super().__init__(_there_is_no("user", user_ids))


class MovieNotFound(ServiceError):
    """One or more movies are not in the catalogue."""

    status = 404
    code = "movie_not_found"

    def __init__(self, movie_ids: Sequence[int]) -> None:
        super().__init__(_there_is_no("movie", movie_ids))


class NoRelevance(ServiceError):
    """Lists by relevance are asked for, and the model that is served predicts stars alone."""

    status = 409
    code = "no_relevance"

    def __init__(self) -> None:
        super().__init__("The model that is served predicts stars alone: ask with rank_by=rating, or without rank_by.")


class InvalidRequest(ServiceError):
    """The request does not have the documented form; raised by FastAPI's validation."""

    status = 422
    code = "invalid_request"


class NotReady(ServiceError):
    """The service cannot answer yet; the message says what it waits for."""

    status = 503
    code = "not_ready"


class DatabaseUnavailable(ServiceError):
    """The database does not answer."""

    status = 503
    code = "database_unavailable"

    def __init__(self) -> None:
        super().__init__("The database does not answer. Try again in a moment.")


class InternalError(ServiceError):
    """A fault of the service, of which the caller learns no details."""

    status = 500
    code = "internal_error"

    def __init__(self) -> None:
        super().__init__("Something went wrong here. The server's log has the details.")


def responses(*errors: type[ServiceError]) -> dict[int | str, dict[str, Any]]:
    """For OpenAPI: what a route answers when it raises one of these."""
    by_status: dict[int, list[str]] = {}
    for error in errors:
        by_status.setdefault(error.status, []).append(error.code)
    return {
        status: {"model": ErrorBody, "description": "Code " + " or ".join(f"`{code}`" for code in codes)}
        for status, codes in sorted(by_status.items())
    }


def add_handlers(app: FastAPI) -> None:
    """Make every error of the app an `ErrorBody`."""

    @app.exception_handler(ServiceError)
    def service_error(_: Request, error: ServiceError) -> JSONResponse:
        return _answer(error.status, error.code, str(error))

    @app.exception_handler(OperationalError)
    @app.exception_handler(InterfaceError)
    @app.exception_handler(PoolTimeoutError)
    def database_error(request: Request, error: Exception) -> JSONResponse:
        logger.error("%s %s: the database failed: %s", request.method, request.url.path, error)
        return service_error(request, DatabaseUnavailable())

    @app.exception_handler(RequestValidationError)
    def invalid_request(_: Request, error: RequestValidationError) -> JSONResponse:
        details = [
            InvalidField(field=".".join(map(str, problem["loc"])), message=problem["msg"]) for problem in error.errors()
        ]
        message = "; ".join(f"{detail.field}: {detail.message}" for detail in details)
        return _answer(InvalidRequest.status, InvalidRequest.code, f"The request is invalid: {message}.", details)

    @app.exception_handler(HTTPException)
    def http_error(request: Request, error: HTTPException) -> JSONResponse:
        code = {404: "not_found", 405: "method_not_allowed"}.get(error.status_code, "http_error")
        message = f"{request.method} {request.url.path}: {error.detail}. /docs lists what there is."
        return _answer(error.status_code, code, message, headers=error.headers)

    @app.exception_handler(Exception)
    def internal_error(request: Request, error: Exception) -> JSONResponse:
        logger.error("%s %s failed", request.method, request.url.path, exc_info=error)
        return service_error(request, InternalError())


def _answer(
    status: int,
    code: str,
    message: str,
    details: Sequence[InvalidField] = (),
    headers: Any = None,  # noqa: ANN401 - as Starlette types it
) -> JSONResponse:
    body = ErrorBody(code=code, message=message, details=list(details))
    return JSONResponse(body.model_dump(), status, headers)


def _there_is_no(noun: str, ids: Sequence[int]) -> str:
    shown = ", ".join(map(str, ids[:10]))
    more = f" and {len(ids) - 10} more" if len(ids) > 10 else ""
    return f"There is no {noun} {shown}{more}." if len(ids) == 1 else f"There are no {noun}s {shown}{more}."
