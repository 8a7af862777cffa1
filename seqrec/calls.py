"""The routes of the service as typed calls: what is sent, and what the answer is read as.

A call does nothing by itself; a client of `seqrec.client` sends it.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Generic, TypedDict, TypeVar, Unpack

from pydantic import BaseModel, TypeAdapter

from seqrec.schemas.common import HistoryRating, ProfileFields
from seqrec.schemas.movies import GenreNames, MovieChange, MovieDetails, Movies, NewMovie, PopularMovies, SimilarMovies
from seqrec.schemas.operations import ModelInformation, Reloaded
from seqrec.schemas.predictions import PredictionQuery, PredictionRequest, Predictions
from seqrec.schemas.ratings import NewRating, NewRatings, Rating, StarsGiven, UserRatings, Written
from seqrec.schemas.recommendations import ListOptions, RankBy, RankRequest, RecommendationRequest, Recommendations
from seqrec.schemas.users import NewUser, ProfileChange, SimilarUsers, User

T = TypeVar("T")


class ListChoices(TypedDict, total=False):
    """What `ListOptions` has, each of it may be left out."""

    n: int
    offset: int
    genre: list[str]
    year_from: int | None
    year_to: int | None
    exclude: list[int]
    rank_by: RankBy | None
    diversity: float | None
    explain: bool


class ProfileChoices(TypedDict, total=False):
    """What `ProfileFields` has; None for what is not known."""

    gender: str | None
    age: int | None
    occupation: int | None


class MovieChoices(TypedDict, total=False):
    """What a movie has beside its title."""

    year: int | None
    genres: list[str]
    hidden: bool


class MovieChanges(MovieChoices, total=False):
    """What of a movie can be changed."""

    title: str


@dataclass(frozen=True)
class Call(Generic[T]):
    """One request, and how its answer is read.

    Attributes:
        read: from the body of the answer to what the caller gets.
        repeatable: whether sending it twice comes to the same as sending it once.
    """

    method: str
    path: str
    read: Callable[[bytes], T]
    query: Mapping[str, object] = field(default_factory=dict)
    body: BaseModel | None = None
    content: Iterable[bytes] | None = None
    repeatable: bool = True


def _nothing(_: bytes) -> None:
    return None


def _call(answer: type[T], method: str, path: str, **rest: Any) -> Call[T]:  # noqa: ANN401 - fields of Call
    return Call(method, path, TypeAdapter(answer).validate_json, **rest)


def recommend(user_id: int, **chosen: Unpack[ListChoices]) -> Call[Recommendations]:
    """Movies that a user has not rated, best first; for the choices see `ListOptions`."""
    query = ListOptions(**chosen).model_dump(exclude_defaults=True)
    return _call(Recommendations, "GET", f"/users/{user_id}/recommendations", query=query)


def recommend_anonymous(
    history: Mapping[int, float], profile: ProfileFields | None = None, **chosen: Unpack[ListChoices]
) -> Call[Recommendations]:
    """The same for someone who is no user: ``history`` has stars by movie id, the oldest first."""
    body = RecommendationRequest(history=_history(history), profile=profile or ProfileFields(), **chosen)
    return _call(Recommendations, "POST", "/recommendations", body=body)


def rank(
    movie_ids: Sequence[int],
    user_id: int | None = None,
    history: Mapping[int, float] | None = None,
    rank_by: RankBy | None = None,
    explain: bool = False,
) -> Call[Recommendations]:
    """Given movies, best first, for a user or for anyone with this history (stars by movie id, the oldest first)."""
    someone: dict[str, Any] = {} if user_id is None else {"user_id": user_id}
    if history is not None:
        someone["history"] = _history(history)
    body = RankRequest(movie_ids=list(movie_ids), rank_by=rank_by, explain=explain, **someone)
    return _call(Recommendations, "POST", "/rank", body=body)


def predict(
    movie_ids: Sequence[int], user_id: int | None = None, history: Mapping[int, float] | None = None
) -> Call[Predictions]:
    """Stars for some movies, of a user or of anyone with this history (stars by movie id, the oldest first)."""
    body = PredictionRequest(
        user_id=user_id, movie_ids=list(movie_ids), history=None if history is None else _history(history)
    )
    return _call(Predictions, "POST", "/predict", body=body)


def predict_pairs(pairs: Sequence[tuple[int, int]]) -> Call[Predictions]:
    """Stars for pairs of user and movie, in their order."""
    queries = [PredictionQuery(user_id=user_id, movie_id=movie_id) for user_id, movie_id in pairs]
    return _call(Predictions, "POST", "/predict", body=PredictionRequest(queries=queries))


def add_user(user_id: int | None = None, **profile: Unpack[ProfileChoices]) -> Call[User]:
    """Sign a user up; without ``user_id``, the service chooses one."""
    return _call(User, "POST", "/users", body=NewUser(user_id=user_id, **profile), repeatable=False)


def user(user_id: int) -> Call[User]:
    return _call(User, "GET", f"/users/{user_id}")


def change_user(user_id: int, **profile: Unpack[ProfileChoices]) -> Call[User]:
    """Set fields of the profile; None makes one unknown, what is left out stays."""
    return _call(User, "PATCH", f"/users/{user_id}", body=ProfileChange(**profile))


def delete_user(user_id: int) -> Call[None]:
    """Delete a user with all ratings."""
    return Call("DELETE", f"/users/{user_id}", _nothing)


def similar_users(user_id: int, n: int = 10) -> Call[SimilarUsers]:
    return _call(SimilarUsers, "GET", f"/users/{user_id}/similar", query={"n": n})


def ratings(user_id: int, limit: int = 50, cursor: str | None = None) -> Call[UserRatings]:
    """A page of what a user has rated, newest first."""
    return _call(UserRatings, "GET", f"/users/{user_id}/ratings", query={"limit": limit, "cursor": cursor})


def rate(user_id: int, movie_id: int, stars: float, rated_at: int | None = None) -> Call[Rating]:
    """Rate a movie, or rate it anew."""
    body = StarsGiven(stars=stars, rated_at=rated_at)
    return _call(Rating, "PUT", f"/users/{user_id}/ratings/{movie_id}", body=body)


def delete_rating(user_id: int, movie_id: int) -> Call[None]:
    return Call("DELETE", f"/users/{user_id}/ratings/{movie_id}", _nothing)


def rate_many(given: Sequence[NewRating]) -> Call[Written]:
    """Up to 10,000 ratings in one transaction, all or none."""
    return _call(Written, "POST", "/ratings", body=NewRatings(ratings=list(given)))


def import_ratings(lines: Iterable[bytes]) -> Call[Written]:
    """Any number of ratings, one JSON object a line, all or none."""
    return _call(Written, "POST", "/import/ratings", content=_joined(lines), repeatable=False)


def movies(q: str = "", genre: Sequence[str] = (), limit: int = 20, cursor: str | None = None) -> Call[Movies]:
    """A page of the movies whose title has words that begin like those of ``q``."""
    return _call(Movies, "GET", "/movies", query={"q": q, "genre": list(genre), "limit": limit, "cursor": cursor})


def genres() -> Call[GenreNames]:
    return _call(GenreNames, "GET", "/genres")


def popular(
    n: int = 10, genre: Sequence[str] = (), since: int | None = None, until: int | None = None
) -> Call[PopularMovies]:
    """Movies by weighted rating, from ratings since and before these Unix seconds."""
    return _call(
        PopularMovies, "GET", "/movies/popular", query={"n": n, "genre": list(genre), "since": since, "until": until}
    )


def add_movie(title: str, movie_id: int | None = None, **fields: Unpack[MovieChoices]) -> Call[MovieDetails]:
    """Add a movie; without ``movie_id``, the service chooses one."""
    body = NewMovie(title=title, movie_id=movie_id, **fields)
    return _call(MovieDetails, "POST", "/movies", body=body, repeatable=False)


def movie(movie_id: int) -> Call[MovieDetails]:
    return _call(MovieDetails, "GET", f"/movies/{movie_id}")


def change_movie(movie_id: int, **fields: Unpack[MovieChanges]) -> Call[MovieDetails]:
    """Set some fields; what is left out stays."""
    return _call(MovieDetails, "PATCH", f"/movies/{movie_id}", body=MovieChange(**fields))


def delete_movie(movie_id: int) -> Call[None]:
    """Delete a movie with all its ratings."""
    return Call("DELETE", f"/movies/{movie_id}", _nothing)


def similar_movies(movie_id: int, n: int = 10) -> Call[SimilarMovies]:
    return _call(SimilarMovies, "GET", f"/movies/{movie_id}/similar", query={"n": n})


def model() -> Call[ModelInformation]:
    """The model that is served, with its card."""
    return _call(ModelInformation, "GET", "/model")


def reload() -> Call[Reloaded]:
    """Serve the newest artifact; takes the administrator's key."""
    return _call(Reloaded, "POST", "/admin/reload")


LINES_AT_ONCE = 1000


def _joined(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Many lines at a time, each with one line end."""
    ended = (line.rstrip(b"\r\n") + b"\n" for line in lines)
    while block := b"".join(islice(ended, LINES_AT_ONCE)):
        yield block


def _history(stars: Mapping[int, float]) -> list[HistoryRating]:
    return [HistoryRating(movie_id=movie_id, stars=value) for movie_id, value in stars.items()]
