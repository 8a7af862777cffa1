"""Routes that predict stars."""

from collections.abc import Sequence

from fastapi import APIRouter, Request, Response

from app.api import headers, translation
from app.api.dependencies import services_of
from app.api.error_handlers import BODY_ERRORS, responses
from app.api.named_ids import own_ids
from app.edge.keys import with_key
from app.edge.routes import Route
from app.services import recommendations
from app.services.scoring import in_scoring_thread
from seqrec.errors import DatabaseUnavailable, MovieNotFound, NoStars, UserNotFound
from seqrec.schemas.predictions import PredictionRequest, Predictions

router = APIRouter(tags=["predictions"], route_class=Route, dependencies=[with_key])
routers = (router,)


@router.post(
    "/predict",
    summary="Predict the stars that users would give movies",
    description="One user and some movies, an anonymous user and some movies, or pairs of user and movie; the answer "
    "has their order. A movie that the user has rated is predicted without that rating.",
    response_model=Predictions,
    responses=responses(UserNotFound, MovieNotFound, NoStars, *BODY_ERRORS, DatabaseUnavailable),
)
async def predict_ratings(request: PredictionRequest, http: Request) -> Response:
    services = services_of(http)
    ids = await own_ids(request, services)
    if request.user_id is None and request.queries is None:
        user = translation.user_context_from(request.profile, request.history, ids)
        movie_ids = ids.of_movies(request.movie_ids or ())
        anonymous = await in_scoring_thread(services.recommender.predict_anonymous, user, movie_ids)
        return _response([None] * len(movie_ids), anonymous)
    queries = translation.prediction_queries_from(request, ids)
    answer = await services.async_recommender.predict(queries)
    return _response([query.user_id for query in queries], answer)


def _response(user_ids: Sequence[int | None], answer: recommendations.Predictions) -> Response:
    return translation.as_response(translation.predictions(user_ids, answer), headers.answered_by(answer.states[0]))
