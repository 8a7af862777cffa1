"""What several bodies have in common."""

import math
import time
from collections.abc import Callable
from typing import Annotated, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationInfo,
    model_validator,
)
from pydantic import GetCoreSchemaHandler as CoreHandler
from pydantic import GetJsonSchemaHandler as JsonHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from seqrec.ids import EXTERNAL_ID, EXTERNAL_ID_RULE, NAMED_EXTERNAL_ID, AnyId, is_external_id, read_id
from seqrec.limits import (
    EARLIEST_YEAR,
    LARGEST_ID,
    LATEST,
    LATEST_YEAR,
    LONGEST_EXTERNAL_ID,
    MOST_RATINGS,
    MOST_SECONDS_AHEAD,
)

TEXT_MAY_BE_NUMBER = {"text_may_be_number": True}
"""The context in which lines of a file are validated: other programs may have written numbers as text."""


class QueryText(str):
    """A text of a query, which has nothing else: it may be a number, or true or false."""

    __slots__ = ()


def _is_mere_text(value: object, info: ValidationInfo) -> bool:
    """In a body, a text is neither a number nor true or false."""
    return isinstance(value, str) and not isinstance(value, QueryText) and info.context is not TEXT_MAY_BE_NUMBER


def _number(value: object, info: ValidationInfo) -> object:
    """Python counts True as 1; nobody who sends ``true`` means one star, or the user 1."""
    if isinstance(value, bool):
        raise ValueError("a number is wanted, not true or false")
    if _is_mere_text(value, info):
        raise ValueError("a number is wanted, not text")
    if isinstance(value, float) and not math.isfinite(value):  # written by programs, though JSON has none of them
        raise ValueError("a finite number is wanted")
    return value


def _true_or_false(value: object, info: ValidationInfo) -> object:
    """Python counts 1 as True; only true and false are either, or their names in a query."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        raise ValueError("true or false is wanted, not a number")
    if _is_mere_text(value, info):
        raise ValueError("true or false is wanted, not text")
    return value


class NeverNull:
    """Of a field that may be left out, and is None then: its schema has no null, which the field's model refuses."""

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: JsonHandler) -> JsonSchemaValue:
        shown = handler(schema)
        (allowed,) = (one for one in shown.pop("anyOf") if one != {"type": "null"})
        return {**allowed, **shown}


def _not_null(value: object) -> object:
    """For a field that may be left out, and is None then."""
    if value is None:
        raise ValueError("a number is wanted; leave it out in place of null")
    return value


def _not_in_the_future(seconds: int) -> int:
    """A rating of tomorrow would be the newest one for as long as that is; a day is left for clocks that differ."""
    if seconds > time.time() + MOST_SECONDS_AHEAD:
        raise ValueError("the time is in the future: seconds since 1970 are wanted")
    return seconds


Number = BeforeValidator(_number)
Whole = Annotated[int, Number]
Flag = Annotated[bool, BeforeValidator(_true_or_false)]
OwnId = Annotated[int, Field(json_schema_extra={"format": "int64"})]
"""An id of the service; programs that are generated for languages with numbers of 32 bits need the format."""

Id = Annotated[OwnId, Field(ge=1, le=LARGEST_ID, description="Id as in MovieLens.", examples=[1]), Number]
ExternalId = Annotated[
    str,
    StringConstraints(min_length=1, max_length=LONGEST_EXTERNAL_ID, pattern=EXTERNAL_ID),
    Field(description="The id in another system; no two have the same.", examples=["tt0111161"]),
]


class _EitherId:
    """Tells pydantic how an `AnyId` is read: ``read`` says of a text which kind it is."""

    def __init__(self, read: Callable[[str], AnyId], pattern: str) -> None:
        """``pattern`` is that of external ids, for the JSON Schema."""
        self._read = read
        self._pattern = pattern

    def __get_pydantic_core_schema__(self, _: object, handler: CoreHandler) -> CoreSchema:
        as_it_is = core_schema.simple_ser_schema("any")
        own_id = handler.generate_schema(Id)
        return core_schema.no_info_wrap_validator_function(self._validate, own_id, serialization=as_it_is)

    def __get_pydantic_json_schema__(self, _: CoreSchema, __: JsonHandler) -> JsonSchemaValue:
        own_id = {"type": "integer", "format": "int64", "minimum": 1, "maximum": LARGEST_ID}
        text = {"type": "string", "minLength": 1, "maxLength": LONGEST_EXTERNAL_ID, "pattern": self._pattern}
        return {"anyOf": [own_id, text], "examples": [1, "tt0111161"]}

    def _validate(self, value: object, as_own: Callable[[object], int]) -> AnyId:
        if type(value) is int and 1 <= value <= LARGEST_ID:
            return value  # at once: a request may have ten thousand
        id_ = self._read(value) if isinstance(value, str) else value
        if not isinstance(id_, str):
            return as_own(id_)
        if not is_external_id(id_):
            raise ValueError(EXTERNAL_ID_RULE)
        return id_


