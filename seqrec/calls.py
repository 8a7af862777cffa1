"""One function for each operation of the API: it builds the request and knows the type of the answer.

A call does nothing by itself; a client of `seqrec.client` sends it.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Generic, Literal, TypedDict, TypeVar, Unpack

from pydantic import BaseModel, TypeAdapter

from seqrec.ids import AnyId, segment, write_id
from seqrec.schemas.common import HistoryRating, ListSize, ProfileFields
from seqrec.schemas.events import EventsWritten, NewEvent, NewEvents, Watchlist
from seqrec.schemas.groups import GroupMember, GroupRecommendations, GroupRequest, Strategy
from seqrec.schemas.model import ModelInformation, Models
from seqrec.schemas.movies import (
    FirstMovies,
    GenreNames,
    MovieChange,
    MovieDetails,
    Movies,
    NewMovie,
    PopularMovies,
    SimilarMovies,
)
from seqrec.schemas.online import OnlineMeasurement
from seqrec.schemas.operations import Reloaded
from seqrec.schemas.predictions import PredictionQuery, PredictionRequest, Predictions
from seqrec.schemas.rating_import import Imported, ImportOptions
from seqrec.schemas.ratings import NewRating, NewRatings, Rating, StarsGiven, UserRatings, Written
from seqrec.schemas.recommendations import (
    BatchRecommendations,
    BatchRequest,
    RankBy,
    RankRequest,
    RecommendationRequest,
    Recommendations,
    UserListOptions,
)
from seqrec.schemas.users import NewUser, ProfileChange, SimilarUsers, User, Users

T = TypeVar("T")

StarsById = Mapping[int, float | None] | Mapping[str, float | None] | Mapping[AnyId, float | None]
"""A history: stars by own or external id of a movie, oldest first; None for one that is liked, without stars."""


class SizeChoices(TypedDict, total=False):
    """How long a list is; ``n`` is the old name of ``limit``."""

    limit: int
    n: int


class SelectionChoices(TypedDict, total=False):
    """Filters, beginning and order of a list; any may be left out. See `seqrec.schemas.recommendations.Selection`."""

    offset: int
    genre: list[str]
    genre_all: list[str]
    year_from: int | None
    year_to: int | None
    exclude: Sequence[AnyId]
    rank_by: RankBy | None


class PageChoices(SizeChoices, SelectionChoices, total=False):
    """The same and the length of the list; see `seqrec.schemas.recommendations.ListPage`."""

    diversity: float | None


class ListChoices(PageChoices, total=False):
    """The same, and whether the list names reasons."""

    explain: bool


class UserListChoices(ListChoices, total=False):
    """The same, and whether only movies of the watch list are wanted."""

    watchlist: Literal["only"] | None


class GroupChoices(SelectionChoices, total=False):
    """What a group's list may be asked for; see `seqrec.schemas.groups.GroupRequest`."""

    limit: int
    seen: Literal["none", "liked"]
    explain: bool


class ProfileChoices(TypedDict, total=False):
    """The fields of a profile, None for what is not known; and the user's id in another system."""

    gender: str | None
    age: int | None
    occupation: int | None
    external_id: str | None


class MovieChoices(TypedDict, total=False):
    """The fields of a movie beside its title; ``external_id`` is its id in another system."""

    year: int | None
    genres: list[str]
    hidden: bool
    external_id: str | None
    imdb_id: str | None
    tmdb_id: int | None


class MovieChanges(MovieChoices, total=False):
    """The fields of a movie that can be changed."""

    title: str


@dataclass(frozen=True)
class Call(Generic[T]):
    """A request, and how its answer is read.

    Attributes:
        read: turns the body of the answer into what the caller gets.
        query: parameters; those that are None are not sent.
        content: a body that is sent piece by piece, in place of ``body``; an iterator can be sent but once.
        media: its content type.
        repeatable: True if sending it twice has the same effect as sending it once. If not, it is sent again only
            after an answer that says that nothing was done.
    """

    method: str
    path: str
    read: Callable[[bytes], T]
    query: Mapping[str, object] = field(default_factory=dict)
    body: BaseModel | None = None
    content: Iterable[bytes] | None = None
    media: str = "application/jsonl"
    repeatable: bool = True


def _nothing(_: bytes) -> None:
    return None


