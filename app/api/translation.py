"""Bodies from and to what the use cases take and return.

Models are in `app.api.models`, online measures in `app.api.online`.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from fastapi import Response
from pydantic import BaseModel

from app.services.catalogue.catalogue import Filter
from app.services.feedback.events import ListedMovie, NamedEvent, Written
from app.services.groups import GroupList, GroupOptions, Member
from app.services.ids import OwnIds
from app.services.model_host import ModelState
from app.services.movies import CatalogueEntry, NearestMovies
from app.services.popularity import PopularMovie
from app.services.rating_import.formats import RatedTitle
from app.services.rating_import.importing import Preview
from app.services.ratings import GivenRating, TitledRating, WrittenRating
from app.services.recommendations import (
    PredictionQuery,
    Predictions,
    RecommendationList,
    RecommendationOptions,
)
from app.services.similar_users import NearestUsers
from app.services.users import UserRecord
from app.storage.events import EventRecord
from app.storage.movies import MovieRecord
from app.storage.ratings import RatingRecord, RatingStats
from model.features.history import Rated
from model.features.users import Profile, UserContext
from model.inference.diversity import DEFAULT_DIVERSITY
from model.inference.results import GroupRecommendation, Prediction, Reason, Recommendation
from model.rating_scale import LIKE
from seqrec.errors import InvalidField, InvalidRequest
from seqrec.schemas import events as event_bodies
from seqrec.schemas import groups as group_bodies
from seqrec.schemas import movies as movie_bodies
from seqrec.schemas import predictions as prediction_bodies
from seqrec.schemas import rating_import as import_bodies
from seqrec.schemas import ratings as rating_bodies
from seqrec.schemas import recommendations as recommendation_bodies
from seqrec.schemas import users as user_bodies
from seqrec.schemas.common import HistoryRating, MovieAnswer, ProfileFields

# From bodies


def profile_from(fields: ProfileFields) -> Profile:
    return Profile(fields.gender, fields.age, fields.occupation)


def user_context_from(
    profile: ProfileFields | None, history: Sequence[HistoryRating] | None, ids: OwnIds
) -> UserContext:
    """`InvalidRequest` if the history names a movie by both of its ids."""
    entries = history or ()
    movie_ids = ids.of_movies([entry.movie_id for entry in entries])
    _require_each_once(movie_ids, "body.history", "movie", "keep the latest rating of each movie")
    ratings = [
        Rated(movie_id, LIKE, feedback="like") if entry.stars is None else Rated(movie_id, entry.stars)
        for movie_id, entry in zip(movie_ids, entries, strict=True)
    ]
    return UserContext(Profile() if profile is None else profile_from(profile), ratings)


def prediction_queries_from(request: prediction_bodies.PredictionRequest, ids: OwnIds) -> list[PredictionQuery]:
    """The queries of a request about users of the database."""
    if request.user_id is not None:
        (user_id,) = ids.of_users([request.user_id])
        return [PredictionQuery(user_id, movie_id) for movie_id in ids.of_movies(request.movie_ids or ())]
    queries = request.queries or ()
    user_ids = ids.of_users([query.user_id for query in queries])
    movie_ids = ids.of_movies([query.movie_id for query in queries])
    return [PredictionQuery(*pair) for pair in zip(user_ids, movie_ids, strict=True)]


def recommendation_options_from(
    options: recommendation_bodies.ListOptions | recommendation_bodies.RecommendationRequest, ids: OwnIds
) -> RecommendationOptions:
    return batch_options_from(options, ids)._replace(explain=options.explain)


def user_options_from(options: recommendation_bodies.UserListOptions, ids: OwnIds) -> RecommendationOptions:
    """The options of a list for a user of the database."""
    return recommendation_options_from(options, ids)._replace(on_watchlist=options.watchlist == "only")


def batch_options_from(options: recommendation_bodies.ListPage, ids: OwnIds) -> RecommendationOptions:
    return RecommendationOptions(
        n=options.limit,
        offset=options.offset,
        rank_by=options.rank_by,
        diversity=DEFAULT_DIVERSITY if options.diversity is None else options.diversity,
        filter=filter_from(options, ids),
    )


def filter_from(options: recommendation_bodies.Selection, ids: OwnIds) -> Filter:
    """Unknown movies to leave out are passed over: there are none to leave out."""
    exclude = tuple(ids.of_known_movies(options.exclude))
    return Filter(tuple(options.genre), options.year_from, options.year_to, exclude, tuple(options.genre_all))


def members_from(request: group_bodies.GroupRequest, ids: OwnIds) -> list[Member]:
    """`InvalidRequest` if a user is named by both of its ids."""
    named = [member.user_id for member in request.members if member.user_id is not None]
    user_ids = dict(zip(named, ids.of_users(named), strict=True))
    _require_each_once(list(user_ids.values()), "body.members", "user", "name each user once")
    return [
        user_context_from(member.profile, member.history, ids) if member.user_id is None else user_ids[member.user_id]
        for member in request.members
    ]


def _require_each_once(ids: Sequence[int], field: str, what: str, advice: str) -> None:
    if len(set(ids)) < len(ids):
        twice = next(id_ for index, id_ in enumerate(ids) if id_ in ids[:index])
        message = f"{what} {twice} is there twice, by its own and its external id; {advice}"
        raise InvalidRequest([InvalidField(field=field, message=message)])


def group_options_from(request: group_bodies.GroupRequest, ids: OwnIds) -> GroupOptions:
    return GroupOptions(
        n=request.limit,
        offset=request.offset,
        strategy=request.strategy,
        seen=request.seen,
        rank_by=request.rank_by,
        explain=request.explain,
        filter=filter_from(request, ids),
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


def movie_fields(movie: MovieRecord) -> dict[str, Any]:
    """The fields of a `MovieAnswer`."""
    return {
        "movie_id": movie.id,
        "external_id": movie.external_id,
        "title": movie.title,
        "display_title": movie.display_title,
        "year": movie.year,
        "genres": list(movie.genres),
        "imdb_id": movie.imdb_id,
        "tmdb_id": movie.tmdb_id,
    }


def predictions(user_ids: Iterable[int | None], answer: Predictions) -> prediction_bodies.Predictions:
    """``user_ids`` has the user of each prediction, None for an anonymous user."""
    return prediction_bodies.Predictions.model_construct(
        model=answer.states[0].scorer.version,
        predictions=[
            predicted_stars(user_id, prediction, state, answer.external_ids)
            for user_id, prediction, state in zip(user_ids, answer.predictions, answer.states, strict=True)
        ],
    )


def predicted_stars(
    user_id: int | None, prediction: Prediction, state: ModelState, external_ids: Mapping[int, str | None]
) -> prediction_bodies.PredictedStars:
    movie, probabilities = state.catalogue.movies[prediction.movie_id], None
    if prediction.probabilities is not None:
        steps = (f"{stars:g}" for stars in state.scorer.rating_scale)
        probabilities = dict(zip(steps, prediction.probabilities, strict=True))
    return prediction_bodies.PredictedStars(  # validated, as below
        model=state.scorer.version,
        user_id=user_id,
        user_external_id=None if user_id is None else external_ids.get(user_id),
        movie_id=prediction.movie_id,
        movie_external_id=movie.external_id,
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
        user_external_id=answer.external_id,
        based_on=answer.user.based_on,
        rank_by=answer.rank_by,
        recommendation_id=answer.recommendation_id,
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
    # Validated, since that is done in Rust: with this many fields it takes half as long as `model_construct`.
    return recommendation_bodies.Recommendation(
        movie_id=record.id,
        external_id=record.external_id,
        title=record.title,
        display_title=record.display_title,
        year=record.year,
        genres=list(record.genres),
        imdb_id=record.imdb_id,
        tmdb_id=record.tmdb_id,
        predicted_stars=entry.stars,
        like_probability=entry.like_probability,
        relevance=entry.relevance,
        source=answer.source,
        in_model=entry.movie_id in state.scorer.trained_ids,
        reasons=None if entry.reasons is None else _reasons(entry.reasons, state),
    )


def group_recommendations(answer: GroupList) -> group_bodies.GroupRecommendations:
    return group_bodies.GroupRecommendations.model_construct(
        model=answer.state.scorer.version,
        strategy=answer.strategy,
        rank_by=answer.rank_by,
        members=[
            group_bodies.KnownMember.model_construct(
                user_id=member.user_id, external_id=member.external_id, based_on=member.context.based_on
            )
            for member in answer.members
        ],
        recommendations=[group_recommendation(entry, answer) for entry in answer.recommendations],
    )


def group_recommendation(entry: GroupRecommendation, answer: GroupList) -> group_bodies.GroupRecommendation:
    state = answer.state
    return group_bodies.GroupRecommendation.model_construct(
        **movie_fields(state.catalogue.movies[entry.movie_id]),
        in_model=entry.movie_id in state.scorer.trained_ids,
        chosen_by=entry.chosen_by,
        members=[
            group_bodies.Opinion.model_construct(
                predicted_stars=opinion.stars,
                like_probability=opinion.like_probability,
                relevance=opinion.relevance,
                own_stars=member.context.own_stars(entry.movie_id),
                reasons=None if opinion.reasons is None else _reasons(opinion.reasons, state),
            )
            for opinion, member in zip(entry.members, answer.members, strict=True)
        ],
    )


def _reasons(reasons: Sequence[Reason], state: ModelState) -> list[recommendation_bodies.Reason]:
    """Leaves out movies of the history that have left the catalogue."""
    movies = state.catalogue.movies
    return [
        recommendation_bodies.Reason.model_construct(
            movie_id=reason.movie_id,
            external_id=movies[reason.movie_id].external_id,
            title=movies[reason.movie_id].title,
            display_title=movies[reason.movie_id].display_title,
            stars=reason.stars if state.has_stars else None,
            contribution=reason.contribution,
            feedback=reason.feedback,
        )
        for reason in reasons
        if reason.movie_id in movies
    ]


def similar_movies(movie_id: int, answer: NearestMovies) -> movie_bodies.SimilarMovies:
    movies = answer.state.catalogue.movies
    return movie_bodies.SimilarMovies(
        model=answer.state.scorer.version,
        movie_id=movie_id,
        movie_external_id=movies[movie_id].external_id,
        similar=[
            movie_bodies.SimilarMovie.model_validate({**movie_fields(movies[other]), "similarity": cosine})
            for other, cosine in answer.nearest
        ],
    )


def similar_users(user_id: int, answer: NearestUsers) -> user_bodies.SimilarUsers:
    return user_bodies.SimilarUsers(
        model=answer.state.scorer.version,
        user_id=user_id,
        user_external_id=answer.external_ids.get(user_id),
        similar=[
            user_bodies.SimilarUser(user_id=other, external_id=answer.external_ids.get(other), similarity=cosine)
            for other, cosine in answer.nearest
        ],
    )


def popular_movie(popular: PopularMovie) -> movie_bodies.PopularMovie:
    stats = popular.rating_stats
    return movie_bodies.PopularMovie.model_validate(
        {
            **movie_fields(popular.movie),
            "weighted_rating": None if stats.mean_stars is None else round(popular.weighted_rating, 4),
            "ratings": stats.ratings,
            "mean_stars": None if stats.mean_stars is None else round(stats.mean_stars, 4),
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
        external_id=record.external_id,
        gender=profile.gender,
        age=profile.age,
        occupation=profile.occupation,
        ratings=record.ratings,
    )


def rating(written: WrittenRating) -> rating_bodies.Rating:
    return rating_bodies.Rating(
        **written.rating._asdict(),
        user_external_id=written.user_external_id,
        movie_external_id=written.movie_external_id,
    )


def exported_rating(record: RatingRecord | GivenRating) -> rating_bodies.ExportedRating:
    # Not validated: an export converts millions of rows, which the database has checked.
    return rating_bodies.ExportedRating.model_construct(**record._asdict())


def rated_movie(entry: TitledRating) -> rating_bodies.RatedMovie:
    return rating_bodies.RatedMovie.model_validate(
        {**movie_fields(entry.movie), "stars": entry.rating.stars, "rated_at": entry.rating.rated_at}
    )


def imported(user_id: int, preview: Preview, written: int) -> import_bodies.Imported:
    export = preview.export
    return import_bodies.Imported(
        user_id=user_id,
        source=export.source,
        best=export.best,
        written=written,
        matched=[
            import_bodies.MatchedRating.model_construct(
                **_given(entry.given), movie=_movie_answer(entry.movie), by=entry.by, own_stars=entry.own_stars
            )
            for entry in preview.matched
        ],
        doubtful=[
            import_bodies.DoubtfulRating.model_construct(
                **_given(entry.given),
                candidates=[
                    import_bodies.Candidate.model_construct(
                        movie=_movie_answer(candidate.movie), similarity=round(candidate.similarity, 2)
                    )
                    for candidate in entry.candidates
                ],
            )
            for entry in preview.doubtful
        ],
        not_found=[
            import_bodies.MissingRating.model_construct(**_given(given), imdb_id=given.imdb_id, tmdb_id=given.tmdb_id)
            for given in preview.not_found
        ],
        left_out=import_bodies.LeftOut(
            watched=len(export.watched),
            watchlist=len(export.watchlist),
            no_movies=export.no_movies,
            repeated=preview.repeated,
            unreadable=export.unreadable,
        ),
    )


def _given(given: RatedTitle) -> dict[str, Any]:
    """The fields of a `seqrec.schemas.rating_import.GivenRating`."""
    return {
        "row": given.row,
        "title": given.title,
        "year": given.year,
        "given": given.given,
        "stars": given.stars,
        "rated_at": given.rated_at,
    }


def _movie_answer(movie: MovieRecord) -> MovieAnswer:
    return MovieAnswer.model_construct(**movie_fields(movie))


def event(record: EventRecord | NamedEvent) -> event_bodies.Event:
    # Not validated, as for ratings.
    if isinstance(record, NamedEvent):
        fields = record.event._asdict() | {"user_id": record.user_id, "movie_id": record.movie_id}
        return event_bodies.Event.model_construct(**fields)
    return event_bodies.Event.model_construct(**record._asdict())


def events_written(written: Written) -> event_bodies.EventsWritten:
    return event_bodies.EventsWritten(written=written.written, known=written.known)


def watchlist_movie(entry: ListedMovie) -> event_bodies.WatchlistMovie:
    return event_bodies.WatchlistMovie.model_validate({**movie_fields(entry.movie), "added_at": entry.added_at})
