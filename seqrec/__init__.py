"""The Python client of a SeqRec service.

    from seqrec import Client

    with Client("http://127.0.0.1:8000") as client:
        for movie in client.recommend(1, limit=5).recommendations:
            print(movie.title, movie.predicted_stars)

This package needs httpx and pydantic alone. `seqrec.schemas` has the bodies of requests and answers, `seqrec.errors`
the errors, and `seqrec.limits` the limits of what the service accepts.
"""

from importlib.metadata import version

from seqrec.client import AsyncClient, Client
from seqrec.errors import (
    BodyTooLarge,
    Conflict,
    DatabaseUnavailable,
    ForeignHost,
    ForeignOrigin,
    InternalError,
    InvalidKey,
    InvalidRequest,
    KeyRefused,
    KeyRequired,
    KeyUnknown,
    MovieExists,
    MovieNotFound,
    NoRelevance,
    NoStars,
    NotReady,
    Overloaded,
    ReloadRefused,
    SeqRecError,
    ServiceError,
    SlowBody,
    StarsNeeded,
    StorageFull,
    TimedOut,
    TooManyRequests,
    UnexpectedAnswer,
    Unreachable,
    UnsupportedMedia,
    UserExists,
    UserNotFound,
)
from seqrec.schemas.common import ProfileFields
from seqrec.schemas.events import NewEvent
from seqrec.schemas.groups import GroupMember
from seqrec.schemas.ratings import NewRating

__all__ = [
    "AsyncClient",
    "BodyTooLarge",
    "Client",
    "Conflict",
    "DatabaseUnavailable",
    "ForeignHost",
    "ForeignOrigin",
    "GroupMember",
    "InternalError",
    "InvalidKey",
    "InvalidRequest",
    "KeyRefused",
    "KeyRequired",
    "KeyUnknown",
    "MovieExists",
    "MovieNotFound",
    "NewEvent",
    "NewRating",
    "NoRelevance",
    "NoStars",
    "NotReady",
    "Overloaded",
    "ProfileFields",
    "ReloadRefused",
    "SeqRecError",
    "ServiceError",
    "SlowBody",
    "StarsNeeded",
    "StorageFull",
    "TimedOut",
    "TooManyRequests",
    "UnexpectedAnswer",
    "Unreachable",
    "UnsupportedMedia",
    "UserExists",
    "UserNotFound",
    "__version__",
]

__version__ = version("seqrec")
