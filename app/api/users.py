"""Routes that create, read, change and delete users."""

from fastapi import APIRouter

from app.api import translation
from app.api.dependencies import ServicesDependency
from app.api.error_handlers import BODY_ERRORS, responses
from app.api.parameters import Nearest, UserId
from app.edge.keys import with_key
from app.edge.routes import Route
from app.services.scoring import in_scoring_thread
from seqrec.errors import (
    Conflict,
    DatabaseUnavailable,
    InvalidRequest,
    StorageFull,
    UserExists,
    UserNotFound,
)
from seqrec.schemas.users import NewUser, ProfileChange, SimilarUsers, User

router = APIRouter(tags=["users"], route_class=Route, dependencies=[with_key])
routers = (router,)


@router.post(
    "/users",
    status_code=201,
    summary="Add a user",
    responses=responses(UserExists, Conflict, *BODY_ERRORS, DatabaseUnavailable, StorageFull),
)
def create_user(request: NewUser, services: ServicesDependency) -> User:
    return translation.user(services.users.add(request.user_id, translation.profile_from(request)))


@router.get(
    "/users/{user_id}", summary="A user", responses=responses(UserNotFound, InvalidRequest, DatabaseUnavailable)
)
def get_user(user_id: UserId, services: ServicesDependency) -> User:
    return translation.user(services.users.get(user_id))


@router.patch(
    "/users/{user_id}",
    summary="Change a user's profile",
    responses=responses(UserNotFound, *BODY_ERRORS, DatabaseUnavailable, StorageFull),
)
def update_user(user_id: UserId, request: ProfileChange, services: ServicesDependency) -> User:
    return translation.user(services.users.change(user_id, request.model_dump(exclude_unset=True)))


@router.delete(
    "/users/{user_id}",
    status_code=204,
    summary="Delete a user with all ratings; deleting again does nothing",
    responses=responses(InvalidRequest, DatabaseUnavailable, StorageFull),
)
def delete_user(user_id: UserId, services: ServicesDependency) -> None:
    services.users.remove(user_id)


@router.get(
    "/users/{user_id}/similar",
    summary="Users that the model represents similarly",
    description="Among the 100 users who share the most of this user's latest 50 movies. Everyone's "
    "newest ratings count.",
    responses=responses(UserNotFound, InvalidRequest, DatabaseUnavailable),
)
async def list_similar_users(
    user_id: UserId,
    services: ServicesDependency,
    n: Nearest = 10,
) -> SimilarUsers:
    similar = await in_scoring_thread(services.recommender.similar_users, user_id, n)
    return translation.similar_users(user_id, similar)
