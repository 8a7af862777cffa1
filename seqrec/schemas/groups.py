"""One list for several people."""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from seqrec.ids import AnyId
from seqrec.limits import MOST_MEMBERS
from seqrec.schemas.common import AnonymousUser, EitherId, MovieAnswer, OwnId, Whole
from seqrec.schemas.recommendations import NOT_ANONYMOUS, Ranking, Reason, Selection

Strategy = Literal["average", "least_misery", "fairness"]


class GroupMember(AnonymousUser):
    """A user by `user_id`, or an anonymous user by profile and history."""

    model_config = ConfigDict(
        json_schema_extra={
            "allOf": [  # not beside the fields: generated clients would read it as two classes
                {"anyOf": [{"properties": {"user_id": {"type": "null"}}}, {"properties": NOT_ANONYMOUS}]}
            ]
        }
    )

    user_id: EitherId | None = None

    @model_validator(mode="after")
    def _one_user(self) -> Self:
        if self.user_id is not None and self.model_fields_set & {"profile", "history"}:
            raise ValueError("give either user_id, or profile and history")
        return self


def _named_once(members: list[GroupMember]) -> list[GroupMember]:
    seen: set[AnyId] = set()
    for member in members:
        if member.user_id in seen:
            raise ValueError(f"user {member.user_id} is there twice; name each user once")
        if member.user_id is not None:
            seen.add(member.user_id)
    return members


class GroupRequest(Selection, Ranking):
    """A list for a group. Nothing is stored."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"members": [{"user_id": 1}, {"user_id": 2}], "limit": 5},
                {
                    "members": [{"user_id": 1}, {"history": [{"movie_id": 260, "stars": 5}]}],
                    "strategy": "fairness",
                    "explain": True,
                },
            ]
        }
    )

    members: Annotated[
        list[GroupMember],
        Field(min_length=2, max_length=MOST_MEMBERS, description=f"2 to {MOST_MEMBERS} people, each once."),
        AfterValidator(_named_once),
    ]
    strategy: Strategy = Field(
        default="average",
        description="`average`: the mean of the members' scores. `least_misery`: the smallest of them. `fairness`: the "
        "members pick in turns, there and back, each their best movie of those that are left.",
    )
    seen: Literal["none", "liked"] = Field(
        default="none",
        description="`none`: no movie that any member has rated. `liked`: also those that some members have rated, all "
        "with 4 or more stars; the members who have not rated them decide where they stand.",
    )
    limit: Whole = Field(default=10, ge=1, le=100, description="How many entries at most.")


class KnownMember(BaseModel):
    """A member of the group, and what is known of them."""

    user_id: OwnId | None = Field(description="Null for an anonymous user.", examples=[1])
    external_id: str | None = Field(description="The user's id in another system, if there is one.", examples=[None])
    based_on: Literal["history", "profile", "nothing"] = Field(
        description="`profile` if there are no ratings yet, `nothing` if there is no profile either."
    )


class Opinion(BaseModel):
    """What a movie is for one member."""

    predicted_stars: float | None = Field(
        ge=0.5,
        le=5,
        description="A movie that the member has rated is predicted without that rating. Null from a model that has "
        "learned from likes.",
        examples=[4.4823],
    )
    like_probability: float | None = Field(
        description="How likely the member is to give it 4 or more stars; null from a model that predicts one number, "
        "or no stars.",
        examples=[0.9476],
    )
    relevance: float | None = Field(
        description="The probability that `relevance` or `next` orders by, of all movies that the member has not "
        "rated; 0 for those that the member has. With `rating`, that of `relevance`. Null from a model that predicts "
        "stars alone.",
        examples=[0.031415],
    )
    own_stars: float | None = Field(description="The member's own rating; null if there is none.", examples=[5.0])
    reasons: list[Reason] | None = Field(
        description="The up to three ratings of the member that count most, the most important first; none below the "
        "mean of the member's ratings, and none at all for a movie that the member has rated. Null unless asked for."
    )


class GroupRecommendation(MovieAnswer):
    """One movie of a group's list."""

    in_model: bool = Field(
        description="False for a movie that came after training: the model knows its genres and title alone.",
        examples=[True],
    )
    chosen_by: int | None = Field(
        description="With `fairness`, whose turn put it there, as a position in `members` from 0; null otherwise.",
        examples=[0],
    )
    members: list[Opinion] = Field(description="What it is for each member, in their order.")


class GroupRecommendations(BaseModel):
    """Movies for the whole group, best first."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "model": "20261123T220000Z-seqrec",
                    "strategy": "average",
                    "rank_by": "relevance",
                    "members": [
                        {"user_id": 1, "based_on": "history"},
                        {"user_id": None, "based_on": "profile"},
                    ],
                    "recommendations": [
                        {
                            "movie_id": 318,
                            "title": "Shawshank Redemption, The (1994)",
                            "display_title": "The Shawshank Redemption",
                            "year": 1994,
                            "genres": ["Drama"],
                            "in_model": True,
                            "chosen_by": None,
                            "members": [
                                {
                                    "predicted_stars": 4.8125,
                                    "like_probability": 0.9204,
                                    "relevance": 0.031415,
                                    "own_stars": None,
                                    "reasons": None,
                                },
                                {
                                    "predicted_stars": 4.4823,
                                    "like_probability": 0.8711,
                                    "relevance": 0.011247,
                                    "own_stars": None,
                                    "reasons": None,
                                },
                            ],
                        }
                    ],
                }
            ]
        }
    )

    model: str = Field(description="Version of the model that answered.", examples=["20261123T220000Z-seqrec"])
    strategy: Strategy = Field(description="What made one order of the members' scores.")
    rank_by: Literal["relevance", "next", "rating"] = Field(description="What the members' scores are.")
    members: list[KnownMember] = Field(description="The members, in the order asked.")
    recommendations: list[GroupRecommendation]
