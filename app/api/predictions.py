from fastapi import APIRouter

from app.api.dependencies import ServicesDependency
from app.api.error_handlers import responses
from app.api.translation import predicted_stars, user_context_of
from app.services.answers import Query
from seqrec.errors import DatabaseUnavailable, InvalidRequest, MovieNotFound, UserNotFound
from seqrec.schemas.common import AnonymousUser
from seqrec.schemas.predictions import PredictionRequest, Predictions

router = APIRouter(tags=["predictions"])


@router.post(
    "/predict",
    summary="Predict the stars that users would give movies",
    responses=responses(UserNotFound, MovieNotFound, InvalidRequest, DatabaseUnavailable),
)
def predict_ratings(request: PredictionRequest, services: ServicesDependency) -> Predictions:
    if request.user_id is None and request.queries is None:
        anonymous = AnonymousUser.model_validate(request.model_dump(include={"profile", "history"}, exclude_none=True))
        version, predictions = services.recommender.predict_anonymous(
            user_context_of(anonymous), request.movie_ids or []
        )
    else:
        version, predictions = services.recommender.predict(_pairs(request))
    return Predictions(model=version, predictions=[predicted_stars(prediction) for prediction in predictions])


def _pairs(request: PredictionRequest) -> list[Query]:
    if request.user_id is not None:
        return [Query(request.user_id, movie_id) for movie_id in request.movie_ids or []]
    return [Query(query.user_id, query.movie_id) for query in request.queries or []]