def _call(answer: type[T], method: str, path: str, **rest: Any) -> Call[T]:  # noqa: ANN401 - fields of Call
    return Call(method, path, TypeAdapter(answer).validate_json, **rest)


def recommend(user_id: AnyId, **chosen: Unpack[UserListChoices]) -> Call[Recommendations]:
    """Movies that a user has not rated, best first. Options: `seqrec.schemas.recommendations.UserListOptions`."""
    exclude = [write_id(id_) for id_ in chosen.get("exclude", ())]
    chosen["exclude"] = exclude
    query = UserListOptions(**chosen).model_dump(exclude_defaults=True) | ({"exclude": exclude} if exclude else {})
    return _call(Recommendations, "GET", f"/users/{segment(user_id)}/recommendations", query=query)


def recommend_anonymous(
    history: StarsById | None = None, profile: ProfileFields | None = None, **chosen: Unpack[ListChoices]
) -> Call[Recommendations]:
    """Movies for a user who is not in the database: ``history`` is stars by movie id, oldest first."""
    body = RecommendationRequest(**_anonymous(history, profile), **chosen)
    return _call(Recommendations, "POST", "/recommendations", body=body)


def recommend_for_users(user_ids: Sequence[AnyId], **chosen: Unpack[PageChoices]) -> Call[BatchRecommendations]:
    """A list for each of up to 1,000 users, in their order; `recommend` for many at once, without reasons."""
    body = BatchRequest(user_ids=list(user_ids), **chosen)
    return _call(BatchRecommendations, "POST", "/recommendations/batch", body=body)


def recommend_to_group(
    members: Sequence[AnyId | StarsById | GroupMember],
    strategy: Strategy = "average",
    **chosen: Unpack[GroupChoices],
) -> Call[GroupRecommendations]:
    """One list for 2 to 10 people: users by id, anonymous ones by history (stars by movie id) or `GroupMember`."""
    body = GroupRequest(members=list(map(_member, members)), strategy=strategy, **chosen)
    return _call(GroupRecommendations, "POST", "/groups/recommendations", body=body)


def rank(
    movie_ids: Sequence[AnyId],
    user_id: AnyId | None = None,
    history: StarsById | None = None,
    profile: ProfileFields | None = None,
    rank_by: RankBy | None = None,
    explain: bool = False,
) -> Call[Recommendations]:
    """Given movies, best first: for a user, or for an anonymous one by history (stars by movie id) and profile."""
    user: dict[str, Any] = _anonymous(history, profile)
    if user_id is not None:
        user["user_id"] = user_id
    body = RankRequest(movie_ids=list(movie_ids), rank_by=rank_by, explain=explain, **user)
    return _call(Recommendations, "POST", "/rank", body=body)


def predict(
    movie_ids: Sequence[AnyId],
    user_id: AnyId | None = None,
    history: StarsById | None = None,
    profile: ProfileFields | None = None,
) -> Call[Predictions]:
    """Predicted stars for some movies: of a user, or of an anonymous one by history (stars by movie id) and profile."""
    body = PredictionRequest(user_id=user_id, movie_ids=list(movie_ids), **_anonymous(history, profile))
    return _call(Predictions, "POST", "/predict", body=body)


def predict_pairs(pairs: Sequence[tuple[AnyId, AnyId]]) -> Call[Predictions]:
    """Predicted stars for pairs of user and movie, in their order."""
    queries = [PredictionQuery(user_id=user_id, movie_id=movie_id) for user_id, movie_id in pairs]
    return _call(Predictions, "POST", "/predict", body=PredictionRequest(queries=queries))


def create_user(user_id: int | None = None, **profile: Unpack[ProfileChoices]) -> Call[User]:
    """Add a user; without ``user_id``, the service chooses one."""
    return _call(User, "POST", "/users", body=NewUser(user_id=user_id, **profile), repeatable=False)


def user(user_id: AnyId) -> Call[User]:
    """A user's profile and number of ratings."""
    return _call(User, "GET", f"/users/{segment(user_id)}")


def users(limit: int = 50, cursor: str | None = None) -> Call[Users]:
    """A page of all users, by id; ``cursor`` is `next_cursor` of the page before."""
    return _call(Users, "GET", "/users", query={"limit": limit, "cursor": cursor})


