"""Errors as HTTP answers, all of one shape."""

from collections.abc import Mapping, Sequence

from fastapi.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from app.observability import metrics
from seqrec.errors import ErrorBody, InvalidField, ServiceError


class ErrorAnswer(JSONResponse):
    """An error, which is counted when it is sent."""

    def __init__(self, body: ErrorBody, status: int, headers: Mapping[str, str] | None) -> None:
        super().__init__(body.model_dump(), status, headers)
        self.code = body.code

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        metrics.errors.labels(self.code).inc()
        await super().__call__(scope, receive, send)


def answer(error: ServiceError) -> JSONResponse:
    return error_answer(error.status, error.code, str(error), error.details, error.headers)


def error_answer(
    status: int,
    code: str,
    message: str,
    details: Sequence[InvalidField] = (),
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    return ErrorAnswer(ErrorBody(code=code, message=message, details=list(details)), status, headers)
