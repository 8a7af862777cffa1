"""Between bodies and what the use cases take and give."""

from app.services.answers import Prediction, RecommendedMovie, UserContext
from app.storage.movies import MovieRecord
from model.features.users import Profile, Rated
from seqrec.schemas.common import AnonymousUser, ProfileFields
from seqrec.schemas.predictions import PredictedStars
from seqrec.schemas.recommendations import Reason, Recommendation


def profile_of(fields: ProfileFields) -> Profile:
    return Profile(fields.gender, fields.age, fields.occupation)


def user_context_of(user: AnonymousUser) -> UserContext:
    history = [Rated(entry.movie_id, entry.stars) for entry in user.history]
    return UserContext(profile_of(user.profile), history)


def movie_fields(movie: MovieRecord) -> dict[str, object]:
    """The fields of a `MovieAnswer`."""
    return {"movie_id": movie.id, "title": movie.title, "year": movie.year, "genres": list(movie.genres)}


def predicted_stars(prediction: Prediction) -> PredictedStars:
    probabilities = prediction.probabilities
    return PredictedStars(
        user_id=prediction.user_id,
        movie_id=prediction.movie.id,
        title=prediction.movie.title,
        predicted_stars=prediction.stars,
        probabilities=None
        if probabilities is None
        else {f"{stars:g}": probability for stars, probability in probabilities.items()},
        own_stars=prediction.own_stars,
        in_model=prediction.in_model,
    )


def recommendation(entry: RecommendedMovie) -> Recommendation:
    reasons = None
    if entry.reasons is not None:
        reasons = [
            Reason(movie_id=reason.movie.id, title=reason.movie.title, contribution=reason.contribution)
            for reason in entry.reasons
        ]
    return Recommendation(
        **movie_fields(entry.movie),
        predicted_stars=entry.stars,
        relevance=entry.relevance,
        source=entry.source,
        in_model=entry.in_model,
        reasons=reasons,
    )
