"""When a request is sent again, and after how long."""

import random
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

RETRIED_STATUSES = {429, 502, 503, 504}
"""What a service, or a proxy in front of it, answers while it cannot serve."""

FIRST_WAIT_SECONDS = 0.2
"""Before the first repetition; each further one waits twice as long."""

LONGEST_WAIT_SECONDS = 60.0
"""A service that asks for more patience than this is not asked again: the caller learns it at once."""


def wait_seconds(attempt: int, retry_after: str | None) -> float | None:
    """Seconds before the repetition of this number, counted from 0; None if the service asks to stay away for long.

    A random part keeps clients that failed together from coming back together. ``retry_after`` is the header that the
    service has answered with, in seconds or as a date.
    """
    backoff: float = FIRST_WAIT_SECONDS * 2**attempt
    asked = _seconds(retry_after)
    if asked > LONGEST_WAIT_SECONDS:
        return None
    jitter = random.uniform(0, backoff / 2)  # noqa: S311 - spreads load, keeps no secret
    return max(asked, backoff / 2) + jitter


def _seconds(retry_after: str | None) -> float:
    """What the header asks for; 0 where it is missing or cannot be read."""
    text = (retry_after or "").strip()
    if text.isascii() and text.isdecimal():
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return 0.0
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())
