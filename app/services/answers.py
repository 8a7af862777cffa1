"""What the recommender is asked and what it answers."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

from app.services.catalogue import Filter
from app.storage.movies import MovieRecord
from model.features.users import Profile, Rated
from model.inference.diversity import DEFAULT_DIVERSITY
from model.inference.ranking import RankBy

Source = Literal["model", "popular"]


class UserContext(NamedTuple):
    """Who a list is for: a profile, and a history, oldest first."""

    profile: Profile
    history: Sequence[Rated]

    @property
    def based_on(self) -> Literal["history", "profile", "nothing"]:
        """What is known of the user."""
        if self.history:
            return "history"
        return "nothing" if self.profile == Profile() else "profile"


class Query(NamedTuple):
    """Which user's stars for which movie are wanted."""

    user_id: int
    movie_id: int


class Prediction(NamedTuple):
    """What a user would give a movie.

    Attributes:
        user_id: None for someone who is no user.
        stars: without the user's own rating of this movie.
        probabilities: of each number of stars; None from a model that predicts one number.
        own_stars: what the user has given; None if not rated.
        in_model: False if the movie was added after training.
    """

    user_id: int | None
    movie: MovieRecord
    stars: float
    probabilities: dict[float, float] | None
    own_stars: float | None
    in_model: bool


class Reason(NamedTuple):
    """A movie of the user's history that speaks for a recommended one; see `model.inference.scorer.Reason`."""

    movie: MovieRecord
    contribution: float


class RecommendedMovie(NamedTuple):
    """One entry of a list; see `model.inference.scorer.Recommendation`."""

    movie: MovieRecord
    stars: float
    relevance: float | None
    source: Source
    in_model: bool
    reasons: list[Reason] | None


class Recommended(NamedTuple):
    """A page of someone's list.

    Attributes:
        model: version of the model.
        based_on: what is known of the user.
        rank_by: what it is ordered by.
    """

    model: str
    movies: list[RecommendedMovie]
    rank_by: RankBy | Literal["popularity"]
    based_on: Literal["history", "profile", "nothing"]


class HistoryEntry(NamedTuple):
    """A movie that a user has rated, and the stars that it got."""

    movie: MovieRecord
    stars: float


class RecommendationOptions(NamedTuple):
    """How a list is to be made.

    Attributes:
        n, offset: how many movies, after how many of the best.
        rank_by: None for what the model does best, or for what is popular if nothing is known of the user.
        diversity: 0..1, see `model.inference.diversity`.
        explain: whether to say which ratings speak for each movie.
        filter: which movies it may have.
    """

    n: int = 10
    offset: int = 0
    rank_by: RankBy | None = None
    diversity: float = DEFAULT_DIVERSITY
    explain: bool = False
    filter: Filter = Filter()


class SimilarMovies(NamedTuple):
    """Movies by falling cosine, and the version of the model."""

    model: str
    nearest: list[tuple[MovieRecord, float]]


class SimilarUsers(NamedTuple):
    """Ids of users by falling cosine, and the version of the model."""

    model: str
    nearest: list[tuple[int, float]]
