from typing import Annotated

from fastapi import APIRouter, Query

from app.api.dependencies import ServicesDependency
from app.api.error_handlers import responses
from app.api.parameters import UserId
from app.api.translation import recommendation, user_context_of
from app.services.answers import RecommendationOptions, Recommended
from app.services.catalogue import Filter
from model.inference.diversity import DEFAULT_DIVERSITY
from seqrec.errors import DatabaseUnavailable, InvalidRequest, MovieNotFound, NoRelevance, UserNotFound
from seqrec.schemas.recommendations import (
    ListOptions,
    RankRequest,
    RecommendationRequest,
    Recommendations,
)

router = APIRouter(tags=["recommendations"])


@router.get(
    "/users/{user_id}/recommendations",
    summary="Recommend movies that a user has not rated",
    responses=responses(UserNotFound, NoRelevance, InvalidRequest, DatabaseUnavailable),
)
def recommend_for_user(
    user_id: UserId, options: Annotated[ListOptions, Query()], services: ServicesDependency
) -> Recommendations:
    return _answer(user_id, services.recommender.recommend(user_id, _wish(options)))


@router.post(
    "/recommendations",
    summary="Recommend movies to an anonymous user; nothing is stored",
    responses=responses(MovieNotFound, NoRelevance, InvalidRequest, DatabaseUnavailable),
)
def recommend_anonymous(request: RecommendationRequest, services: ServicesDependency) -> Recommendations:
    return _answer(None, services.recommender.recommend_anonymous(user_context_of(request), _wish(request)))


@router.post(
    "/rank",
    summary="Rank given movies, for a user or for an anonymous user",
    responses=responses(UserNotFound, MovieNotFound, NoRelevance, InvalidRequest, DatabaseUnavailable),
)
def rank_movies(request: RankRequest, services: ServicesDependency) -> Recommendations:
    ranked = services.recommender.rank(
        request.user_id, user_context_of(request), request.movie_ids, request.rank_by, request.explain
    )
    return _answer(request.user_id, ranked)


def _wish(options: ListOptions) -> RecommendationOptions:
    return RecommendationOptions(
        n=options.n,
        offset=options.offset,
        rank_by=options.rank_by,
        diversity=DEFAULT_DIVERSITY if options.diversity is None else options.diversity,
        explain=options.explain,
        filter=Filter(options.genre, options.year_from, options.year_to, options.exclude),
    )


def _answer(user_id: int | None, recommended: Recommended) -> Recommendations:
    return Recommendations(
        model=recommended.model,
        user_id=user_id,
        based_on=recommended.based_on,
        rank_by=recommended.rank_by,
        recommendations=[recommendation(entry) for entry in recommended.movies],
    )
