"""Everything that a client raises. Each error that the service answers has a class with its status and its code.

SeqRecError
 ├─ InvalidKey           the key cannot be sent in a header
 ├─ Unreachable          the service does not answer
 ├─ UnexpectedAnswer     the answer is not one of a SeqRec service of this version
 └─ ServiceError         what the service answers with an error:
     ├─ KeyRequired           401  key_required
     ├─ KeyUnknown            401  key_unknown
     ├─ KeyRefused            403  key_refused
     ├─ ForeignHost           403  foreign_host
     ├─ ForeignOrigin         403  foreign_origin
     ├─ UserNotFound          404  user_not_found
     ├─ MovieNotFound         404  movie_not_found
     ├─ SlowBody              408  slow_body
     ├─ UserExists            409  user_exists
     ├─ MovieExists           409  movie_exists
     ├─ NoRelevance           409  no_relevance
     ├─ NoStars               409  no_stars
     ├─ StarsNeeded           409  stars_needed
     ├─ ReloadRefused         409  reload_refused
     ├─ Conflict              409  conflict
     ├─ BodyTooLarge          413  body_too_large
     ├─ UnsupportedMedia      415  unsupported_media
     ├─ InvalidRequest        422  invalid_request
     ├─ TooManyRequests       429  too_many_requests
     ├─ InternalError         500  internal_error
     ├─ NotReady              503  not_ready
     ├─ DatabaseUnavailable   503  database_unavailable
     ├─ Overloaded            503  overloaded
     ├─ TimedOut              503  timed_out
     └─ StorageFull           507  storage_full

Beside them: 404 ``not_found`` for an unknown path, and 405 ``method_not_allowed``.
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar

from pydantic import BaseModel, Field

from seqrec.ids import AnyId

MOST_DETAILS = 100
"""Invalid fields that an answer lists."""

DETAILS_IN_MESSAGE = 5


ASKS_FOR_KEY = {"WWW-Authenticate": 'ApiKey realm="SeqRec", header="X-API-Key"'}

TRY_AGAIN = {"Retry-After": "1"}
"""Seconds."""


class SeqRecError(Exception):
    """Base of all errors of this package."""


class InvalidKey(SeqRecError):
    """The key has characters that no header can carry."""

    def __init__(self) -> None:
        super().__init__("The key has characters that no header can carry: letters, digits and signs of ASCII can.")


class Unreachable(SeqRecError):
    """The service cannot be reached, or did not answer in time."""


class UnexpectedAnswer(SeqRecError):
    """Something has answered, but not as a SeqRec service of this version does."""


class InvalidField(BaseModel):
    """One thing that is wrong with a request."""

    field: str = Field(description="Where it is, as a path from body, path or query.", examples=["query.limit"])
    message: str = Field(description="What is wrong with it.", examples=["must be at most 100"])


class ErrorBody(BaseModel):
    """Every error of this API has this shape: problem details by RFC 9457, and further members."""

    type: str = Field(
        description="Names the kind of problem as a URI; its last part is `code`.",
        examples=["urn:seqrec:error:user_not_found"],
    )
    title: str = Field(description="The kind of problem, for people.", examples=["User not found"])
    status: int = Field(description="Of the HTTP answer.", examples=[404])
    detail: str = Field(description="What went wrong this time, for people.", examples=["There is no user 7."])
    instance: str = Field(description="The path that was asked for.", examples=["/users/7"])
    code: str = Field(description="What went wrong, for programs.", examples=["user_not_found"])
    message: str = Field(description="The same text as `detail`.", examples=["There is no user 7."])
    details: list[InvalidField] = Field(
        description="For code invalid_request: each field that is wrong.", examples=[[]]
    )
    request_id: str = Field(
        description="The same as the header `X-Request-ID`; the service's log has it.",
        examples=["2f1c9a6de8b04c5f8f9f6a3a5f0c7d21"],
    )


class ServiceError(SeqRecError):
    """Base of the errors that the service answers.

    Attributes:
        status: of the HTTP answer.
        code: what went wrong, for programs.
        headers: of the HTTP answer, further ones.
        details: each invalid field, of an `InvalidRequest`.
        request_id: by which the service's log knows the request; empty if no service has answered.
    """

    status: ClassVar[int]
    code: ClassVar[str]
    headers: Mapping[str, str] = {}
    details: Sequence[InvalidField] = ()
    request_id: str = ""


class KeyRequired(ServiceError):
    """The service has keys, and the request brings none."""

    status = 401
    code = "key_required"
    headers = ASKS_FOR_KEY

    def __init__(self) -> None:
        super().__init__("This service asks for a key. Send it in the header X-API-Key.")


class KeyUnknown(ServiceError):
    """The service does not know the key."""

    status = 401
    code = "key_unknown"
    headers = ASKS_FOR_KEY

    def __init__(self) -> None:
        super().__init__(
            "The key in the header X-API-Key is none of this service's. Send one of SEQREC_API_KEYS, or "
            "SEQREC_ADMIN_KEY."
        )


class KeyRefused(ServiceError):
    """The key is one of the service's, but the route takes another one."""

    status = 403
    code = "key_refused"

    def __init__(self) -> None:
        super().__init__("This route takes the administrator's key, SEQREC_ADMIN_KEY, in the header X-API-Key.")


