from typing import Annotated

from fastapi import APIRouter, Path, Query

from app.dependencies import RecommenderDependency
from app.errors import DatabaseUnavailable, InvalidRequest, UserNotFound, responses
from app.schemas import Recommendation, Recommendations

router = APIRouter(tags=["recommendations"])


@router.get(
    "/users/{user_id}/recommendations",
    summary="Recommend movies that a user has not rated",
    responses=responses(UserNotFound, InvalidRequest, DatabaseUnavailable),
)
def recommend(
    user_id: Annotated[int, Path(ge=1, le=2**31 - 1, description="The user.", examples=[1])],
    recommender: RecommenderDependency,
    n: Annotated[int, Query(ge=1, le=100, description="How many movies.")] = 10,
    offset: Annotated[int, Query(ge=0, le=2**31 - 1, description="How many of the best to leave out first.")] = 0,
) -> Recommendations:
    recommended = recommender.recommend(user_id, n, offset)
    return Recommendations(
        model=recommender.scorer.version,
        user_id=user_id,
        based_on="history" if recommended.from_history else "profile",
        recommendations=[Recommendation.of(entry) for entry in recommended.movies],
    )
