"""Routes that recommend movies and rank given ones."""

from typing import Annotated

from fastapi import APIRouter, Query

from app.api import translation
from app.api.dependencies import ServicesDependency
from app.api.error_handlers import responses
from app.api.parameters import UserId
from seqrec.errors import DatabaseUnavailable, InvalidRequest, MovieNotFound, NoRelevance, UserNotFound
from seqrec.schemas.recommendations import ListOptions, RankRequest, RecommendationRequest, Recommendations

router = APIRouter(tags=["recommendations"])


@router.get(
    "/users/{user_id}/recommendations",
    summary="Recommend movies that a user has not rated",
    responses=responses(UserNotFound, NoRelevance, InvalidRequest, DatabaseUnavailable),
)
def recommend_for_user(
    user_id: UserId, options: Annotated[ListOptions, Query()], services: ServicesDependency
) -> Recommendations:
    answer = services.recommender.recommend(user_id, translation.recommendation_options_from(options))
    return translation.recommendations(user_id, answer)


@router.post(
    "/recommendations",
    summary="Recommend movies to an anonymous user; nothing is stored",
    responses=responses(MovieNotFound, NoRelevance, InvalidRequest, DatabaseUnavailable),
)
def recommend_anonymous(request: RecommendationRequest, services: ServicesDependency) -> Recommendations:
    user = translation.user_context_from(request.profile, request.history)
    answer = services.recommender.recommend_anonymous(user, translation.recommendation_options_from(request))
    return translation.recommendations(None, answer)


@router.post(
    "/rank",
    summary="Rank given movies for a user or an anonymous user",
    responses=responses(UserNotFound, MovieNotFound, NoRelevance, InvalidRequest, DatabaseUnavailable),
)
def rank_movies(request: RankRequest, services: ServicesDependency) -> Recommendations:
    asked = request.movie_ids, request.rank_by, request.explain
    if request.user_id is not None:
        answer = services.recommender.rank(request.user_id, *asked)
    else:
        user = translation.user_context_from(request.profile, request.history)
        answer = services.recommender.rank_anonymous(user, *asked)
    return translation.recommendations(request.user_id, answer)