EitherId = Annotated[
    AnyId,
    _EitherId(str, EXTERNAL_ID),
    Field(description="The service's own id as a number, or an external one as text."),
]
"""In JSON."""

NamedId = Annotated[
    AnyId,
    _EitherId(read_id, NAMED_EXTERNAL_ID),
    Field(description="Digits alone are the service's own id, all else is external; `external:` may come before."),
]
"""In a path or a query."""

Stars = Annotated[
    float, Field(ge=0.5, le=5, multiple_of=0.5, description="0.5 to 5 stars, in halves.", examples=[4.0]), Number
]
UnixTime = Annotated[
    int,
    Field(ge=0, le=LATEST, description="Seconds since 1970, not in the future.", examples=[978300760]),
    Number,
    AfterValidator(_not_in_the_future),
]
Year = Annotated[int, Field(ge=EARLIEST_YEAR, le=LATEST_YEAR), Number]


class Request(BaseModel):
    """A body that a caller sends. An unknown field is refused, so that a misspelt one is not ignored."""

    model_config = ConfigDict(extra="forbid")


class Parameters(Request):
    """A query, where numbers, too, are text."""

    @model_validator(mode="before")
    @classmethod
    def _as_query_text(cls, given: dict[str, object]) -> dict[str, object]:
        return {name: QueryText(value) if isinstance(value, str) else value for name, value in given.items()}


UserExternalId = Annotated[
    str | None,
    Field(description="The user's id in another system; null without one.", examples=["ann@example.org"]),
]
MovieExternalId = Annotated[
    str | None, Field(description="The movie's id in another system; null without one.", examples=["tt0111161"])
]


class MovieAnswer(BaseModel):
    """A movie, in any answer."""

    movie_id: OwnId = Field(examples=[318])
    external_id: MovieExternalId = None
    title: str = Field(examples=["Shawshank Redemption, The (1994)"])
    display_title: str = Field(
        description="The title as it is spoken, without the year.", examples=["The Shawshank Redemption"]
    )
    year: int | None = Field(description="Year of release; null if not known.", examples=[1994])
    genres: list[str] = Field(examples=[["Drama"]])
    imdb_id: str | None = Field(default=None, description="Of IMDb; null if not known.", examples=["tt0111161"])
    tmdb_id: int | None = Field(default=None, description="Of TMDB; null if not known.", examples=[278])


class ProfileFields(Request):
    """What is known of a user besides ratings. Any of it may be left out."""

    gender: str | None = Field(default=None, pattern="^[FM]$", description="F or M.", examples=["F"])
    age: Annotated[int, Field(ge=1, le=120), Number] | None = Field(
        default=None, description="In years.", examples=[25]
    )
    occupation: Annotated[int, Field(ge=0, le=20), Number] | None = Field(
        default=None, description="MovieLens' code.", examples=[12]
    )


class HistoryRating(Request):
    """A movie of a history: a rated one, or, without stars, one that is liked."""

    movie_id: EitherId
    stars: Stars | None = Field(default=None, description="0.5 to 5 stars, in halves. Left out: the user likes it.")


def _rated_once(history: list[HistoryRating]) -> list[HistoryRating]:
    seen: set[AnyId] = set()
    for entry in history:
        if entry.movie_id in seen:
            raise ValueError(f"movie {entry.movie_id} is there twice; keep the latest rating of each movie")
        seen.add(entry.movie_id)
    return history


History = Annotated[
    list[HistoryRating],
    Field(max_length=MOST_RATINGS, description="Everything rated so far, the oldest first."),
    AfterValidator(_rated_once),
]


class ListSize(Request):
    """How long a list is."""

    limit: Whole = Field(default=10, ge=1, le=100, description="How many entries at most.")
    n: Annotated[Annotated[int, Field(ge=1, le=100), Number] | None, BeforeValidator(_not_null), NeverNull()] = Field(
        default=None,
        exclude=True,
        description="The old name of `limit`; if both are given, `limit` counts.",
        json_schema_extra={"deprecated": True},
    )

    @model_validator(mode="after")
    def _by_the_old_name(self) -> Self:
        if self.n is not None and "limit" not in self.model_fields_set:
            self.limit = self.n
        return self


class SizeSearch(ListSize, Parameters):
    """How long a list is, of a query."""


class AnonymousUser(Request):
    """A user who is not in the database. Nothing of it is stored."""

    profile: ProfileFields = ProfileFields()
    history: History = []
