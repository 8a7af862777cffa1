from fastapi import APIRouter

from app.dependencies import RecommenderDependency
from app.errors import DatabaseUnavailable, InvalidRequest, MovieNotFound, UserNotFound, responses
from app.schemas import PredictedStars, PredictionRequest, Predictions

router = APIRouter(tags=["predictions"])


@router.post(
    "/predict",
    summary="Predict the stars that users would give movies",
    responses=responses(UserNotFound, MovieNotFound, InvalidRequest, DatabaseUnavailable),
)
def predict(request: PredictionRequest, recommender: RecommenderDependency) -> Predictions:
    predictions, levels = recommender.predict(request.pairs()), recommender.scorer.star_levels
    return Predictions(
        model=recommender.scorer.version,
        predictions=[PredictedStars.of(prediction, levels) for prediction in predictions],
    )
