"""Lists of recommended or ranked movies."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.config import JsonDict

from seqrec.limits import MOST_GENRES, MOST_MOVIES, MOST_USERS
from seqrec.schemas.common import (
    AnonymousUser,
    EitherId,
    Flag,
    ListSize,
    MovieAnswer,
    MovieExternalId,
    NamedId,
    Number,
    OwnId,
    Parameters,
    Request,
    UserExternalId,
    Whole,
    Year,
)

RankBy = Literal["relevance", "next", "rating"]


class Order(Request):
    """The order of a list."""

    rank_by: RankBy | None = Field(
        default=None,
        description="`relevance`: how likely it is a movie that the user likes from here on. `next`: how likely the "
        "user picks it next, liked or not. `rating`: the predicted stars, in a service that has stars. Left out: "
        "relevance (or rating, from a model that predicts stars alone); for a user of whom nothing is known, "
        "popularity.",
    )


class Ranking(Order):
    """The order of a list, and whether it names reasons."""

    explain: Flag = Field(
        default=False, description="True: name the ratings that count most for each movie, which takes longer."
    )


class Selection(Request):
    """Which movies a list may contain, and where its page begins. Filters act before paging."""

    offset: Whole = Field(default=0, ge=0, le=2**31 - 1, description="How many of the best to leave out first.")
    genre: list[str] = Field(
        default=[], max_length=MOST_GENRES, description="Only movies of any of these genres; may be repeated."
    )
    genre_all: list[str] = Field(
        default=[], max_length=MOST_GENRES, description="Only movies of all of these genres; may be repeated."
    )
    year_from: Year | None = Field(default=None, description="Only movies of this year or later.")
    year_to: Year | None = Field(default=None, description="Only movies of this year or earlier.")
    exclude: list[EitherId] = Field(
        default=[], max_length=MOST_MOVIES, description="Movies to leave out; may be repeated."
    )

    @model_validator(mode="after")
    def _years_in_order(self) -> Self:
        if self.year_from is not None and self.year_to is not None and self.year_from > self.year_to:
            raise ValueError("year_from is later than year_to")
        return self


class ListPage(Selection, Order, ListSize):
    """Filters, order and page of a list."""

    diversity: Annotated[float, Field(ge=0, le=1), Number] | None = Field(
        default=None,
        description="How much it counts that the list has genres and popularity in the proportions of the user's "
        "history; 0, the default, asks for the best movies one by one.",
    )


class ListOptions(ListPage, Ranking, Parameters):
    """Filters and page of a list, and whether it names reasons; of a query."""

    exclude: list[NamedId] = Field(
        default=[], max_length=MOST_MOVIES, description="Movies to leave out; may be repeated."
    )


class UserListOptions(ListOptions):
    """The same, for a user of the database."""

    watchlist: Literal["only"] | None = Field(
        default=None, description="`only`: only movies of the user's own watch list."
    )


class BatchRequest(ListPage):
    """Lists for many users, all with the same options."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"user_ids": [1, 2, 3], "limit": 5}]})

    user_ids: Annotated[list[EitherId], Field(min_length=1, max_length=MOST_USERS)] = Field(
        description="The users, in the order of their lists."
    )


