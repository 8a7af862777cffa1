"""Predictions and lists."""

from collections.abc import Mapping, Sequence

from app.observability import metrics
from app.services.answers import (
    HistoryEntry,
    Prediction,
    Query,
    Reason,
    RecommendationOptions,
    Recommended,
    RecommendedMovie,
    SimilarMovies,
    SimilarUsers,
    Source,
    UserContext,
)
from app.services.catalogue import Catalogue
from app.services.model_host import ModelHost, ModelState, Snapshot
from app.services.popularity import by_weighted_rating
from app.storage import ratings, users
from app.storage.movies import MovieRecord
from model.errors import NoRelevanceError
from model.features.users import Rated
from model.inference.ranking import RankBy
from model.inference.scorer import Candidates, Recommendation, Scorer
from seqrec.errors import MovieNotFound, NoRelevance, UserNotFound

SHARING_MOVIES = 50
"""Latest ratings of a user by which others are found that may be similar."""
SHARING_USERS = 100
"""Users who share the most of them, among whom the model chooses."""


class Recommender:
    """Predicts and recommends, for the users in the database and for anyone whose history a request brings."""

    def __init__(self, host: ModelHost) -> None:
        self.host = host
        self.database = host.database

    def predict(self, queries: Sequence[Query]) -> tuple[str, list[Prediction]]:
        """The model's version, and an answer to each query in their order.

        `UserNotFound` or `MovieNotFound` name every id that is not there.
        """
        user_ids = sorted({query.user_id for query in queries})
        with self.database.reads() as session:
            profiles = users.profiles(session, user_ids)
            histories = ratings.histories(session, user_ids)
            snapshot = self.host.snapshot(session)
        if missing := [user_id for user_id in user_ids if user_id not in profiles]:
            raise UserNotFound(missing)
        served = self.host.served(snapshot)
        wanted: dict[int, list[int]] = {user_id: [] for user_id in user_ids}
        for query in dict.fromkeys(queries):
            wanted[query.user_id].append(query.movie_id)
        readers = {user_id: UserContext(profiles[user_id], histories[user_id]) for user_id in user_ids}
        predicted = _predictions(served, [(user_id, readers[user_id], wanted[user_id]) for user_id in user_ids])
        answers = {(one.user_id, one.movie.id): one for one in predicted}
        return served.scorer.version, [answers[query] for query in queries]

    def predict_anonymous(self, user: UserContext, movie_ids: Sequence[int]) -> tuple[str, list[Prediction]]:
        """The same for someone who is no user, in the order of ``movie_ids``."""
        served = self.host.now()
        _require_movies(served.catalogue, [entry.movie_id for entry in user.history])
        return served.scorer.version, _predictions(served, [(None, user, movie_ids)])

    def history(self, user_id: int) -> list[Rated]:
        """All that the user has rated, oldest first; `UserNotFound` if there is no such user."""
        return list(self._reader(user_id)[0].history)

    def named(self, history: Sequence[Rated]) -> list[HistoryEntry]:
        """The entries of a history with their movies, the latest first; movies that are not there are left out."""
        movies = self.host.now().catalogue.movies
        return [
            HistoryEntry(movies[entry.movie_id], entry.stars) for entry in reversed(history) if entry.movie_id in movies
        ]

    def recommend(self, user_id: int, options: RecommendationOptions) -> Recommended:
        """A page of the user's best unseen movies, best first; `UserNotFound`, or `NoRelevance` if there is none."""
        user, snapshot = self._reader(user_id)
        return self._recommended(user, self.host.served(snapshot), options)

    def recommend_anonymous(self, user: UserContext, options: RecommendationOptions) -> Recommended:
        """The same for someone who is no user; `MovieNotFound` names unknown movies of the history."""
        served = self.host.now()
        _require_movies(served.catalogue, [entry.movie_id for entry in user.history])
        return self._recommended(user, served, options)

    def rank(
        self,
        user_id: int | None,
        someone: UserContext,
        movie_ids: Sequence[int],
        rank_by: RankBy | None = None,
        explain: bool = False,
    ) -> Recommended:
        """All of the movies, best first, for a user or else for someone who is none; hidden and rated ones too.

        `UserNotFound` or `MovieNotFound` name what is not there.
        """
        if user_id is not None:
            user, snapshot = self._reader(user_id)
            served = self.host.served(snapshot)
        else:
            user, served = someone, self.host.now()
            _require_movies(served.catalogue, [entry.movie_id for entry in user.history])
        _require_movies(served.catalogue, movie_ids)
        rank_by = rank_by or served.scorer.ranks_by
        with metrics.scoring_seconds.labels("rank").time():
            try:
                ranked = served.scorer.rank(user.profile, user.history, movie_ids, rank_by, explain)
            except NoRelevanceError as error:
                raise NoRelevance from error
        return Recommended(served.scorer.version, _listed(ranked, served, "model"), rank_by, user.based_on)

    def similar_movies(self, movie_id: int, n: int) -> SimilarMovies:
        """The movies most like this one that are not hidden; `MovieNotFound` if it is not there."""
        scorer, catalogue = self.host.now()
        _require_movies(catalogue, [movie_id])
        with metrics.scoring_seconds.labels("similar_movies").time():
            nearest = scorer.similar_movies(movie_id, catalogue.among(), n)
        return SimilarMovies(scorer.version, [(catalogue.movies[other], cosine) for other, cosine in nearest])

    def similar_users(self, user_id: int, n: int) -> SimilarUsers:
        """The most similar of the users who share the most of this one's latest movies; `UserNotFound`.

        Nothing is kept of users, so that each answer knows everyone's newest ratings.
        """
        user, snapshot = self._reader(user_id)
        latest = [entry.movie_id for entry in user.history[-SHARING_MOVIES:]]
        with self.database.reads() as session:
            ids = ratings.users_who_share(session, user_id, latest, SHARING_USERS)
            profiles = users.profiles(session, ids)
            histories = ratings.histories(session, ids)
        scorer = self.host.served(snapshot).scorer
        others = [(other, profile, histories[other]) for other, profile in profiles.items()]
        with metrics.scoring_seconds.labels("similar_users").time():
            return SimilarUsers(scorer.version, scorer.similar_users(*user, others, n))

    def _reader(self, user_id: int) -> tuple[UserContext, Snapshot]:
        with self.database.reads() as session:
            profile = users.profiles(session, [user_id]).get(user_id)
            history = ratings.histories(session, [user_id])[user_id]
            snapshot = self.host.snapshot(session)
        if profile is None:
            raise UserNotFound([user_id])
        return UserContext(profile, history), snapshot

    def _recommended(self, user: UserContext, served: ModelState, options: RecommendationOptions) -> Recommended:
        among = served.catalogue.among(options.filter)
        if options.rank_by is None and user.based_on == "nothing":
            return self._popular(user, served, among, options)
        rank_by = options.rank_by or served.scorer.ranks_by
        with metrics.scoring_seconds.labels("recommend").time():
            try:
                ranked = served.scorer.recommend(
                    user.profile,
                    user.history,
                    among,
                    options.n,
                    options.offset,
                    rank_by,
                    options.diversity,
                    options.explain,
                )
            except NoRelevanceError as error:
                raise NoRelevance from error
        return Recommended(served.scorer.version, _listed(ranked, served, "model"), rank_by, user.based_on)

    def _popular(
        self, user: UserContext, served: ModelState, among: Sequence[int], options: RecommendationOptions
    ) -> Recommended:
        """For someone of whom nothing is known: what all others like."""
        with self.database.reads() as session:
            rating_stats_by_movie = ratings.rating_stats_by_movie(session)
        order = [movie_id for movie_id, _ in by_weighted_rating(rating_stats_by_movie, among)]
        unrated = [movie_id for movie_id in among if movie_id not in rating_stats_by_movie]
        page = (order + unrated)[options.offset : options.offset + options.n]
        scored = served.scorer.rank(user.profile, user.history, page, explain=options.explain) if page else []
        by_id = {entry.movie_id: entry for entry in scored}
        listed = _listed([by_id[movie_id] for movie_id in page], served, "popular")
        return Recommended(served.scorer.version, listed, "popularity", user.based_on)


