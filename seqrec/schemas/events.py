"""Events: what users do with movies beside rating them."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from seqrec.limits import MOST_EVENTS
from seqrec.schemas.common import EitherId, Flag, MovieAnswer, Number, OwnId, Request, UnixTime, UserExternalId

Kind = Literal["impression", "click", "watch", "like", "dislike", "skip", "watchlist"]

PASSING_KINDS: tuple[Kind, ...] = ("impression", "click")
"""Kinds that change no list, and cannot be taken back."""

EventId = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_.:+/=@-]+$")]


class NewEvent(Request):
    """Something that a user did with a movie, or was shown."""

    model_config = ConfigDict(
        json_schema_extra={
            "allOf": [  # not beside the fields: generated clients would read it as two classes
                {"anyOf": [{"properties": {"kind": {"const": "watch"}}}, {"properties": {"share": {"type": "null"}}}]},
                {
                    "anyOf": [
                        {"properties": {"kind": {"not": {"enum": list(PASSING_KINDS)}}}},
                        {"properties": {"removed": {"const": False}}},
                    ]
                },
                {
                    "anyOf": [
                        {"properties": {"kind": {"const": "impression"}}},
                        {"properties": {"position": {"type": "null"}}},
                    ]
                },
            ],
            "examples": [
                {"event_id": "7f9c-1", "user_id": 1, "movie_id": 318, "kind": "watch", "share": 0.95},
                {"event_id": "7f9c-2", "user_id": 1, "movie_id": 50, "kind": "watchlist"},
            ],
        }
    )

    event_id: EventId | None = Field(
        default=None,
        description="The caller's own id, one for each event of a user: an event that is sent again is written once. "
        "Left out: the service makes one, and the event is written each time it is sent.",
        examples=["7f9c-1"],
    )
    user_id: EitherId
    movie_id: EitherId
    kind: Kind = Field(
        description="`impression`: the movie was shown. `click`: its page was opened. `watch`, with `share`. `like`, "
        "`dislike`. `skip`: not now. `watchlist`: put on the watch list.",
        examples=["watch"],
    )
    removed: Flag = Field(
        default=False,
        description="True: the event takes back what an earlier one of this kind said of the movie, as to take it "
        "off the watch list. Impressions and clicks cannot be taken back.",
        examples=[False],
    )
    share: Annotated[float, Field(ge=0, le=1), Number] | None = Field(
        default=None,
        description="Of the movie that was watched; all of it, if left out. For `watch` alone.",
        examples=[0.95],
    )
    position: Annotated[int, Field(ge=1, le=10_000), Number] | None = Field(
        default=None,
        description="Where the movie stood in the answer's list, 1 for the first. For `impression` alone; left out, "
        "the impressions of a list are counted in the order in which they come.",
        examples=[1],
    )
    occurred_at: UnixTime | None = Field(default=None, description="Left out: now.")
    recommendation_id: Annotated[str, Field(max_length=200)] | None = Field(
        default=None,
        description="The id of the list that it happened in, from the body of the list or its header "
        "`X-Recommendation-ID`. An id that the service gave to no list of this user counts as none.",
        examples=["AQAAAZ..."],
    )

    @model_validator(mode="after")
    def _fields_of_its_kind(self) -> Self:
        if self.share is not None and self.kind != "watch":
            raise ValueError("share is for events of kind watch")
        if self.position is not None and self.kind != "impression":
            raise ValueError("position is for events of kind impression")
        if self.removed and self.kind in PASSING_KINDS:
            raise ValueError(f"an event of kind {self.kind} cannot be taken back")
        return self


class NewEvents(Request):
    """Events that are written in one transaction."""

    events: list[NewEvent] = Field(min_length=1, max_length=MOST_EVENTS)


class Event(BaseModel):
    """A line of an export, which an import takes."""

    event_id: str = Field(examples=["7f9c-1"])
    user_id: OwnId | str = Field(examples=[1])
    movie_id: OwnId | str = Field(examples=[318])
    kind: Kind = Field(examples=["watch"])
    removed: bool = Field(description="True: it takes back what an earlier one said.", examples=[False])
    share: float | None = Field(description="Of the movie that was watched.", examples=[0.95])
    position: int | None = Field(description="In the list, 1 for the first.", examples=[None])
    occurred_at: int = Field(description="Seconds since 1970.", examples=[1795910400])
    recommendation_id: str | None = Field(description="The list that it happened in.", examples=[None])


class EventsWritten(BaseModel):
    """How many events a request has written."""

    written: int = Field(description="New ones.", examples=[2])
    known: int = Field(description="Those that had been there before, by their `event_id`.", examples=[0])


class WatchlistMovie(MovieAnswer):
    """A movie on a watch list."""

    added_at: int = Field(description="Seconds since 1970.", examples=[1795910400])


class Watchlist(BaseModel):
    """A page of a user's watch list, what was added last first."""

    user_id: OwnId = Field(examples=[1])
    user_external_id: UserExternalId = None
    movies: list[WatchlistMovie]
    next_cursor: str | None = Field(
        description="For the next page; null on the last one.", examples=["WzE3OTU5MTA0MDAsMV0"]
    )