class RecommendationRequest(ListPage, Ranking, AnonymousUser):
    """A list for an anonymous user. Nothing is stored."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"history": [{"movie_id": 260, "stars": 5}, {"movie_id": 1196, "stars": 4.5}], "limit": 5}]
        }
    )


NOT_ANONYMOUS: JsonDict = {"profile": {"not": {}}, "history": {"not": {}}}
"""In JSON Schema: neither field may be there."""


class RankRequest(Ranking, AnonymousUser):
    """Movies to rank, for a user or for an anonymous user."""

    model_config = ConfigDict(
        json_schema_extra={
            "allOf": [  # not beside the fields: generated clients would read it as two classes
                {"anyOf": [{"properties": {"user_id": {"type": "null"}}}, {"properties": NOT_ANONYMOUS}]}
            ],
            "examples": [
                {"user_id": 1, "movie_ids": [1, 2, 3]},
                {"history": [{"movie_id": 260, "stars": 5}], "movie_ids": [1, 2, 3]},
            ],
        }
    )

    user_id: EitherId | None = None
    movie_ids: Annotated[list[EitherId], Field(min_length=1, max_length=MOST_MOVIES)]

    @model_validator(mode="after")
    def _one_user(self) -> Self:
        if self.user_id is not None and self.model_fields_set & {"profile", "history"}:
            raise ValueError("give either user_id, or profile and history")
        return self


class Reason(BaseModel):
    """A rated movie of the user that speaks for a recommended one."""

    movie_id: OwnId = Field(examples=[527])
    external_id: MovieExternalId = None
    title: str = Field(examples=["Schindler's List (1993)"])
    display_title: str = Field(
        description="The title as it is spoken, without the year.", examples=["Schindler's List"]
    )
    stars: float | None = Field(
        description="What the user gave it: at least the mean of the user's ratings. Null in a service without stars.",
        examples=[5.0],
    )
    contribution: float = Field(
        description="What the movie's score loses if this one rating is taken out of the history. By relevance, the "
        "score is a natural logarithm: 0.69 doubles how likely the movie is. By rating it is in stars.",
        examples=[0.3365],
    )
    feedback: str | None = Field(
        default=None,
        description="What the user did in place of giving stars, as `like`; the stars are those that it counts as. "
        "Null for stars.",
        examples=[None],
    )


class Recommendation(MovieAnswer):
    """One movie of a list."""

    predicted_stars: float | None = Field(
        ge=0.5, le=5, description="Null from a model that has learned from likes.", examples=[4.8125]
    )
    like_probability: float | None = Field(
        description="How likely the user is to give it 4 or more stars; null from a model that predicts one number, or "
        "no stars.",
        examples=[0.9476],
    )
    relevance: float | None = Field(
        description="The probability that `relevance` or `next` orders by, of all movies that the user has not rated; "
        "with `rating`, that of `relevance`. Null from a model that predicts stars alone.",
        examples=[0.031415],
    )
    source: Literal["model", "popular"] = Field(
        description="What put it into the list: the model, or its popularity where nothing is known of the user."
    )
    in_model: bool = Field(
        description="False for a movie that came after training: the model knows its genres and title alone.",
        examples=[True],
    )
    reasons: list[Reason] | None = Field(
        description="The up to three ratings that count most, the most important first; none below the mean of the "
        "user's ratings, and none at all for a movie that the user has rated. Null unless asked for."
    )


class Recommendations(BaseModel):
    """Movies, best first; none that the user has rated, unless the caller named it."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "model": "20261123T220000Z-seqrec",
                    "user_id": 1,
                    "user_external_id": "ann@example.org",
                    "based_on": "history",
                    "rank_by": "relevance",
                    "recommendation_id": "AdjzRdkAAAGa4yvkQAAAAAEAMjAyNjExMjNUMjIwMDAwWi1zZXFyZWN2b2Tc3hZ2QPmEgzQ",
                    "recommendations": [
                        {
                            "movie_id": 318,
                            "external_id": "tt0111161",
                            "title": "Shawshank Redemption, The (1994)",
                            "display_title": "The Shawshank Redemption",
                            "year": 1994,
                            "genres": ["Drama"],
                            "imdb_id": "tt0111161",
                            "tmdb_id": 278,
                            "predicted_stars": 4.8125,
                            "like_probability": 0.9204,
                            "relevance": 0.031415,
                            "source": "model",
                            "in_model": True,
                            "reasons": [
                                {
                                    "movie_id": 527,
                                    "external_id": "tt0108052",
                                    "title": "Schindler's List (1993)",
                                    "display_title": "Schindler's List",
                                    "stars": 5.0,
                                    "contribution": 0.3365,
                                    "feedback": None,
                                }
                            ],
                        }
                    ],
                }
            ]
        }
    )

    model: str = Field(description="Version of the model that answered.", examples=["20261123T220000Z-seqrec"])
    user_id: OwnId | None = Field(description="Null for an anonymous user.", examples=[1])
    user_external_id: UserExternalId = None
    based_on: Literal["history", "profile", "nothing"] = Field(
        description="`profile` if there are no ratings yet, `nothing` if there is no profile either."
    )
    rank_by: Literal["relevance", "next", "rating", "popularity"] = Field(description="What the list is ordered by.")
    recommendation_id: str | None = Field(
        default=None,
        description="The list's own id, for events that happen in it; null for an anonymous user. Each answer has "
        "another one.",
        examples=["AQAAAZ..."],
    )
    recommendations: list[Recommendation]


class BatchRecommendations(BaseModel):
    """Lists for many users."""

    model: str = Field(
        description="Version of the model that answered; of the first list, where two are compared.",
        examples=["20261123T220000Z-seqrec"],
    )
    lists: list[Recommendations] = Field(description="One for each user, in the order asked.")
