from typing import Annotated

from fastapi import APIRouter, Path, Query

from app.dependencies import RecommenderDependency
from app.errors import DatabaseUnavailable, InvalidRequest, NoRelevance, UserNotFound, responses
from app.schemas import Recommendation, Recommendations
from app.service import Wish
from model.diversity import DEFAULT_DIVERSITY
from model.lists import RankBy

router = APIRouter(tags=["recommendations"])


@router.get(
    "/users/{user_id}/recommendations",
    summary="Recommend movies that a user has not rated",
    responses=responses(UserNotFound, NoRelevance, InvalidRequest, DatabaseUnavailable),
)
def recommend(
    user_id: Annotated[int, Path(ge=1, le=2**31 - 1, description="The user.", examples=[1])],
    recommender: RecommenderDependency,
    n: Annotated[int, Query(ge=1, le=100, description="How many movies.")] = 10,
    offset: Annotated[int, Query(ge=0, le=2**31 - 1, description="How many of the best to leave out first.")] = 0,
    rank_by: Annotated[
        RankBy | None,
        Query(
            description="`relevance`: how likely the user picks the movie next. `rating`: the predicted stars. "
            "Left out: relevance, or rating from a model that predicts stars alone."
        ),
    ] = None,
    diversity: Annotated[
        float,
        Query(
            ge=0,
            le=1,
            description="How much it counts that the list has genres and popularity in the proportions of the user's "
            "history; 0 asks for the best movies one by one.",
        ),
    ] = DEFAULT_DIVERSITY,
    explain: Annotated[
        bool, Query(description="Whether to name the ratings that count most for each movie; takes a while longer.")
    ] = False,
) -> Recommendations:
    recommended = recommender.recommend(user_id, Wish(n, offset, rank_by, diversity, explain))
    return Recommendations(
        model=recommender.scorer.version,
        user_id=user_id,
        based_on="history" if recommended.from_history else "profile",
        rank_by=recommended.rank_by,
        recommendations=[Recommendation.of(entry) for entry in recommended.movies],
    )