def _require_movies(catalogue: Catalogue, movie_ids: Sequence[int]) -> None:
    if missing := sorted({movie_id for movie_id in movie_ids if movie_id not in catalogue.movies}):
        raise MovieNotFound(missing)


def _predictions(
    served: ModelState, asked: Sequence[tuple[int | None, UserContext, Sequence[int]]]
) -> list[Prediction]:
    """For each user (None for someone who is none) the movies asked for, all in order; `MovieNotFound`."""
    scorer, catalogue = served
    _require_movies(catalogue, [movie_id for _, _, movie_ids in asked for movie_id in movie_ids])
    with metrics.scoring_seconds.labels("predict").time():
        predicted = scorer.predict_many([Candidates(*user, movie_ids) for _, user, movie_ids in asked])
    answers = []
    for (user_id, user, movie_ids), values in zip(asked, predicted, strict=True):
        own = {entry.movie_id: entry.stars for entry in user.history}
        for movie_id, value in zip(movie_ids, values, strict=True):
            likely = value.probabilities
            answers.append(
                Prediction(
                    user_id=user_id,
                    movie=catalogue.movies[movie_id],
                    stars=value.stars,
                    probabilities=None if likely is None else dict(zip(scorer.rating_scale, likely, strict=True)),
                    own_stars=own.get(movie_id),
                    in_model=scorer.was_trained_with(movie_id),
                )
            )
    return answers


def _listed(ranked: Sequence[Recommendation], served: ModelState, source: Source) -> list[RecommendedMovie]:
    scorer, movies = served.scorer, served.catalogue.movies
    return [_recommended_movie(entry, movies, scorer, source) for entry in ranked]


def _recommended_movie(
    entry: Recommendation, movies: Mapping[int, MovieRecord], scorer: Scorer, source: Source
) -> RecommendedMovie:
    reasons = None
    if entry.reasons is not None:
        reasons = [
            Reason(movies[reason.movie_id], reason.contribution)
            for reason in entry.reasons
            if reason.movie_id in movies
        ]
    return RecommendedMovie(
        movie=movies[entry.movie_id],
        stars=entry.stars,
        relevance=entry.relevance,
        source=source,
        in_model=scorer.was_trained_with(entry.movie_id),
        reasons=reasons,
    )
