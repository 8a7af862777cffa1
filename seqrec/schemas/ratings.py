"""Ratings."""

from typing import Literal

from pydantic import BaseModel, Field

from seqrec.limits import MOST_RATINGS
from seqrec.schemas.common import (
    EitherId,
    MovieAnswer,
    MovieExternalId,
    OwnId,
    Request,
    Stars,
    UnixTime,
    UserExternalId,
)


class StarsGiven(Request):
    """The stars that a user gives one movie; in a service without stars, that the user likes it."""

    stars: Stars | None = Field(
        default=None, description="Left out in a service without stars, where a rating is a like; needed in all others."
    )
    rated_at: UnixTime | None = Field(
        default=None, description="Left out: now, and in any case later than all that the user has rated before."
    )


class NewRating(StarsGiven):
    """A rating of a movie by a user. It replaces an older one."""

    user_id: EitherId
    movie_id: EitherId


class NewRatings(Request):
    """Ratings that are written in one transaction."""

    ratings: list[NewRating] = Field(
        min_length=1, max_length=MOST_RATINGS, description="Of two of the same user and movie, the latter is kept."
    )


class Rating(BaseModel):
    """A rating as it is stored."""

    user_id: OwnId = Field(examples=[1])
    user_external_id: UserExternalId = None
    movie_id: OwnId = Field(examples=[1])
    movie_external_id: MovieExternalId = None
    stars: float | None = Field(description="Null in a service without stars.", examples=[5.0])
    rated_at: int = Field(description="Seconds since 1970.", examples=[978300760])


class ExportSearch(Request):
    """How an export names users and movies."""

    ids: Literal["own", "external"] = Field(
        default="own",
        description="`own`: the service's own ids, numbers. `external`: external ids, texts, and the own id of who or "
        "what has none.",
    )


class ExportedRating(BaseModel):
    """A line of an export, which an import takes."""

    user_id: OwnId | str = Field(examples=[1])
    movie_id: OwnId | str = Field(examples=[1])
    stars: float | None = Field(description="Null in a service without stars.", examples=[5.0])
    rated_at: int = Field(description="Seconds since 1970.", examples=[978300760])


class Written(BaseModel):
    """How many ratings a request has written."""

    written: int = Field(description="Ratings, each new or in place of an older one.", examples=[2])


class RatedMovie(MovieAnswer):
    """A movie that a user has rated."""

    stars: float | None = Field(description="Null in a service without stars.", examples=[5.0])
    rated_at: int = Field(description="Seconds since 1970.", examples=[978300760])


class UserRatings(BaseModel):
    """A page of a user's ratings, newest first."""

    user_id: OwnId = Field(examples=[1])
    user_external_id: UserExternalId = None
    ratings: list[RatedMovie]
    next_cursor: str | None = Field(
        description="For the next page; null on the last one.", examples=["Wzk3ODMwMDc2MCwxXQ"]
    )
