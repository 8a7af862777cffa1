"""Routes that recommend to several people together."""

from fastapi import APIRouter, Response

from app.api import translation
from app.api.dependencies import ServicesDependency
from app.api.error_handlers import BODY_ERRORS, responses
from app.api.named_ids import own_ids
from app.edge.keys import with_key
from app.edge.routes import Route
from app.services.scoring import in_scoring_thread
from seqrec.errors import DatabaseUnavailable, MovieNotFound, NoRelevance, NoStars, UserNotFound
from seqrec.schemas.groups import GroupRecommendations, GroupRequest

router = APIRouter(tags=["recommendations"], route_class=Route, dependencies=[with_key])
routers = (router,)


@router.post(
    "/groups/recommendations",
    summary="Recommend movies to people who watch together; nothing is stored",
    description="One list for 2 to 10 members, best first, with what each movie is for each of them. A member is a "
    "user, or an anonymous user by profile and history. A rating that is written before the request counts.",
    response_model=GroupRecommendations,
    responses=responses(UserNotFound, MovieNotFound, NoRelevance, NoStars, *BODY_ERRORS, DatabaseUnavailable),
)
async def recommend_to_group(request: GroupRequest, services: ServicesDependency) -> Response:
    ids = await own_ids(request, services)
    members, options = translation.members_from(request, ids), translation.group_options_from(request, ids)
    answer = await in_scoring_thread(services.groups.recommend, members, options)
    return translation.as_response(translation.group_recommendations(answer))
