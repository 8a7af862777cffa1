"""Errors as HTTP answers, all of one shape: problem details by RFC 9457, with members of our own."""

from collections.abc import Mapping, Sequence
from urllib.parse import quote

from fastapi.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from app.observability import metrics
from seqrec.errors import ErrorBody, InvalidField, ServiceError

PROBLEM = "application/problem+json"

REQUEST_ID = "seqrec.request_id"
"""In the scope of every request."""


class ErrorAnswer(JSONResponse):
    """An error, which is counted when it is sent."""

    media_type = PROBLEM

    def __init__(self, body: ErrorBody, headers: Mapping[str, str] | None) -> None:
        super().__init__(body.model_dump(), body.status, {"Cache-Control": "no-store", **(headers or {})})
        self.code = body.code

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        metrics.errors.labels(self.code).inc()
        await super().__call__(scope, receive, send)


def answer(error: ServiceError, scope: Scope) -> JSONResponse:
    return error_answer(scope, error.status, error.code, str(error), error.details, error.headers)


def error_answer(
    scope: Scope,
    status: int,
    code: str,
    message: str,
    details: Sequence[InvalidField] = (),
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    return ErrorAnswer(error_body(status, code, message, details, scope["path"], scope[REQUEST_ID]), headers)


def error_body(
    status: int, code: str, message: str, details: Sequence[InvalidField], path: str, request_id: str
) -> ErrorBody:
    return ErrorBody(
        type=f"urn:seqrec:error:{code}",
        title=code.replace("_", " ").capitalize(),
        status=status,
        detail=message,
        instance=quote(path),
        code=code,
        message=message,
        details=list(details),
        request_id=request_id,
    )
