"""What each kind of event means: for lists, for the history that the model reads, and for the measure of lists."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from model.errors import SettingsError
from model.rating_scale import LIKE, RELEVANT_STARS
from seqrec.schemas.events import PASSING_KINDS, Kind

DAY = 86_400
"""In seconds."""


class Meaning(BaseModel):
    """What one kind of event means.

    Attributes:
        stars: as how many stars the model reads it where the user has not rated the movie; None for not at all. What
            is read is left out of lists too, like a rated movie.
        excludes: whether lists leave the movie out.
        days: how long they leave it out; None for good.
        least_share: of the movie that has to be watched for ``stars`` and ``hit``; 0 for kinds without a share.
        hit: whether it says that the list which showed the movie was right.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    stars: float | None = Field(None, ge=0.5, le=5, multiple_of=0.5)
    excludes: bool = False
    days: float | None = Field(None, gt=0)
    least_share: float = Field(0.0, ge=0, le=1)
    hit: bool = False


Meanings = Mapping[Kind, Meaning]

DEFAULT_MEANINGS: Meanings = {
    "impression": Meaning(),
    "click": Meaning(hit=True),
    "watch": Meaning(stars=4, excludes=True, least_share=0.8, hit=True),
    "like": Meaning(stars=5, excludes=True, hit=True),
    "dislike": Meaning(stars=1, excludes=True),
    "skip": Meaning(excludes=True, days=7),
    "watchlist": Meaning(hit=True),
}

OPINIONS: tuple[Kind, ...] = ("like", "dislike", "watch", "skip", "watchlist")
"""Lasting kinds; where several have stars, the first counts: who watches a movie and likes it, likes it."""


def meanings_from(changes: Mapping[str, Mapping[str, Any]]) -> Meanings:
    """The default meanings with some fields of some kinds changed; `SettingsError`."""
    if unknown := changes.keys() - DEFAULT_MEANINGS.keys():
        kinds = ", ".join(DEFAULT_MEANINGS)
        raise SettingsError(f"SEQREC_FEEDBACK names {', '.join(sorted(unknown))}. The kinds of events are {kinds}.")
    return {kind: _changed(kind, meaning, changes.get(kind, {})) for kind, meaning in DEFAULT_MEANINGS.items()}


def without_stars(meanings: Meanings) -> Meanings:
    """The same where all ratings are likes: what stands for a good one is a like, and anything less leaves lists alone.

    A model of likes has never seen fewer stars, and would read a movie that is not of interest as one that is liked.
    """
    return {kind: _of_likes(meaning) for kind, meaning in meanings.items()}


def _of_likes(meaning: Meaning) -> Meaning:
    if meaning.stars is None:
        return meaning
    if meaning.stars >= RELEVANT_STARS:
        return meaning.model_copy(update={"stars": LIKE})
    return meaning.model_copy(update={"stars": None, "excludes": True, "days": None})  # out for good, like what is read


def fingerprint(meanings: Meanings) -> str:
    """A text that differs where any meaning does, for what was made by them and is kept elsewhere."""
    fields = {kind: meaning.model_dump() for kind, meaning in meanings.items()}
    return hashlib.blake2b(json.dumps(fields, sort_keys=True).encode(), digest_size=12).hexdigest()


def _changed(kind: Kind, meaning: Meaning, fields: Mapping[str, Any]) -> Meaning:
    try:
        changed = Meaning.model_validate({**meaning.model_dump(), **fields})
    except ValidationError as error:
        problem, *_ = error.errors()
        where = ".".join(map(str, (kind, *problem["loc"])))
        raise SettingsError(f"SEQREC_FEEDBACK is wrong at {where}: {problem['msg']}.") from error
    if kind in PASSING_KINDS and (changed.excludes or changed.stars is not None):
        raise SettingsError(f"SEQREC_FEEDBACK cannot let {kind} change lists. Only kinds that last can.")
    return changed
