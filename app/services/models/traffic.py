"""A traffic split: which of two models that are served side by side answers a user.

It is the same one in every process, until the comparison ends.
"""

import hashlib
from collections.abc import Callable, Iterable
from typing import Generic, NamedTuple, TypeVar

from app.storage.models import Comparison
from model.features.users import UserContext

ModelT = TypeVar("ModelT")
OtherT = TypeVar("OtherT")
ReaderT = TypeVar("ReaderT", bound=int | UserContext)


class TrafficSplit(NamedTuple, Generic[ModelT]):
    """What answers: the champion, and while it is compared, the challenger for its share of the users."""

    champion: ModelT
    challenger: ModelT | None = None
    comparison: Comparison | None = None

    @property
    def all(self) -> tuple[ModelT, ...]:
        """The champion, and the challenger if there is one."""
        return (self.champion,) if self.challenger is None else (self.champion, self.challenger)

    def map(self, function: Callable[[ModelT], OtherT]) -> "TrafficSplit[OtherT]":
        """What the function makes of each."""
        challenger = None if self.challenger is None else function(self.challenger)
        return TrafficSplit(function(self.champion), challenger, self.comparison)

    def of(self, reader: int | UserContext) -> ModelT:
        """What answers a user of the database, by id, or an anonymous one."""
        if self.challenger is None or self.comparison is None:
            return self.champion
        return self.challenger if is_assigned_to_challenger(reader, self.comparison) else self.champion

    def divide(self, readers: Iterable[ReaderT]) -> list[tuple[ModelT, list[ReaderT]]]:
        """Each model with those whom it answers, in their order; the champion alone if there are none."""
        if self.challenger is None or self.comparison is None:
            return [(self.champion, list(readers))]
        divided: dict[bool, list[ReaderT]] = {False: [], True: []}
        for reader in readers:
            divided[is_assigned_to_challenger(reader, self.comparison)].append(reader)
        parts = [(self.champion, divided[False]), (self.challenger, divided[True])]
        return [part for part in parts if part[1]] or parts[:1]


def is_assigned_to_challenger(reader: int | UserContext, comparison: Comparison) -> bool:
    """Whether the hash of the reader is within the challenger's share.

    Of a user, the service's own id is hashed, whichever id a request names. Of an anonymous reader, who has none,
    profile and first rated movie are: they stay while ratings are added. The challenger's version is hashed too, so
    that the next comparison draws other users; a greater share of the same challenger takes none away from it.
    """
    if isinstance(reader, UserContext):
        first = reader.history[0].movie_id if reader.history else None
        named = repr((reader.profile.gender, reader.profile.age, reader.profile.occupation, first))
    else:
        named = str(reader)
    digest = hashlib.blake2b(f"{comparison.challenger} {named}".encode(), digest_size=8).digest()
    return int.from_bytes(digest) < comparison.share * 2**64
