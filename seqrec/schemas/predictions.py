"""Predicted stars."""

from typing import Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue, model_validator
from pydantic.config import JsonDict

from seqrec.limits import MOST_MOVIES
from seqrec.schemas.common import EitherId, History, MovieExternalId, OwnId, ProfileFields, Request, UserExternalId


class PredictionQuery(Request):
    """One (user, movie) pair."""

    user_id: EitherId
    movie_id: EitherId


def _form(**types: str | list[JsonValue]) -> JsonDict:
    """In JSON Schema: a body in which the fields of these types are given, and those of type null are not."""
    given: list[JsonValue] = [name for name, type_ in types.items() if type_ != "null"]
    return {"required": given, "properties": {name: {"type": type_} for name, type_ in types.items()}}


FORMS: list[JsonValue] = [
    _form(user_id=["integer", "string"], movie_ids="array", profile="null", history="null", queries="null"),
    _form(history="array", movie_ids="array", user_id="null", queries="null"),
    _form(profile="object", movie_ids="array", user_id="null", queries="null"),
    _form(queries="array", user_id="null", profile="null", history="null", movie_ids="null"),
]


class PredictionRequest(Request):
    """Movies and a user, or movies and the history of an anonymous user, or pairs of user and movie."""

    model_config = ConfigDict(
        json_schema_extra={
            "allOf": [{"anyOf": FORMS}],  # not beside the fields: generated clients would read it as four classes
            "examples": [
                {"user_id": 1, "movie_ids": [1, 2, 3]},
                {"history": [{"movie_id": 260, "stars": 5}], "movie_ids": [1, 2, 3]},
                {"queries": [{"user_id": 1, "movie_id": 1}, {"user_id": "ann@example.org", "movie_id": "tt0111161"}]},
            ],
        },
    )

    user_id: EitherId | None = None
    profile: ProfileFields | None = Field(default=None, description="Of an anonymous user.")
    history: History | None = Field(default=None, description="Of an anonymous user, the oldest rating first.")
    movie_ids: list[EitherId] | None = Field(default=None, min_length=1, max_length=MOST_MOVIES)
    queries: list[PredictionQuery] | None = Field(default=None, min_length=1, max_length=MOST_MOVIES)

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        anonymous = self.history is not None or self.profile is not None
        one_user = (self.user_id is not None) != anonymous and self.movie_ids is not None and self.queries is None
        pairs = self.user_id is None and not anonymous and self.movie_ids is None and self.queries is not None
        if not one_user and not pairs:
            raise ValueError("give either user_id and movie_ids, or history and movie_ids, or queries")
        return self


class PredictedStars(BaseModel):
    """The predicted stars of one user for one movie."""

    model: str | None = Field(
        default=None,
        description="Version of the model that predicts them; null only from a service before 0.5.",
        examples=["20261123T220000Z-seqrec"],
    )
    user_id: OwnId | None = Field(description="Null for an anonymous user.", examples=[1])
    user_external_id: UserExternalId = None
    movie_id: OwnId = Field(examples=[1])
    movie_external_id: MovieExternalId = None
    title: str = Field(examples=["Toy Story (1995)"])
    display_title: str = Field(description="The title as it is spoken, without the year.", examples=["Toy Story"])
    predicted_stars: float = Field(
        ge=0.5, le=5, description="A movie that the user has rated is predicted without that rating.", examples=[4.4823]
    )
    probabilities: dict[str, float] | None = Field(
        description="How likely the user is to give each number of stars; null from a model that predicts one number.",
        examples=[{"1": 0.002, "2": 0.0073, "3": 0.0613, "4": 0.3651, "5": 0.5643}],
    )
    own_stars: float | None = Field(description="The user's own rating; null if there is none.", examples=[5.0])
    in_model: bool = Field(
        description="False for a movie that came after training: the model knows its genres and title alone.",
        examples=[True],
    )


class Predictions(BaseModel):
    """Predicted stars, in the order of the request."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "model": "20261123T220000Z-seqrec",
                    "predictions": [
                        {
                            "model": "20261123T220000Z-seqrec",
                            "user_id": 1,
                            "user_external_id": None,
                            "movie_id": 1,
                            "movie_external_id": None,
                            "title": "Toy Story (1995)",
                            "display_title": "Toy Story",
                            "predicted_stars": 4.4823,
                            "probabilities": {"1": 0.002, "2": 0.0073, "3": 0.0613, "4": 0.3651, "5": 0.5643},
                            "own_stars": 5.0,
                            "in_model": True,
                        }
                    ],
                }
            ]
        }
    )

    model: str = Field(
        description="Version of the model that answered; of the first prediction, where two are compared.",
        examples=["20261123T220000Z-seqrec"],
    )
    predictions: list[PredictedStars]
