"""How much of everything one worker process takes on."""

from typing import NamedTuple

KIB, MIB = 1 << 10, 1 << 20


class Limits(NamedTuple):
    """What a worker takes on; more is refused, with an error that says so.

    Attributes:
        seconds: until every request is answered, bulk ones apart.
        requests: in work or waiting, together.
        connections: open ones.
        body: bytes of a body.
        batch_body: bytes of a body of a route that takes thousands of entries.
        bulk_body: bytes of a body of a bulk route.
        file: bytes of a file that a person sends.
        pause: seconds until the next piece of a body has to come, and until all of a request's header has to.
        stall: seconds until a caller has to go on reading an answer.
        header: bytes of a request's header.
        rate: requests of each caller, as ``60/minute``; None for any number.
    """

    seconds: float = 10.0
    requests: int = 128
    connections: int = 2000
    body: int = MIB
    batch_body: int = 8 * MIB
    bulk_body: int = 1024 * MIB
    file: int = 32 * MIB
    pause: float = 10.0
    stall: float = 60.0
    header: int = 64 * KIB
    rate: str | None = None


DEFAULT_LIMITS = Limits()
