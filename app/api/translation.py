"""All conversion between bodies and what the use cases take and return."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

from fastapi import Response
from pydantic import BaseModel

from app.services.catalogue import Filter
from app.services.groups import GroupList, GroupOptions, Member
from app.services.model_host import ModelState
from app.services.movies import CatalogueEntry
from app.services.popularity import PopularMovie
from app.services.ratings import TitledRating
from app.services.recommendations import (
    PredictionQuery,
    Predictions,
    RecommendationList,
    RecommendationOptions,
    Similar,
)
from app.services.users import UserRecord
from app.storage.movies import MovieRecord
from app.storage.ratings import RatingRecord, RatingStats
from model.features.users import Profile, Rated, UserContext
from model.inference.diversity import DEFAULT_DIVERSITY
from model.inference.results import GroupRecommendation, Prediction, Reason, Recommendation
from seqrec.schemas import groups as group_bodies
from seqrec.schemas import movies as movie_bodies
from seqrec.schemas import predictions as prediction_bodies
from seqrec.schemas import ratings as rating_bodies
from seqrec.schemas import recommendations as recommendation_bodies
from seqrec.schemas import users as user_bodies
from seqrec.schemas.common import HistoryRating, ProfileFields

# From bodies


def profile_from(fields: ProfileFields) -> Profile:
    return Profile(fields.gender, fields.age, fields.occupation)


def user_context_from(profile: ProfileFields | None, history: Sequence[HistoryRating] | None) -> UserContext:
    ratings = [Rated(entry.movie_id, entry.stars) for entry in history or ()]
    return UserContext(Profile() if profile is None else profile_from(profile), ratings)


def prediction_queries_from(request: prediction_bodies.PredictionRequest) -> list[PredictionQuery]:
    """The queries of a request about users of the database."""
    if request.user_id is not None:
        return [PredictionQuery(request.user_id, movie_id) for movie_id in request.movie_ids or ()]
    return [PredictionQuery(query.user_id, query.movie_id) for query in request.queries or ()]


def recommendation_options_from(options: recommendation_bodies.ListOptions) -> RecommendationOptions:
    return batch_options_from(options)._replace(explain=options.explain)


def batch_options_from(options: recommendation_bodies.ListPage) -> RecommendationOptions:
    return RecommendationOptions(
        n=options.limit,
        offset=options.offset,
        rank_by=options.rank_by,
        diversity=DEFAULT_DIVERSITY if options.diversity is None else options.diversity,
        filter=filter_from(options),
    )


def filter_from(options: recommendation_bodies.Selection) -> Filter:
    return Filter(tuple(options.genre), options.year_from, options.year_to, tuple(options.exclude))


def members_from(request: group_bodies.GroupRequest) -> list[Member]:
    return [
        user_context_from(member.profile, member.history) if member.user_id is None else member.user_id
        for member in request.members
    ]


def group_options_from(request: group_bodies.GroupRequest) -> GroupOptions:
    return GroupOptions(
        n=request.limit,
        offset=request.offset,
        strategy=request.strategy,
        seen=request.seen,
        rank_by=request.rank_by,
        explain=request.explain,
        filter=filter_from(request),
    )


def unix_seconds_from(moment: datetime | None) -> int | None:
    """A time without a zone is in UTC."""
    if moment is None:
        return None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())


# To bodies


def as_response(body: BaseModel, headers: Mapping[str, str] | None = None) -> Response:
    """An answer whose values are known to be right: written once, and not validated again."""
    return Response(body.__pydantic_serializer__.to_json(body), headers=headers, media_type="application/json")


def movie_fields(movie: MovieRecord) -> dict[str, object]:
    """The fields of a `MovieAnswer`."""
    return {
        "movie_id": movie.id,
        "title": movie.title,
        "display_title": movie.display_title,
        "year": movie.year,
        "genres": list(movie.genres),
    }


def predictions(user_ids: Iterable[int | None], answer: Predictions) -> prediction_bodies.Predictions:
    """``user_ids`` has the user of each prediction, None for an anonymous user."""
    state = answer.state
    return prediction_bodies.Predictions.model_construct(
        model=state.scorer.version,
        predictions=[
            predicted_stars(user_id, prediction, state)
            for user_id, prediction in zip(user_ids, answer.predictions, strict=True)
        ],
    )


def predicted_stars(user_id: int | None, prediction: Prediction, state: ModelState) -> prediction_bodies.PredictedStars:
    movie, probabilities = state.catalogue.movies[prediction.movie_id], None
    if prediction.probabilities is not None:
        steps = (f"{stars:g}" for stars in state.scorer.rating_scale)
        probabilities = dict(zip(steps, prediction.probabilities, strict=True))
    return prediction_bodies.PredictedStars.model_construct(
        user_id=user_id,
        movie_id=prediction.movie_id,
        title=movie.title,
        display_title=movie.display_title,
        predicted_stars=prediction.stars,
        probabilities=probabilities,
        own_stars=prediction.own_stars,
        in_model=prediction.movie_id in state.scorer.trained_ids,
    )


def recommendations(user_id: int | None, answer: RecommendationList) -> recommendation_bodies.Recommendations:
    return recommendation_bodies.Recommendations.model_construct(
        model=answer.state.scorer.version,
        user_id=user_id,
        based_on=answer.user.based_on,
        rank_by=answer.rank_by,
        recommendations=[recommendation(entry, answer) for entry in answer.recommendations],
    )


def batch_recommendations(
    user_ids: Sequence[int], answers: Sequence[RecommendationList]
) -> recommendation_bodies.BatchRecommendations:
    lists = [recommendations(user_id, answer) for user_id, answer in zip(user_ids, answers, strict=True)]
    return recommendation_bodies.BatchRecommendations(model=lists[0].model, lists=lists)


def recommendation(entry: Recommendation, answer: RecommendationList) -> recommendation_bodies.Recommendation:
    state = answer.state
    record = state.catalogue.movies[entry.movie_id]
    return recommendation_bodies.Recommendation.model_construct(
        movie_id=record.id,
        title=record.title,
        display_title=record.display_title,
        year=record.year,
        genres=list(record.genres),
        predicted_stars=entry.stars,
        like_probability=entry.like_probability,
        relevance=entry.relevance,
        source=answer.source,
        in_model=entry.movie_id in state.scorer.trained_ids,
        reasons=None if entry.reasons is None else _reasons(entry.reasons, state),
    )


def group_recommendations(request: group_bodies.GroupRequest, answer: GroupList) -> group_bodies.GroupRecommendations:
    return group_bodies.GroupRecommendations.model_construct(
        model=answer.state.scorer.version,
        strategy=answer.strategy,
        rank_by=answer.rank_by,
        members=[
            group_bodies.KnownMember.model_construct(user_id=member.user_id, based_on=context.based_on)
            for member, context in zip(request.members, answer.members, strict=True)
        ],
        recommendations=[group_recommendation(entry, answer) for entry in answer.recommendations],
    )


def group_recommendation(entry: GroupRecommendation, answer: GroupList) -> group_bodies.GroupRecommendation:
    state = answer.state
    record = state.catalogue.movies[entry.movie_id]
    return group_bodies.GroupRecommendation.model_construct(
        movie_id=record.id,
        title=record.title,
        display_title=record.display_title,
        year=record.year,
        genres=list(record.genres),
        in_model=entry.movie_id in state.scorer.trained_ids,
        chosen_by=entry.chosen_by,
        members=[
            group_bodies.Opinion.model_construct(
                predicted_stars=own.stars,
                like_probability=own.like_probability,
                relevance=own.relevance,
                own_stars=context.stars.get(entry.movie_id),
                reasons=None if own.reasons is None else _reasons(own.reasons, state),
            )
            for own, context in zip(entry.members, answer.members, strict=True)
        ],
    )


def _reasons(reasons: Sequence[Reason], state: ModelState) -> list[recommendation_bodies.Reason]:
    """Leaves out movies of the history that have left the catalogue."""
    movies = state.catalogue.movies
    return [
        recommendation_bodies.Reason.model_construct(
            movie_id=reason.movie_id,
            title=movies[reason.movie_id].title,
            display_title=movies[reason.movie_id].display_title,
            stars=reason.stars,
            contribution=reason.contribution,
        )
        for reason in reasons
        if reason.movie_id in movies
    ]


def similar_movies(movie_id: int, answer: Similar) -> movie_bodies.SimilarMovies:
    movies = answer.state.catalogue.movies
    return movie_bodies.SimilarMovies(
        model=answer.state.scorer.version,
        movie_id=movie_id,
        similar=[
            movie_bodies.SimilarMovie.model_validate({**movie_fields(movies[other]), "similarity": cosine})
            for other, cosine in answer.nearest
        ],
    )


def similar_users(user_id: int, answer: Similar) -> user_bodies.SimilarUsers:
    return user_bodies.SimilarUsers(
        model=answer.state.scorer.version,
        user_id=user_id,
        similar=[user_bodies.SimilarUser(user_id=other, similarity=cosine) for other, cosine in answer.nearest],
    )


def popular_movie(popular: PopularMovie) -> movie_bodies.PopularMovie:
    stats = popular.rating_stats
    return movie_bodies.PopularMovie.model_validate(
        {
            **movie_fields(popular.movie),
            "weighted_rating": round(popular.weighted_rating, 4),
            "ratings": stats.ratings,
            "mean_stars": round(stats.mean_stars or 0, 4),
        }
    )


def movie(entry: CatalogueEntry) -> movie_bodies.Movie:
    return movie_bodies.Movie.model_validate(_entry_fields(entry))


def movie_details(entry: CatalogueEntry, stats: RatingStats) -> movie_bodies.MovieDetails:
    mean_stars = None if stats.mean_stars is None else round(stats.mean_stars, 4)
    return movie_bodies.MovieDetails.model_validate(
        {**_entry_fields(entry), "ratings": stats.ratings, "mean_stars": mean_stars}
    )


def _entry_fields(entry: CatalogueEntry) -> dict[str, object]:
    return {**movie_fields(entry.movie), "hidden": entry.movie.hidden, "in_model": entry.in_model}


def user(record: UserRecord) -> user_bodies.User:
    profile = record.profile
    return user_bodies.User(
        user_id=record.id,
        gender=profile.gender,
        age=profile.age,
        occupation=profile.occupation,
        ratings=record.ratings,
    )


def rating(record: RatingRecord) -> rating_bodies.Rating:
    # Not validated: an export converts millions of rows, which the database has checked.
    return rating_bodies.Rating.model_construct(**record._asdict())


def rated_movie(entry: TitledRating) -> rating_bodies.RatedMovie:
    return rating_bodies.RatedMovie.model_validate(
        {**movie_fields(entry.movie), "stars": entry.rating.stars, "rated_at": entry.rating.rated_at}
    )