def update_user(user_id: AnyId, **profile: Unpack[ProfileChoices]) -> Call[User]:
    """Set fields of the profile. None makes one unknown; those left out stay."""
    return _call(User, "PATCH", f"/users/{segment(user_id)}", body=ProfileChange(**profile))


def delete_user(user_id: AnyId) -> Call[None]:
    """Delete a user with all ratings."""
    return Call("DELETE", f"/users/{segment(user_id)}", _nothing)


def similar_users(user_id: AnyId, **size: Unpack[SizeChoices]) -> Call[SimilarUsers]:
    """Users with a similar representation in the model, most similar first."""
    return _call(SimilarUsers, "GET", f"/users/{segment(user_id)}/similar", query=ListSize(**size).model_dump())


def ratings(
    user_id: AnyId, limit: int = 50, cursor: str | None = None, movie_id: AnyId | None = None
) -> Call[UserRatings]:
    """A page of a user's ratings, newest first; ``cursor`` is `next_cursor` of the page before.

    With ``movie_id``, the rating of this movie alone, if there is one.
    """
    only = None if movie_id is None else write_id(movie_id)
    query = {"limit": limit, "cursor": cursor, "movie_id": only}
    return _call(UserRatings, "GET", f"/users/{segment(user_id)}/ratings", query=query)


def rate(user_id: AnyId, movie_id: AnyId, stars: float | None = None, rated_at: int | None = None) -> Call[Rating]:
    """Write a rating, in place of an older one of the same movie. ``rated_at`` is in Unix seconds, now by default.

    In a service without stars, leave them out: the rating is a like.
    """
    body = StarsGiven(stars=stars, rated_at=rated_at)
    path = f"/users/{segment(user_id)}/ratings/{segment(movie_id)}"
    return _call(Rating, "PUT", path, body=body, repeatable=rated_at is not None)


def delete_rating(user_id: AnyId, movie_id: AnyId) -> Call[None]:
    """Delete a rating; deleting it again does nothing."""
    return Call("DELETE", f"/users/{segment(user_id)}/ratings/{segment(movie_id)}", _nothing)


def rate_many(given: Sequence[NewRating]) -> Call[Written]:
    """Write up to 10,000 ratings in one transaction, all or none."""
    body = NewRatings(ratings=list(given))
    repeatable = all(rating.rated_at is not None for rating in body.ratings)  # else it is the newest again
    return _call(Written, "POST", "/ratings", body=body, repeatable=repeatable)


def import_ratings(lines: Iterable[bytes]) -> Call[Written]:
    """Write any number of ratings, all or none. Each line is a JSON object with the fields of `NewRating`."""
    return _call(Written, "POST", "/import/ratings", content=_joined(lines), repeatable=False)


def import_file(user_id: AnyId, content: bytes, name: str = "", preview: bool = False) -> Call[Imported]:
    """Write what a user has rated on another site: the bytes of its export, as Letterboxd's archive.

    ``preview`` answers what would be written, and writes nothing.
    """
    query = ImportOptions(name=name, preview=preview).model_dump(exclude_defaults=True)
    return _call(
        Imported,
        "POST",
        f"/users/{segment(user_id)}/import",
        query=query,
        content=(content,),
        media="application/octet-stream",
        repeatable=preview,  # a file may have ratings without a time
    )


def write_events(given: Sequence[NewEvent]) -> Call[EventsWritten]:
    """Write up to 10,000 events in one transaction, all or none; one that comes again by its event id counts once."""
    repeatable = all(event.event_id is not None for event in given)
    return _call(EventsWritten, "POST", "/events", body=NewEvents(events=list(given)), repeatable=repeatable)


def import_events(lines: Iterable[bytes]) -> Call[EventsWritten]:
    """Write any number of events, all or none. Each line is a JSON object with the fields of `NewEvent`."""
    return _call(EventsWritten, "POST", "/import/events", content=_joined(lines), repeatable=False)


def watchlist(user_id: AnyId, limit: int = 50, cursor: str | None = None) -> Call[Watchlist]:
    """A page of a user's watch list, what was added last first; ``cursor`` is `next_cursor` of the page before."""
    return _call(Watchlist, "GET", f"/users/{segment(user_id)}/watchlist", query={"limit": limit, "cursor": cursor})


