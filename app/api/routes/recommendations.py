"""Routes that recommend movies and rank given ones."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from app.api import headers, translation
from app.api.dependencies import ServicesDependency, services_of
from app.api.error_handlers import BODY_ERRORS, responses
from app.api.named_ids import own_ids
from app.api.parameters import UserId
from app.api.queries import Query
from app.edge.keys import with_key
from app.edge.routes import BulkRoute, Route
from app.services.recommendations import asks_for_popular
from app.services.scoring import in_bulk_thread, in_scoring_thread
from seqrec.errors import DatabaseUnavailable, InvalidRequest, MovieNotFound, NoRelevance, NoStars, UserNotFound
from seqrec.schemas.recommendations import (
    BatchRecommendations,
    BatchRequest,
    RankRequest,
    RecommendationRequest,
    Recommendations,
    UserListOptions,
)

router = APIRouter(tags=["recommendations"], route_class=Route, dependencies=[with_key])
bulk = APIRouter(tags=["recommendations"], route_class=BulkRoute, dependencies=[with_key])
routers = (router, bulk)

list_query = Query(UserListOptions)


@router.get(
    "/users/{user_id}/recommendations",
    summary="Recommend movies that a user has not rated",
    description="Best first. A rating that is written before the request counts. Of a user without ratings and profile "
    "nothing is known: the list is then of popular movies, and has no `ETag`.",
    response_model=Recommendations,
    responses=headers.described(200, "ETag", "Link", "Deprecation", "X-Recommendation-ID")
    | responses(UserNotFound, NoRelevance, NoStars, InvalidRequest, DatabaseUnavailable),
    openapi_extra={"parameters": list_query.parameters()},
)
async def recommend_for_user(
    user_id: UserId, options: Annotated[UserListOptions, Depends(list_query)], request: Request
) -> Response:
    services = services_of(request)
    recommender, ids = services.async_recommender, await own_ids(options, services)
    chosen = translation.user_options_from(options, ids)
    user = await recommender.read_user(user_id, explain=chosen.explain)
    # What is popular depends on everyone: no revision says whether it is still right.
    context = user.user.context
    popular = asks_for_popular(context, chosen)
    meanings = services.recommender.contexts.fingerprint
    tag = None if popular else headers.state_tag(user.state, user_id, user.revision, context.changes_at, meanings)
    if tag is not None and headers.is_known(request, tag):
        return headers.not_modified(tag, headers.answered_by(user.state))
    answer = await recommender.recommend(user, chosen)
    told = headers.next_entries(request, chosen.offset, chosen.n, len(answer.recommendations))
    told |= (
        headers.answered_by(answer.state)
        | headers.deprecation(options)
        | headers.recommendation_id(answer)
        | ({} if tag is None else {"ETag": tag})
    )
    return translation.as_response(translation.recommendations(user_id, answer), told)


@router.post(
    "/recommendations",
    summary="Recommend movies to an anonymous user; nothing is stored",
    description="Profile and history come with the request, the oldest rating first; each movie may be there once.",
    response_model=Recommendations,
    responses=headers.described(200, "Deprecation")
    | responses(MovieNotFound, NoRelevance, NoStars, *BODY_ERRORS, DatabaseUnavailable),
)
async def recommend_anonymous(request: RecommendationRequest, services: ServicesDependency) -> Response:
    ids = await own_ids(request, services)
    user = translation.user_context_from(request.profile, request.history, ids)
    options = translation.recommendation_options_from(request, ids)
    answer = await in_scoring_thread(services.recommender.recommend_anonymous, user, options)
    told = headers.answered_by(answer.state) | headers.deprecation(request)
    return translation.as_response(translation.recommendations(None, answer), told)


@bulk.post(
    "/recommendations/batch",
    summary="Recommend movies to many users at once",
    description="A list for each user, in the order asked, all with the same options and without reasons. It may take "
    "longer than other requests.",
    responses=headers.described(200, "Deprecation")
    | responses(UserNotFound, NoRelevance, NoStars, *BODY_ERRORS, DatabaseUnavailable),
)
async def recommend_for_users(
    request: BatchRequest, response: Response, services: ServicesDependency
) -> BatchRecommendations:
    response.headers.update(headers.deprecation(request))
    ids = await own_ids(request, services)
    user_ids, options = ids.of_users(request.user_ids), translation.batch_options_from(request, ids)
    answers = await in_bulk_thread(services.recommender.recommend_many, user_ids, options)
    response.headers.update(headers.answered_by(answers[0].state))
    return translation.batch_recommendations(user_ids, answers)


@router.post(
    "/rank",
    summary="Rank given movies for a user or an anonymous user",
    description="All of them, best first, also hidden movies and those that the user has rated. Give `user_id`, or the "
    "profile and history of an anonymous user.",
    response_model=Recommendations,
    responses=headers.described(200, "X-Recommendation-ID")
    | responses(UserNotFound, MovieNotFound, NoRelevance, NoStars, *BODY_ERRORS, DatabaseUnavailable),
)
async def rank_movies(request: RankRequest, services: ServicesDependency) -> Response:
    ids = await own_ids(request, services)
    recommender, movie_ids = services.recommender, ids.of_movies(request.movie_ids)
    if request.user_id is None:
        user = translation.user_context_from(request.profile, request.history, ids)
        anonymous = await in_scoring_thread(
            recommender.rank_anonymous, user, movie_ids, request.rank_by, request.explain
        )
        told = headers.answered_by(anonymous.state)
        return translation.as_response(translation.recommendations(None, anonymous), told)
    (user_id,) = ids.of_users([request.user_id])
    answer = await in_scoring_thread(recommender.rank, user_id, movie_ids, request.rank_by, request.explain)
    told = headers.answered_by(answer.state) | headers.recommendation_id(answer)
    return translation.as_response(translation.recommendations(user_id, answer), told)