class UserNotFound(ServiceError):
    """One or more users are not in the database."""

    status = 404
    code = "user_not_found"

    def __init__(self, user_ids: Sequence[AnyId]) -> None:
        super().__init__(_there_is_no("user", user_ids))


class MovieNotFound(ServiceError):
    """One or more movies are not in the catalogue."""

    status = 404
    code = "movie_not_found"

    def __init__(self, movie_ids: Sequence[AnyId]) -> None:
        super().__init__(_there_is_no("movie", movie_ids))


class UserExists(ServiceError):
    """A user of this id, or with this external id, is there already."""

    status = 409
    code = "user_exists"

    def __init__(self, user_id: AnyId) -> None:
        super().__init__(_exists("user", user_id))


class MovieExists(ServiceError):
    """A movie of this id, or with this external id, is there already."""

    status = 409
    code = "movie_exists"

    def __init__(self, movie_id: AnyId) -> None:
        super().__init__(_exists("movie", movie_id))


class NoRelevance(ServiceError):
    """Lists by relevance are asked for, and the model that is served predicts stars alone."""

    status = 409
    code = "no_relevance"

    def __init__(self) -> None:
        super().__init__("The model that is served predicts stars alone: ask with rank_by=rating, or without rank_by.")


class NoStars(ServiceError):
    """Stars are given or asked for, and the service has none: its data says what users like, and not how much."""

    status = 409
    code = "no_stars"

    def __init__(self) -> None:
        super().__init__(
            "This service has no stars: its data says what users like, and not how much. Leave the stars of a rating "
            "out; ask for lists by rank_by=relevance or next, not for predictions."
        )


class StarsNeeded(ServiceError):
    """A rating without stars, which is a like, is given to a service whose ratings have stars."""

    status = 409
    code = "stars_needed"

    def __init__(self) -> None:
        super().__init__("This service has stars: a rating needs 0.5 to 5 of them, in halves. Send a like as an event.")


class ReloadRefused(ServiceError):
    """The newest artifact cannot be served; the one before it still is."""

    status = 409
    code = "reload_refused"


class Conflict(ServiceError):
    """Another request has changed at the same time what this one needs."""

    status = 409
    code = "conflict"

    def __init__(self) -> None:
        super().__init__("Another request has changed at the same time what this one needs. Try again.")


class SlowBody(ServiceError):
    """The rest of the body does not come."""

    status = 408
    code = "slow_body"

    def __init__(self) -> None:
        super().__init__("The rest of the body did not come in time. Send it without long pauses.")


class BodyTooLarge(ServiceError):
    """The body has more bytes than the route takes."""

    status = 413
    code = "body_too_large"

    def __init__(self, most: int) -> None:
        super().__init__(f"The body is too large: this route takes {most:,} bytes. Send it in parts.")


class UnsupportedMedia(ServiceError):
    """The body is of another kind than the route reads."""

    status = 415
    code = "unsupported_media"

    def __init__(self, wanted: str) -> None:
        super().__init__(f"Send the body as Content-Type: {wanted}, not compressed.")


class ForeignHost(ServiceError):
    """A service without keys is asked by a name that is not its own."""

    status = 403
    code = "foreign_host"

    def __init__(self, host: str) -> None:
        super().__init__(
            f"The header Host is {host[:100]!r}. A service without keys does not answer under any name but its own, "
            f"since a page of another site may have pointed that name at it. Add the name to SEQREC_HOSTS, or set "
            f"SEQREC_API_KEYS; if a proxy has made the name up, let it pass the caller's Host on."
        )


