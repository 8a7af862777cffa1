"""API keys."""

import hmac
from collections.abc import Sequence
from typing import Annotated, NamedTuple, cast

from fastapi import Depends, Request, Security
from fastapi.security import APIKeyHeader

from seqrec.errors import KeyRefused, KeyRequired

header = APIKeyHeader(name="X-API-Key", auto_error=False, description="One of SEQREC_API_KEYS, or SEQREC_ADMIN_KEY.")


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
        """Raise `KeyRequired` or `KeyRefused` unless the given key is sufficient."""
        if not self:
            return
        if given is None:
            raise KeyRequired
        accepted = [] if admin else list(self.api)
        accepted += [] if self.admin is None else [self.admin]
        # Compare all keys, each in constant time, so that the time taken reveals nothing about them.
        if not sum(hmac.compare_digest(given.encode(), key.encode()) for key in accepted):
            raise KeyRefused(admin)


async def _require_key(request: Request, given: Annotated[str | None, Security(header)]) -> None:
    cast(Keys, request.app.state.keys).require(given)


async def _require_admin(request: Request, given: Annotated[str | None, Security(header)]) -> None:
    cast(Keys, request.app.state.keys).require(given, admin=True)


with_key = Depends(_require_key)
with_admin_key = Depends(_require_admin)
