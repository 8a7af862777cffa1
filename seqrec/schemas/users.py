"""Users and their profiles."""

from typing import Annotated

from pydantic import BaseModel, Field

from seqrec.limits import LARGEST_ID
from seqrec.schemas.common import ExternalId, Number, OwnId, ProfileFields, UserExternalId


class NewUser(ProfileFields):
    """A new user."""

    user_id: Annotated[OwnId, Field(ge=1, le=LARGEST_ID), Number] | None = Field(
        default=None, description="Left out: one greater than every other.", examples=[6041]
    )
    external_id: ExternalId | None = Field(default=None, examples=["ann@example.org"])


class ProfileChange(ProfileFields):
    """New values of a profile's fields. Those left out stay, null makes one unknown."""

    external_id: ExternalId | None = Field(
        default=None, description="Null takes it away.", examples=["ann@example.org"]
    )


class User(BaseModel):
    """A user."""

    user_id: OwnId = Field(examples=[1])
    external_id: UserExternalId = None
    gender: str | None = Field(description="F or M; null if not known.", examples=["F"])
    age: int | None = Field(description="In years; null if not known.", examples=[25])
    occupation: int | None = Field(description="MovieLens' code; null if not known.", examples=[12])
    ratings: int = Field(description="How many movies the user has rated.", examples=[53])


class Users(BaseModel):
    """A page of all users, by id."""

    users: list[User]
    next_cursor: str | None = Field(description="For the next page; null on the last one.", examples=["WzUwLDBd"])


class SimilarUser(BaseModel):
    """Another user with a similar representation in the model."""

    user_id: OwnId = Field(examples=[2])
    external_id: UserExternalId = None
    similarity: float = Field(description="Cosine, 1 for the same direction.", examples=[0.91])


class SimilarUsers(BaseModel):
    """The most similar users, most similar first."""

    model: str = Field(description="Version of the model that answered.", examples=["20261123T220000Z-seqrec"])
    user_id: OwnId = Field(examples=[1])
    user_external_id: UserExternalId = None
    similar: list[SimilarUser]
