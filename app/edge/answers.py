"""Errors as HTTP answers, all of one shape."""

from collections.abc import Mapping, Sequence

from fastapi.responses import JSONResponse

from seqrec.errors import ErrorBody, InvalidField, ServiceError


def answer(error: ServiceError) -> JSONResponse:
    return error_answer(error.status, error.code, str(error), error.details, error.headers)


def error_answer(
    status: int,
    code: str,
    message: str,
    details: Sequence[InvalidField] = (),
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    body = ErrorBody(code=code, message=message, details=list(details))
    return JSONResponse(body.model_dump(), status, headers)
