"""Ids of lists: each says, in a form that nobody else can make, what was served to whom, by which model and when.

So an answer needs no write: a list is stored when the first event names it.
"""

import base64
import binascii
import hashlib
import hmac
import secrets
import struct
import time

from sqlalchemy.orm import Session

from app.storage import events
from app.storage.events import ListRecord

ORDERS = ("relevance", "next", "rating", "popularity")
"""What a list may be ordered by; an id has its index, so that new ones go to the end."""

FORMS = {1: struct.Struct(">BIQIB"), 2: struct.Struct(">BIQQB")}
"""Number of the form, a random number, milliseconds since 1970, user, order; the model's version follows.

The second is for users beyond 32 bits.
"""

SIGNATURE = 12
"""Bytes."""


class RecommendationIds:
    """Makes ids of lists and reads them, with the key that all processes find in the database."""

    def __init__(self) -> None:
        self._key = b""

    def prepare(self, session: Session) -> None:
        """Read the key, if it is not in memory; afterwards `issue` and `read` ask nobody."""
        if not self._key:
            self._key = events.signing_key(session)

    def issue(self, user_id: int, model: str, rank_by: str) -> str:
        """The id of a list that is served now; after `prepare`."""
        milliseconds = time.time_ns() // 1_000_000
        form = 1 if user_id < 2**32 else 2
        fields = secrets.randbits(32), milliseconds, user_id, ORDERS.index(rank_by)
        content = FORMS[form].pack(form, *fields) + model.encode()
        return _text(content + self._sign(content))

    def read(self, recommendation_id: str, user_id: int) -> ListRecord | None:
        """The list of this id; None if the service gave this user none of it. After `prepare`."""
        try:
            whole = base64.b64decode(recommendation_id + "=" * (-len(recommendation_id) % 4), b"-_", validate=True)
        except (binascii.Error, ValueError):
            return None
        content, signature = whole[:-SIGNATURE], whole[-SIGNATURE:]
        if _text(whole) != recommendation_id:  # the last letter has bits to spare: a list has one id
            return None
        if not content or not hmac.compare_digest(signature, self._sign(content)):
            return None
        form = FORMS[content[0]]
        _, _, milliseconds, owner, order = form.unpack_from(content)
        if owner != user_id:
            return None
        model = content[form.size :].decode()
        return ListRecord(recommendation_id, owner, model, ORDERS[order], milliseconds // 1000)

    def _sign(self, content: bytes) -> bytes:
        return hashlib.blake2b(content, key=self._key, digest_size=SIGNATURE).digest()


def _text(whole: bytes) -> str:
    return base64.urlsafe_b64encode(whole).rstrip(b"=").decode()
