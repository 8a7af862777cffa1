"""Between bodies and what the use cases take and give."""

from app.services.answers import Reader
from app.storage.movies import MovieRecord
from model.features.users import Profile, Rated
from seqrec.schemas.common import ProfileFields, Someone


def profile_of(fields: ProfileFields) -> Profile:
    return Profile(fields.gender, fields.age, fields.occupation)


def reader_of(someone: Someone) -> Reader:
    history = [Rated(entry.movie_id, entry.stars) for entry in someone.history]
    return Reader(profile_of(someone.profile), history)


def movie_fields(movie: MovieRecord) -> dict[str, object]:
    """The fields of a `MovieAnswer`."""
    return {"movie_id": movie.id, "title": movie.title, "year": movie.year, "genres": list(movie.genres)}
