"""The use cases: each asks the database in one short transaction, gives the connection back, then scores."""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy.orm import Session, sessionmaker

from app import store
from app.errors import MovieNotFound, UserNotFound
from app.store import MovieRecord
from model.scorer import Candidates, PredictedRating, Scorer


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


class RecommendedMovie(NamedTuple):
    """One entry of a list, with predicted stars, 1 to 5."""

    movie: MovieRecord
    stars: float


class Recommended(NamedTuple):
    """A page of a user's list.

    Attributes:
        from_history: False if the user has no ratings yet and the profile alone speaks.
    """

    movies: list[RecommendedMovie]
    from_history: bool


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

    def recommend(self, user_id: int, n: int, offset: int) -> Recommended:
        """The user's best unseen movies after the first ``offset``, best first."""
        with self.sessions.begin() as session:
            profile = store.profiles(session, [user_id]).get(user_id)
            history = store.histories(session, [user_id])[user_id]
            catalogue = store.movie_ids(session)
        if profile is None:
            raise UserNotFound([user_id])
        ranked = self.scorer.recommend(profile, history, catalogue, n, offset)
        with self.sessions.begin() as session:
            movies = store.movies(session, [entry.movie_id for entry in ranked])
        return Recommended(
            # A movie deleted since the first transaction is left out.
            [RecommendedMovie(movies[id_], stars) for id_, stars in ranked if id_ in movies],
            from_history=bool(history),
        )
