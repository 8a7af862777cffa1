"""Routes that recommend movies and rank given ones."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from app.api import translation
from app.api.dependencies import ServicesDependency
from app.api.error_handlers import BODY_ERRORS, responses
from app.api.parameters import UserId
from app.edge.keys import with_key
from app.edge.routes import BulkRoute, Route
from app.services.scoring import in_bulk_thread, in_scoring_thread
from seqrec.errors import DatabaseUnavailable, InvalidRequest, MovieNotFound, NoRelevance, UserNotFound
from seqrec.schemas.recommendations import (
    BatchRecommendations,
    BatchRequest,
    ListOptions,
    RankRequest,
    RecommendationRequest,
    Recommendations,
)

router = APIRouter(tags=["recommendations"], route_class=Route, dependencies=[with_key])
bulk = APIRouter(tags=["recommendations"], route_class=BulkRoute, dependencies=[with_key])
routers = (router, bulk)


@router.get(
    "/users/{user_id}/recommendations",
    summary="Recommend movies that a user has not rated",
    response_model=Recommendations,
    responses=responses(UserNotFound, NoRelevance, InvalidRequest, DatabaseUnavailable),
)
async def recommend_for_user(
    user_id: UserId, options: Annotated[ListOptions, Query()], services: ServicesDependency
) -> Response:
    recommender, chosen = services.recommender, translation.recommendation_options_from(options)
    answer = recommender.recommend_now(user_id, chosen)
    if answer is None:
        user = await services.users_to_read.get(user_id)
        if user is None:
            raise UserNotFound([user_id])
        answer = await in_scoring_thread(recommender.recommend_known, user, chosen)
    return translation.as_response(translation.recommendations(user_id, answer))


@router.post(
    "/recommendations",
    summary="Recommend movies to an anonymous user; nothing is stored",
    response_model=Recommendations,
    responses=responses(MovieNotFound, NoRelevance, *BODY_ERRORS, DatabaseUnavailable),
)
async def recommend_anonymous(request: RecommendationRequest, services: ServicesDependency) -> Response:
    user = translation.user_context_from(request.profile, request.history)
    options = translation.recommendation_options_from(request)
    answer = await in_scoring_thread(services.recommender.recommend_anonymous, user, options)
    return translation.as_response(translation.recommendations(None, answer))


@bulk.post(
    "/recommendations/batch",
    summary="Recommend movies to many users at once",
    responses=responses(UserNotFound, NoRelevance, *BODY_ERRORS, DatabaseUnavailable),
)
async def recommend_for_users(request: BatchRequest, services: ServicesDependency) -> BatchRecommendations:
    options = translation.batch_options_from(request)
    answers = await in_bulk_thread(services.recommender.recommend_many, request.user_ids, options)
    return translation.batch_recommendations(request.user_ids, answers)


@router.post(
    "/rank",
    summary="Rank given movies for a user or an anonymous user",
    response_model=Recommendations,
    responses=responses(UserNotFound, MovieNotFound, NoRelevance, *BODY_ERRORS, DatabaseUnavailable),
)
async def rank_movies(request: RankRequest, services: ServicesDependency) -> Response:
    asked = request.movie_ids, request.rank_by, request.explain
    if request.user_id is not None:
        answer = await in_scoring_thread(services.recommender.rank, request.user_id, *asked)
    else:
        user = translation.user_context_from(request.profile, request.history)
        answer = await in_scoring_thread(services.recommender.rank_anonymous, user, *asked)
    return translation.as_response(translation.recommendations(request.user_id, answer))
