"""Routes that create, read, change and delete users."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from app.api import headers, translation
from app.api.dependencies import ServicesDependency
from app.api.error_handlers import BODY_ERRORS, responses
from app.api.parameters import Cursor, KnownUserId, UserId
from app.edge.keys import with_key
from app.edge.routes import Route
from app.services.scoring import in_similar_users_thread
from seqrec.errors import Conflict, DatabaseUnavailable, InvalidRequest, StorageFull, UserExists, UserNotFound
from seqrec.schemas.common import SizeSearch
from seqrec.schemas.users import NewUser, ProfileChange, SimilarUsers, User, Users

router = APIRouter(tags=["users"], route_class=Route, dependencies=[with_key])
routers = (router,)


@router.post(
    "/users",
    status_code=201,
    summary="Add a user",
    description="Any field may be left out; without `user_id` the service chooses a free one. `external_id` is the "
    "user's id in another system, and names the user wherever `user_id` does.",
    responses=headers.described(201, "Location")
    | responses(UserExists, Conflict, *BODY_ERRORS, DatabaseUnavailable, StorageFull),
)
def create_user(new: NewUser, request: Request, response: Response, services: ServicesDependency) -> User:
    added = translation.user(services.users.add(new.user_id, translation.profile_from(new), new.external_id))
    response.headers.update(headers.location(request, added.user_id))
    return added


@router.get(
    "/users",
    summary="All users",
    description="In pages, by id: `next_cursor`, and the header `Link`, lead to the next one.",
    responses=headers.described(200, "Link") | responses(InvalidRequest, DatabaseUnavailable),
)
def list_users(
    request: Request,
    response: Response,
    services: ServicesDependency,
    limit: Annotated[int, Query(ge=1, le=1000, description="Users on a page.")] = 50,
    cursor: Cursor = None,
) -> Users:
    page, next_cursor = services.users.page(limit, cursor)
    response.headers.update(headers.next_page(request, next_cursor))
    return Users(users=[translation.user(record) for record in page], next_cursor=next_cursor)


@router.get(
    "/users/{user_id}",
    summary="A user",
    description="The profile, and how many movies the user has rated.",
    responses=responses(UserNotFound, InvalidRequest, DatabaseUnavailable),
)
def get_user(user_id: UserId, services: ServicesDependency) -> User:
    return translation.user(services.users.get(user_id))


@router.patch(
    "/users/{user_id}",
    summary="Change a user's profile or external id",
    description="Fields that are left out stay; null makes one unknown. It counts in the very next answer.",
    responses=responses(UserNotFound, UserExists, Conflict, *BODY_ERRORS, DatabaseUnavailable, StorageFull),
)
def update_user(user_id: UserId, request: ProfileChange, services: ServicesDependency) -> User:
    return translation.user(services.users.change(user_id, request.model_dump(exclude_unset=True)))


@router.delete(
    "/users/{user_id}",
    status_code=204,
    summary="Delete a user with all ratings; deleting again does nothing",
    description="Nothing of the user stays in the database. Models that were trained before are not changed.",
    responses=responses(InvalidRequest, DatabaseUnavailable, StorageFull),
)
def delete_user(user_id: KnownUserId, services: ServicesDependency) -> None:
    if user_id is not None:
        services.users.remove(user_id)


@router.get(
    "/users/{user_id}/similar",
    summary="Users that the model represents similarly",
    description="Among the 100 users who share the most of this user's latest 50 movies. Everyone's "
    "newest ratings count.",
    responses=headers.described(200, "Deprecation") | responses(UserNotFound, InvalidRequest, DatabaseUnavailable),
)
async def list_similar_users(
    user_id: UserId, response: Response, services: ServicesDependency, wanted: Annotated[SizeSearch, Query()]
) -> SimilarUsers:
    similar = await in_similar_users_thread(services.similar_users.find, user_id, wanted.limit)
    response.headers.update(headers.answered_by(similar.state) | headers.deprecation(wanted))
    return translation.similar_users(user_id, similar)
