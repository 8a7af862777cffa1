"""The use cases: each asks the database in one short transaction, gives the connection back, then scores."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from sqlalchemy.orm import Session, sessionmaker

from app import store
from app.errors import MovieNotFound, NoRelevance, UserNotFound
from app.store import MovieRecord
from model.diversity import DEFAULT_DIVERSITY
from model.errors import NoRelevanceError
from model.features import Profile, Rated
from model.lists import RankBy
from model.scorer import Candidates, PredictedRating, Recommendation, Scorer


class Query(NamedTuple):
    """Which user's stars for which movie are wanted."""

    user_id: int
    movie_id: int


class Prediction(NamedTuple):
    """The answer to a `Query`.

    Attributes:
        predicted: stars, and how likely each level of stars is, without the user's own rating of this movie.
        own_stars: what the user has given; None if not rated.
        in_model: False if the movie was added after training; its stars are then those of an average movie.
    """

    user_id: int
    movie: MovieRecord
    predicted: PredictedRating
    own_stars: float | None
    in_model: bool


class RatedMovie(NamedTuple):
    """A movie of the user's history that speaks for a recommended one; see `model.scorer.Reason`."""

    movie: MovieRecord
    contribution: float


class RecommendedMovie(NamedTuple):
    """One entry of a list; see `model.scorer.Recommendation`."""

    movie: MovieRecord
    stars: float
    relevance: float | None
    reasons: list[RatedMovie] | None


class Recommended(NamedTuple):
    """A page of a user's list.

    Attributes:
        rank_by: what it is ordered by.
        from_history: False if the user has no ratings yet and the profile alone speaks.
    """

    movies: list[RecommendedMovie]
    rank_by: RankBy
    from_history: bool


class HistoryEntry(NamedTuple):
    """A movie that a user has rated, and the stars that it got."""

    movie: MovieRecord
    stars: float


class Wish(NamedTuple):
    """How a list is to be made.

    Attributes:
        n, offset: how many movies, after how many of the best.
        rank_by: None for what the model does best.
        diversity: 0..1, see `model.diversity`.
        explain: whether to say which ratings speak for each movie.
    """

    n: int = 10
    offset: int = 0
    rank_by: RankBy | None = None
    diversity: float = DEFAULT_DIVERSITY
    explain: bool = False


class Recommender:
    """Predicts and recommends for the users in the database. Methods block: call them from worker threads."""

    def __init__(self, sessions: sessionmaker[Session], scorer: Scorer) -> None:
        self.sessions = sessions
        self.scorer = scorer

    def predict(self, queries: Sequence[Query]) -> list[Prediction]:
        """Answer all queries, in their order; `UserNotFound` or `MovieNotFound` name every id that is not there."""
        user_ids = sorted({query.user_id for query in queries})
        wanted_ids = sorted({query.movie_id for query in queries})
        with self.sessions.begin() as session:
            profiles = store.profiles(session, user_ids)
            histories = store.histories(session, user_ids)
            movies = store.movies(session, wanted_ids)
        if missing := [user_id for user_id in user_ids if user_id not in profiles]:
            raise UserNotFound(missing)
        if missing := [movie_id for movie_id in wanted_ids if movie_id not in movies]:
            raise MovieNotFound(missing)
        wanted: dict[int, list[int]] = {user_id: [] for user_id in user_ids}
        for query in dict.fromkeys(queries):
            wanted[query.user_id].append(query.movie_id)
        predicted = self.scorer.predict_many(
            [Candidates(profiles[user_id], histories[user_id], wanted[user_id]) for user_id in user_ids]
        )
        ratings = {
            Query(user_id, movie_id): value
            for user_id, values in zip(user_ids, predicted, strict=True)
            for movie_id, value in zip(wanted[user_id], values, strict=True)
        }
        own = {Query(user_id, entry.movie_id): entry.stars for user_id in user_ids for entry in histories[user_id]}
        return [
            Prediction(
                user_id=query.user_id,
                movie=movies[query.movie_id],
                predicted=ratings[query],
                own_stars=own.get(query),
                in_model=query.movie_id in self.scorer,
            )
            for query in queries
        ]

    def history(self, user_id: int) -> list[Rated]:
        """All that the user has rated, oldest first; `UserNotFound` if there is no such user."""
        with self.sessions.begin() as session:
            if not store.profiles(session, [user_id]):
                raise UserNotFound([user_id])
            return store.histories(session, [user_id])[user_id]

    def recommend(self, user_id: int, wish: Wish) -> Recommended:
        """A page of the user's best unseen movies, best first; `UserNotFound`, or `NoRelevance` if there is none."""
        with self.sessions.begin() as session:
            profile = store.profiles(session, [user_id]).get(user_id)
            history = store.histories(session, [user_id])[user_id]
            catalogue = store.movie_ids(session)
        if profile is None:
            raise UserNotFound([user_id])
        return self._recommended(profile, history, catalogue, wish)

    def recommend_to_anyone(self, history: Sequence[Rated], wish: Wish) -> Recommended:
        """The same for a history, oldest first, of someone who is no user; `MovieNotFound` names unknown movies."""
        with self.sessions.begin() as session:
            known = store.movies(session, [entry.movie_id for entry in history])
            catalogue = store.movie_ids(session)
        if missing := sorted({entry.movie_id for entry in history} - set(known)):
            raise MovieNotFound(missing)
        return self._recommended(Profile(), history, catalogue, wish)

    def _recommended(
        self, profile: Profile, history: Sequence[Rated], catalogue: Sequence[int], wish: Wish
    ) -> Recommended:
        rank_by = wish.rank_by or self.scorer.ranks_by
        try:
            ranked = self.scorer.recommend(
                profile, history, catalogue, wish.n, wish.offset, rank_by, wish.diversity, wish.explain
            )
        except NoRelevanceError as error:
            raise NoRelevance from error
        named = {entry.movie_id for entry in ranked}
        named |= {reason.movie_id for entry in ranked for reason in entry.reasons or ()}
        with self.sessions.begin() as session:
            movies = store.movies(session, sorted(named))
        # A movie deleted since the first transaction is left out.
        listed = [_recommended(entry, movies) for entry in ranked if entry.movie_id in movies]
        return Recommended(listed, rank_by, from_history=bool(history))

    def named(self, history: Sequence[Rated]) -> list[HistoryEntry]:
        """The entries of a history with their movies, the latest first; movies that are not there are left out."""
        with self.sessions.begin() as session:
            movies = store.movies(session, [entry.movie_id for entry in history])
        return [
            HistoryEntry(movies[entry.movie_id], entry.stars) for entry in reversed(history) if entry.movie_id in movies
        ]


def _recommended(entry: Recommendation, movies: Mapping[int, MovieRecord]) -> RecommendedMovie:
    reasons = None
    if entry.reasons is not None:
        reasons = [
            RatedMovie(movies[reason.movie_id], reason.contribution)
            for reason in entry.reasons
            if reason.movie_id in movies
        ]
    return RecommendedMovie(movies[entry.movie_id], entry.stars, entry.relevance, reasons)
