"""The Python client of a SeqRec service.

    from seqrec import Client

    with Client("http://127.0.0.1:8000") as client:
        for movie in client.recommend(1, limit=5).recommendations:
            print(movie.title, movie.predicted_stars)

This package needs httpx and pydantic alone. `seqrec.schemas` has the bodies of requests and answers, `seqrec.errors`
the errors, and `seqrec.limits` the limits of what the service accepts.
"""

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING

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

if TYPE_CHECKING:
    from seqrec.client import AsyncClient, Client

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


def __getattr__(name: str) -> object:
    """The clients, when they are first asked for: the service itself takes errors and bodies, and starts sooner."""
    if name in ("AsyncClient", "Client"):
        return getattr(import_module("seqrec.client"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