class ForeignOrigin(ServiceError):
    """A page of another site writes to a service without keys."""

    status = 403
    code = "foreign_origin"

    def __init__(self) -> None:
        super().__init__(
            "Pages of other sites may not write to a service without keys. If this is the service's own page behind a "
            "proxy, let the proxy pass the header Host on; to let another site's page write, add its origin to "
            "SEQREC_CORS_ORIGINS, or set SEQREC_API_KEYS."
        )


class InvalidRequest(ServiceError):
    """The request does not have the documented form, or names what is not there in one of many places."""

    status = 422
    code = "invalid_request"

    def __init__(self, details: Sequence[InvalidField]) -> None:
        self.details = details[:MOST_DETAILS]
        shown = "; ".join(f"{detail.field}: {detail.message.rstrip('.')}" for detail in details[:DETAILS_IN_MESSAGE])
        more = len(details) - DETAILS_IN_MESSAGE
        super().__init__(f"The request is invalid: {shown}{f'; and {more} more' if more > 0 else ''}.")


class TooManyRequests(ServiceError):
    """The caller has sent more requests than the service takes from one."""

    status = 429
    code = "too_many_requests"
    headers = TRY_AGAIN

    def __init__(self, rate: str, seconds: int) -> None:
        self.headers = {"Retry-After": str(seconds)}
        super().__init__(f"This service takes {rate} from each caller. Try again in {seconds} s.")


class NotReady(ServiceError):
    """The database does not answer, its schema is not the newest, its disk is full, or the service is about to stop."""

    status = 503
    code = "not_ready"
    headers = TRY_AGAIN

    def __init__(self) -> None:
        super().__init__(
            "The database does not answer, its schema is behind, its disk is full, or the service is about to stop; "
            "the server's log has the details. For a schema that is behind, run: seqrec db upgrade"
        )


class DatabaseUnavailable(ServiceError):
    """The database does not answer."""

    status = 503
    code = "database_unavailable"
    headers = TRY_AGAIN

    def __init__(self) -> None:
        super().__init__("The database does not answer. Try again in a moment.")


class Overloaded(ServiceError):
    """There is more to do than the service gets done."""

    status = 503
    code = "overloaded"
    headers = TRY_AGAIN

    def __init__(self) -> None:
        super().__init__("There are too many requests at once. Try again in a moment.")


class TimedOut(ServiceError):
    """The request took longer than it may."""

    status = 503
    code = "timed_out"
    headers = TRY_AGAIN

    def __init__(self, *, is_undone: bool = True) -> None:
        super().__init__(
            "The request took too long and was given up: something is slow. Try again in a moment."
            if is_undone
            else "The request took too long: something is slow. What it was to write may be written in a moment: look "
            "before you try again."
        )


class StorageFull(ServiceError):
    """The disk takes no more data; asking again does not help until there is room."""

    status = 507
    code = "storage_full"

    def __init__(self) -> None:
        super().__init__("There is no room left on the disk, and nothing was written. Make room, then try again.")


class InternalError(ServiceError):
    """A fault of the service, of which the caller learns no details."""

    status = 500
    code = "internal_error"

    def __init__(self) -> None:
        super().__init__("Something went wrong here. The server's log has the details.")


def service_error(body: ErrorBody) -> ServiceError | None:
    """The error that the service has answered with this body; None for a code that this version does not know."""
    kind = _subclasses(ServiceError).get(body.code)
    if kind is None:
        return None
    error = kind.__new__(kind)  # the message is written already: no constructor is to write it again
    Exception.__init__(error, body.detail)
    error.details, error.request_id = body.details, body.request_id
    return error


def _subclasses(base: type[ServiceError]) -> dict[str, type[ServiceError]]:
    """By code."""
    by_code: dict[str, type[ServiceError]] = {}
    for child in base.__subclasses__():
        by_code |= {child.code: child} | _subclasses(child)
    return by_code


def _there_is_no(noun: str, ids: Sequence[AnyId]) -> str:
    shown = ", ".join(map(repr, ids[:10]))
    more = f" and {len(ids) - 10} more" if len(ids) > 10 else ""
    return f"There is no {noun} {shown}{more}." if len(ids) == 1 else f"There are no {noun}s {shown}{more}."


def _exists(noun: str, id_: AnyId) -> str:
    if isinstance(id_, str):
        return f"There is a {noun} with the external id {id_!r} already, and no two have the same."
    return f"There is a {noun} {id_} already. Leave {noun}_id out, and a free one is taken."
