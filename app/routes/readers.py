"""From what a request says of someone to what the use cases take."""

from app.schemas.common import ProfileFields
from app.schemas.common import Reader as Someone
from app.services.recommender import Reader
from model.features import Profile, Rated


def profile_of(fields: ProfileFields) -> Profile:
    return Profile(fields.gender, fields.age, fields.occupation)


def reader_of(someone: Someone) -> Reader:
    history = [Rated(entry.movie_id, entry.stars) for entry in someone.history]
    return Reader(profile_of(someone.profile), history)
