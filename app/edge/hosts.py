"""Which hosts a service without keys answers under, and whose pages may write to it.

A page of another site, open in a browser on this machine, can send requests to the loopback address. Keys stop it,
because it has none to send; without keys these two checks do. It cannot choose `Origin`, so a write says whose page
sends it. And it cannot choose `Host`: where its own name is pointed at this machine (DNS rebinding), the browser calls
the service by that name, which is not one of the service's.
"""

import ipaddress
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import urlsplit

from seqrec.errors import ForeignHost, ForeignOrigin

ANY = "*"
SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}


class Hosts(NamedTuple):
    """Whom the service belongs to.

    Attributes:
        names: that it answers under, besides ``localhost`` and all addresses in numbers; `ANY` for all. An address in
            numbers is not a name, so nobody can point it elsewhere.
        origins: of pages of other sites that may write, such as ``https://shop.example``; `ANY` for all.
    """

    names: tuple[str, ...] = (ANY,)
    origins: tuple[str, ...] = ()

    def require(self, method: str, host: str, origin: str | None) -> None:
        """Raise `ForeignHost` or `ForeignOrigin` for what only a page of another site sends."""
        if ANY not in self.names and not _is_own(host, self.names):
            raise ForeignHost(host)
        if method in SAFE_METHODS or origin is None or ANY in self.origins or origin in self.origins:
            return
        if origin.partition("://")[2] != host:
            raise ForeignOrigin


@lru_cache(maxsize=256)  # a client asks under the same one again and again
def _is_own(host: str, names: tuple[str, ...]) -> bool:
    try:
        name = (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return False
    return name == "localhost" or name.endswith(".localhost") or name in names or _is_address(name)


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
