"""API keys."""

import hmac
from collections.abc import Sequence
from typing import NamedTuple

from fastapi import Security
from fastapi.security import APIKeyHeader

from seqrec.errors import KeyRefused, KeyRequired, KeyUnknown

HEADER = "X-API-Key"


class Keys(NamedTuple):
    """The keys of a service; without any, every caller may do everything.

    Attributes:
        api: for reading and writing.
        admin: for everything, and the only one for the routes under ``/admin``.
    """

    api: Sequence[str] = ()
    admin: str | None = None

    def __bool__(self) -> bool:
        return bool(self.api) or self.admin is not None

    def require(self, given: str | None, admin: bool = False) -> None:
        """Raise `KeyRequired`, `KeyUnknown` or `KeyRefused` unless the given key is sufficient."""
        if not self:
            return
        if given is None:
            raise KeyRequired
        admins = [] if self.admin is None else [self.admin]
        # Compare all keys, each in constant time, so that the time taken reveals nothing about them.
        is_admin, is_known = (_is_among(given, keys) for keys in (admins, [*self.api, *admins]))
        if not is_known:
            raise KeyUnknown
        if admin and not is_admin:
            raise KeyRefused


def _is_among(given: str, keys: Sequence[str]) -> bool:
    return bool(sum(hmac.compare_digest(given.encode(), key.encode()) for key in keys))


ANY_KEY = APIKeyHeader(name=HEADER, auto_error=False, description="One of SEQREC_API_KEYS, or SEQREC_ADMIN_KEY.")
ADMIN_KEY = APIKeyHeader(
    name=HEADER, scheme_name="AdminKey", auto_error=False, description="SEQREC_ADMIN_KEY, for the routes of /admin."
)

with_key, with_admin_key = Security(ANY_KEY), Security(ADMIN_KEY)
"""Dependencies that mark a route. `app.edge.routes` asks for the key itself: FastAPI would look for it only after it
has read the body, and at a tenth of the cost of a short answer."""
