"""Ratings."""

from pydantic import BaseModel, Field

from seqrec.limits import MOST_RATINGS
from seqrec.schemas.common import Id, MovieAnswer, Request, Stars, UnixTime


class StarsGiven(Request):
    """The stars that a user gives one movie."""

    stars: Stars
    rated_at: UnixTime | None = Field(
        default=None, description="Left out: now, and in any case later than all that the user has rated before."
    )


class NewRating(StarsGiven):
    """A rating of a movie by a user. It replaces an older one."""

    user_id: Id
    movie_id: Id


class NewRatings(Request):
    """Ratings that are written in one transaction."""

    ratings: list[NewRating] = Field(
        min_length=1, max_length=MOST_RATINGS, description="Of two of the same user and movie, the latter is kept."
    )


class Rating(BaseModel):
    """A rating as it is stored."""

    user_id: int = Field(examples=[1])
    movie_id: int = Field(examples=[1])
    stars: float = Field(examples=[5.0])
    rated_at: int = Field(description="Seconds since 1970.", examples=[978300760])


class Written(BaseModel):
    """How many ratings a request has written."""

    written: int = Field(description="Ratings, each new or in place of an older one.", examples=[2])


class RatedMovie(MovieAnswer):
    """A movie that a user has rated."""

    stars: float = Field(examples=[5.0])
    rated_at: int = Field(description="Seconds since 1970.", examples=[978300760])


class UserRatings(BaseModel):
    """A page of a user's ratings, newest first."""

    user_id: int = Field(examples=[1])
    ratings: list[RatedMovie]
    next_cursor: str | None = Field(
        description="For the next page; null on the last one.", examples=["Wzk3ODMwMDc2MCwxXQ"]
    )
