"""Between bodies and what the use cases take and give."""

from app.services.answers import UserContext
from app.storage.movies import MovieRecord
from model.features.users import Profile, Rated
from seqrec.schemas.common import AnonymousUser, ProfileFields


def profile_of(fields: ProfileFields) -> Profile:
    return Profile(fields.gender, fields.age, fields.occupation)


def user_context_of(someone: AnonymousUser) -> UserContext:
    history = [Rated(entry.movie_id, entry.stars) for entry in someone.history]
    return UserContext(profile_of(someone.profile), history)


def movie_fields(movie: MovieRecord) -> dict[str, object]:
    """The fields of a `MovieAnswer`."""
    return {"movie_id": movie.id, "title": movie.title, "year": movie.year, "genres": list(movie.genres)}