def search_movies(q: str = "", genre: Sequence[str] = (), limit: int = 20, cursor: str | None = None) -> Call[Movies]:
    """A page of the movies whose title has words that begin with the words of ``q``."""
    return _call(Movies, "GET", "/movies", query={"q": q, "genre": list(genre), "limit": limit, "cursor": cursor})


def genres() -> Call[GenreNames]:
    """The names of all genres."""
    return _call(GenreNames, "GET", "/genres")


def popular_movies(
    genre: Sequence[str] = (), since: int | None = None, until: int | None = None, **size: Unpack[SizeChoices]
) -> Call[PopularMovies]:
    """Movies by weighted rating. ``since`` and ``until`` (Unix seconds) limit the ratings that count."""
    query = {**ListSize(**size).model_dump(), "genre": list(genre), "since": since, "until": until}
    return _call(PopularMovies, "GET", "/movies/popular", query=query)


def first_movies(limit: int = 12) -> Call[FirstMovies]:
    """Well-known movies to ask a newcomer about, those whose ratings tell the model most first."""
    return _call(FirstMovies, "GET", "/movies/first", query={"limit": limit})


def create_movie(title: str, movie_id: int | None = None, **fields: Unpack[MovieChoices]) -> Call[MovieDetails]:
    """Add a movie; without ``movie_id``, the service chooses one."""
    body = NewMovie(title=title, movie_id=movie_id, **fields)
    return _call(MovieDetails, "POST", "/movies", body=body, repeatable=False)


def movie(movie_id: AnyId) -> Call[MovieDetails]:
    """A movie of the catalogue, with the number and the mean of its ratings."""
    return _call(MovieDetails, "GET", f"/movies/{segment(movie_id)}")


def update_movie(movie_id: AnyId, **fields: Unpack[MovieChanges]) -> Call[MovieDetails]:
    """Set fields of a movie. Those left out stay."""
    return _call(MovieDetails, "PATCH", f"/movies/{segment(movie_id)}", body=MovieChange(**fields))


def delete_movie(movie_id: AnyId) -> Call[None]:
    """Delete a movie with all its ratings."""
    return Call("DELETE", f"/movies/{segment(movie_id)}", _nothing)


def similar_movies(movie_id: AnyId, **size: Unpack[SizeChoices]) -> Call[SimilarMovies]:
    """Movies with a similar representation in the model, most similar first."""
    return _call(SimilarMovies, "GET", f"/movies/{segment(movie_id)}/similar", query=ListSize(**size).model_dump())


def model() -> Call[ModelInformation]:
    """The model that is served, with its card: training data, settings and measured quality."""
    return _call(ModelInformation, "GET", "/model")


def online_measurement(days: int = 30) -> Call[OnlineMeasurement]:
    """How good the lists of the last days were, from what users did afterwards."""
    return _call(OnlineMeasurement, "GET", "/model/online", query={"days": days})


def models() -> Call[Models]:
    """The trained models that are there, the ones that were served, and rounds of retraining; the newest first."""
    return _call(Models, "GET", "/models")


def reload_model() -> Call[Reloaded]:
    """Serve the newest artifact, or the pinned one. Needs the administrator's key."""
    return _call(Reloaded, "POST", "/admin/reload")


LINES_AT_ONCE = 1000


def _joined(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Many lines at a time, since each piece that is sent has a cost of its own; each line has one line end."""
    ended = (line.rstrip(b"\r\n") + b"\n" for line in lines)
    while block := b"".join(islice(ended, LINES_AT_ONCE)):
        yield block


def _member(member: AnyId | StarsById | GroupMember) -> GroupMember:
    if isinstance(member, GroupMember):
        return member
    return GroupMember(user_id=member) if isinstance(member, int | str) else GroupMember(**_anonymous(member, None))


def _anonymous(history: StarsById | None, profile: ProfileFields | None) -> dict[str, Any]:
    """The fields of an anonymous user; only what is given is sent, since the service refuses them beside a user."""
    fields: dict[str, Any] = {}
    if history is not None:
        fields["history"] = [HistoryRating(movie_id=movie_id, stars=stars) for movie_id, stars in history.items()]
    if profile is not None:
        fields["profile"] = profile
    return fields
