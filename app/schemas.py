"""Bodies of requests and answers; their descriptions are the API's documentation."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from app.service import Prediction, Query, RecommendedMovie
from model.card import Card
from model.features import HALF_STARS, StarLevels
from model.lists import RankBy

MOST_QUERIES = 1000

Id = Annotated[int, Field(ge=1, le=2**31 - 1, description="Id as in MovieLens.", examples=[1])]


class PredictionQuery(BaseModel):
    """One (user, movie) pair."""

    model_config = ConfigDict(extra="forbid")

    user_id: Id
    movie_id: Id


class PredictionRequest(BaseModel):
    """Either one user and some movies, or a list of pairs."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"user_id": 1, "movie_ids": [1, 2, 3]},
                {"queries": [{"user_id": 1, "movie_id": 1}, {"user_id": 2, "movie_id": 1}]},
            ]
        },
    )

    user_id: Id | None = None
    movie_ids: list[Id] | None = Field(None, min_length=1, max_length=MOST_QUERIES)
    queries: list[PredictionQuery] | None = Field(None, min_length=1, max_length=MOST_QUERIES)

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        one_user = self.user_id is not None and self.movie_ids is not None and self.queries is None
        pairs = self.user_id is None and self.movie_ids is None and self.queries is not None
        if not one_user and not pairs:
            raise ValueError("give either user_id and movie_ids, or queries")
        return self

    def pairs(self) -> list[Query]:
        if self.queries is not None:
            return [Query(query.user_id, query.movie_id) for query in self.queries]
        return [Query(self.user_id or 0, movie_id) for movie_id in self.movie_ids or []]


class PredictedStars(BaseModel):
    """What one user is predicted to give one movie."""

    user_id: int
    movie_id: int
    title: str
    predicted_stars: float = Field(
        ge=HALF_STARS[0],
        le=HALF_STARS[-1],
        description="A movie that the user has rated is predicted without that rating.",
    )
    probabilities: dict[str, float] | None = Field(
        description="How likely the user is to give each number of stars; null from a model that predicts one number."
    )
    own_stars: float | None = Field(description="The user's own rating; null if there is none.")
    in_model: bool = Field(description="False for a movie that came after training: it is taken for an average one.")

    @classmethod
    def of(cls, prediction: Prediction, levels: StarLevels) -> Self:
        """``levels`` are those of the model that predicted."""
        return cls(
            user_id=prediction.user_id,
            movie_id=prediction.movie.id,
            title=prediction.movie.title,
            predicted_stars=prediction.predicted.stars,
            probabilities=_by_level(prediction.predicted.probabilities, levels),
            own_stars=prediction.own_stars,
            in_model=prediction.in_model,
        )


def _by_level(probabilities: tuple[float, ...] | None, levels: StarLevels) -> dict[str, float] | None:
    if probabilities is None:
        return None
    return {f"{level:g}": probability for level, probability in zip(levels, probabilities, strict=True)}


class Predictions(BaseModel):
    """One answer a query, in the order of the queries."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "model": "20261123T220000Z-seqrec",
                    "predictions": [
                        {
                            "user_id": 1,
                            "movie_id": 1,
                            "title": "Toy Story (1995)",
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

    model: str = Field(description="Version of the model that answered.")
    predictions: list[PredictedStars]


class Reason(BaseModel):
    """A movie that the user has rated and that speaks for a recommended one."""

    movie_id: int
    title: str
    contribution: float = Field(
        description="What the movie's score loses if this one rating is taken out of the history. By relevance, the "
        "score is a natural logarithm: 0.69 doubles how likely the movie is. By rating it is in stars."
    )


class Recommendation(BaseModel):
    """One movie of a list."""

    movie_id: int
    title: str
    genres: list[str]
    predicted_stars: float = Field(ge=HALF_STARS[0], le=HALF_STARS[-1])
    relevance: float | None = Field(
        description="How likely the user picks this movie next, of all that the user has not rated; null from a model "
        "that predicts stars alone."
    )
    reasons: list[Reason] | None = Field(
        description="The up to three ratings that count most, the most important first; null unless asked for."
    )

    @classmethod
    def of(cls, entry: RecommendedMovie) -> Self:
        movie = entry.movie
        reasons = (
            None
            if entry.reasons is None
            else [
                Reason(movie_id=reason.movie.id, title=reason.movie.title, contribution=reason.contribution)
                for reason in entry.reasons
            ]
        )
        return cls(
            movie_id=movie.id,
            title=movie.title,
            genres=list(movie.genres),
            predicted_stars=entry.stars,
            relevance=entry.relevance,
            reasons=reasons,
        )


class Recommendations(BaseModel):
    """A page of movies that the user has not rated, best first."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "model": "20261123T220000Z-seqrec",
                    "user_id": 1,
                    "based_on": "history",
                    "rank_by": "relevance",
                    "recommendations": [
                        {
                            "movie_id": 318,
                            "title": "Shawshank Redemption, The (1994)",
                            "genres": ["Drama"],
                            "predicted_stars": 4.8125,
                            "relevance": 0.031415,
                            "reasons": [{"movie_id": 527, "title": "Schindler's List (1993)", "contribution": 0.3365}],
                        }
                    ],
                }
            ]
        }
    )

    model: str = Field(description="Version of the model that answered.")
    user_id: int
    based_on: Literal["history", "profile"] = Field(
        description="`profile` if the user has no ratings yet: gender, age and occupation are all there is."
    )
    rank_by: RankBy = Field(description="What the list is ordered by.")
    recommendations: list[Recommendation]


class ModelInformation(BaseModel):
    """The model that is served."""

    version: str = Field(description="Name of the artifact's folder.")
    device: str = Field(description="Where it scores: cpu or cuda.")
    sample_data: bool = Field(
        description="True if the model learned from generated ratings: it then says nothing about real movies."
    )
    card: Card = Field(description="Where the model comes from and how good it is.")


class Health(BaseModel):
    """The state of the service."""

    status: Literal["ok"]
