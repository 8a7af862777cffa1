"""Routes that predict stars."""

from fastapi import APIRouter

from app.api import translation
from app.api.dependencies import ServicesDependency
from app.api.error_handlers import responses
from seqrec.errors import DatabaseUnavailable, InvalidRequest, MovieNotFound, UserNotFound
from seqrec.schemas.predictions import PredictionRequest, Predictions

router = APIRouter(tags=["predictions"])


@router.post(
    "/predict",
    summary="Predict the stars that users would give movies",
    responses=responses(UserNotFound, MovieNotFound, InvalidRequest, DatabaseUnavailable),
)
def predict_ratings(request: PredictionRequest, services: ServicesDependency) -> Predictions:
    if request.user_id is None and request.queries is None:
        user, movie_ids = translation.user_context_from(request.profile, request.history), request.movie_ids or []
        answer = services.recommender.predict_anonymous(user, movie_ids)
        return translation.predictions([None] * len(movie_ids), answer)
    queries = translation.prediction_queries_from(request)
    return translation.predictions([query.user_id for query in queries], services.recommender.predict(queries))
