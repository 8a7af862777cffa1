"""Predictions and lists."""

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from sqlalchemy.orm import Session

from app.observability import metrics
from app.services.catalogue import Catalogue, Filter
from app.services.model_host import ModelHost, ModelState, Snapshot
from app.services.popularity import by_weighted_rating
from app.storage import ratings, users
from model.errors import NoRelevanceError
from model.features.users import UserContext
from model.inference.diversity import DEFAULT_DIVERSITY
from model.inference.results import Prediction, RankBy, Recommendation
from seqrec.errors import MovieNotFound, NoRelevance, UserNotFound

LATEST_SHARED = 50
"""Similar users are searched among those who rated the same movies as this many latest of a user's ratings."""

MOST_SHARING = 100
"""How many of these users, those who share the most movies, the model compares."""

Source = Literal["model", "popular"]
"""What chose the movies of a list."""


class PredictionQuery(NamedTuple):
    """A user and a movie to predict the user's stars for."""

    user_id: int
    movie_id: int


class RecommendationOptions(NamedTuple):
    """Which list is asked for.

    Attributes:
        n, offset: how many movies, after how many of the best.
        rank_by: None for the model's default, or for popularity where nothing is known of the user.
        diversity: 0..1, see `model.inference.diversity`.
        explain: whether to name the ratings that speak for each movie.
        filter: which movies the list may contain.
    """

    n: int = 10
    offset: int = 0
    rank_by: RankBy | None = None
    diversity: float = DEFAULT_DIVERSITY
    explain: bool = False
    filter: Filter = Filter()


class Predictions(NamedTuple):
    """Predictions, and the state of the model that made them."""

    state: ModelState
    predictions: list[Prediction]


class RecommendationList(NamedTuple):
    """A page of a user's list, and the state of the model that made it."""

    state: ModelState
    user: UserContext
    rank_by: RankBy | Literal["popularity"]
    source: Source
    recommendations: list[Recommendation]


class Similar(NamedTuple):
    """Ids and cosines of similar movies or users, the most similar first, and the state of the model."""

    state: ModelState
    nearest: list[tuple[int, float]]


class Recommender:
    """Predicts and recommends, for users of the database and for anonymous users."""

    def __init__(self, host: ModelHost) -> None:
        self.host = host
        self.database = host.database

    def predict(self, queries: Sequence[PredictionQuery]) -> Predictions:
        """Answer each query, in their order; `UserNotFound` or `MovieNotFound` name every missing id."""
        user_ids = sorted({query.user_id for query in queries})
        contexts, snapshot = self._read_contexts(user_ids)
        position = {user_id: index for index, user_id in enumerate(user_ids)}
        return self._predict(
            self.host.state(snapshot),
            [contexts[user_id] for user_id in user_ids],
            [position[query.user_id] for query in queries],
            [query.movie_id for query in queries],
        )

    def predict_anonymous(self, user: UserContext, movie_ids: Sequence[int]) -> Predictions:
        """Predict an anonymous user's stars for each movie, in their order; `MovieNotFound`."""
        return self._predict(self._state_for(user), [user], [0] * len(movie_ids), movie_ids)

    def recommend(self, user_id: int, options: RecommendationOptions) -> RecommendationList:
        """A page of the user's best unrated movies, best first; `UserNotFound` or `NoRelevance`."""
        user, snapshot = self._read_context(user_id)
        return self._recommend(user, self.host.state(snapshot), options)

    def recommend_anonymous(self, user: UserContext, options: RecommendationOptions) -> RecommendationList:
        """The same for an anonymous user; `MovieNotFound` names unknown movies of the history."""
        return self._recommend(user, self._state_for(user), options)

    def recommend_many(self, user_ids: Sequence[int], options: RecommendationOptions) -> list[RecommendationList]:
        """What `recommend` answers for each user, in the order given and without reasons, computed in batches.

        `UserNotFound` names every missing user; `NoRelevance`.
        """
        contexts, snapshot = self._read_contexts(sorted(set(user_ids)))
        lists = self._recommend_many(contexts, self.host.state(snapshot), options)
        return [lists[user_id] for user_id in user_ids]

    def recommend_between(
        self, first: int, last: int, options: RecommendationOptions
    ) -> tuple[dict[int, RecommendationList], int]:
        """The same by id, for all users with ids from ``first`` to ``last``; and the catalogue's revision."""
        with self.database.reads() as session:
            ids = users.ids_between(session, first, last)
            contexts, snapshot = self._contexts(session, ids)
        return self._recommend_many(contexts, self.host.state(snapshot), options), snapshot.revision

    def rank(
        self, user_id: int, movie_ids: Sequence[int], rank_by: RankBy | None = None, explain: bool = False
    ) -> RecommendationList:
        """All of the movies, best first, also hidden and rated ones; `UserNotFound`, `MovieNotFound`, `NoRelevance`."""
        user, snapshot = self._read_context(user_id)
        return self._rank(user, self.host.state(snapshot), movie_ids, rank_by, explain)

    def rank_anonymous(
        self, user: UserContext, movie_ids: Sequence[int], rank_by: RankBy | None = None, explain: bool = False
    ) -> RecommendationList:
        """The same for an anonymous user."""
        return self._rank(user, self._state_for(user), movie_ids, rank_by, explain)

    def similar_movies(self, movie_id: int, n: int) -> Similar:
        """The movies most similar to this one that are not hidden; `MovieNotFound`."""
        state = self.host.current_state()
        _require_movies(state.catalogue, [movie_id])
        with metrics.scoring_seconds.labels("similar_movies").time():
            return Similar(state, state.scorer.similar_movies(movie_id, state.catalogue.select(), n))

    def similar_users(self, user_id: int, n: int) -> Similar:
        """The most similar of the users who share the most of this user's latest movies; `UserNotFound`.

        Every call reads the ratings anew, so everyone's newest ratings count.
        """
        user, snapshot = self._read_context(user_id)
        latest = [entry.movie_id for entry in user.history[-LATEST_SHARED:]]
        with self.database.reads() as session:
            ids = ratings.users_who_share(session, user_id, latest, MOST_SHARING)
            profiles = users.profiles(session, ids)
            histories = ratings.histories(session, ids)
        others = {other: UserContext(profile, histories[other]) for other, profile in profiles.items()}
        state = self.host.state(snapshot)
        with metrics.scoring_seconds.labels("similar_users").time():
            return Similar(state, state.scorer.similar_users(user, others, n))

    def _read_contexts(self, user_ids: Sequence[int]) -> tuple[Mapping[int, UserContext], Snapshot]:
        """Users by id and the catalogue, as of one transaction; `UserNotFound` names every missing id."""
        with self.database.reads() as session:
            contexts, snapshot = self._contexts(session, user_ids)
        if missing := [user_id for user_id in user_ids if user_id not in contexts]:
            raise UserNotFound(missing)
        return contexts, snapshot

    def _contexts(self, session: Session, user_ids: Sequence[int]) -> tuple[dict[int, UserContext], Snapshot]:
        """Those of the users who exist, in the order given, and the catalogue."""
        profiles = users.profiles(session, user_ids)
        histories = ratings.histories(session, user_ids)
        contexts = {id_: UserContext(profiles[id_], histories[id_]) for id_ in user_ids if id_ in profiles}
        return contexts, self.host.snapshot(session)

    def _read_context(self, user_id: int) -> tuple[UserContext, Snapshot]:
        contexts, snapshot = self._read_contexts([user_id])
        return contexts[user_id], snapshot

    def _state_for(self, user: UserContext) -> ModelState:
        """The current state; `MovieNotFound` names movies of the history that it lacks."""
        state = self.host.current_state()
        _require_movies(state.catalogue, user.stars)
        return state

    @staticmethod
    def _predict(
        state: ModelState, contexts: Sequence[UserContext], user_index: Sequence[int], movie_ids: Sequence[int]
    ) -> Predictions:
        """Predict ``movie_ids[k]`` for ``contexts[user_index[k]]``; `MovieNotFound`."""
        _require_movies(state.catalogue, movie_ids)
        with metrics.scoring_seconds.labels("predict").time():
            return Predictions(state, state.scorer.predict_pairs(contexts, user_index, movie_ids))

    def _recommend(self, user: UserContext, state: ModelState, options: RecommendationOptions) -> RecommendationList:
        candidates = state.catalogue.select(options.filter)
        if _asks_for_popular(user, options):
            return self._recommend_popular(user, state, candidates, options)
        rank_by = options.rank_by or state.scorer.default_rank_by
        with metrics.scoring_seconds.labels("recommend").time():
            try:
                recommendations = state.scorer.recommend(
                    user, candidates, options.n, options.offset, rank_by, options.diversity, options.explain
                )
            except NoRelevanceError as error:
                raise NoRelevance from error
        return RecommendationList(state, user, rank_by, "model", recommendations)

    def _recommend_many(
        self, contexts: Mapping[int, UserContext], state: ModelState, options: RecommendationOptions
    ) -> dict[int, RecommendationList]:
        candidates = state.catalogue.select(options.filter)
        rank_by = options.rank_by or state.scorer.default_rank_by
        known = {id_: user for id_, user in contexts.items() if not _asks_for_popular(user, options)}
        asked = options.n, options.offset, rank_by, options.diversity
        with metrics.scoring_seconds.labels("recommend_many").time():
            try:
                recommended = state.scorer.recommend_many(list(known.values()), candidates, *asked)
            except NoRelevanceError as error:
                raise NoRelevance from error
        lists = {
            id_: RecommendationList(state, user, rank_by, "model", entries)
            for (id_, user), entries in zip(known.items(), recommended, strict=True)
        }
        if unknown := contexts.keys() - known.keys():
            # All of whom nothing is known get the same list.
            lists |= dict.fromkeys(unknown, self._recommend_popular(UserContext(), state, candidates, options))
        return {id_: lists[id_] for id_ in contexts}

    def _recommend_popular(
        self, user: UserContext, state: ModelState, candidates: Sequence[int], options: RecommendationOptions
    ) -> RecommendationList:
        """Where nothing is known of the user: the movies that all users rate highest, then those without ratings."""
        with self.database.reads() as session:
            stats = ratings.rating_stats_by_movie(session)
        rated = [movie_id for movie_id, _ in by_weighted_rating(stats, candidates)]
        unrated = [movie_id for movie_id in candidates if movie_id not in stats]
        page = (rated + unrated)[options.offset : options.offset + options.n]
        scored = state.scorer.rank(user, page, explain=options.explain) if page else []
        by_id = {entry.movie_id: entry for entry in scored}
        return RecommendationList(state, user, "popularity", "popular", [by_id[movie_id] for movie_id in page])

    @staticmethod
    def _rank(
        user: UserContext, state: ModelState, movie_ids: Sequence[int], rank_by: RankBy | None, explain: bool
    ) -> RecommendationList:
        _require_movies(state.catalogue, movie_ids)
        rank_by = rank_by or state.scorer.default_rank_by
        with metrics.scoring_seconds.labels("rank").time():
            try:
                recommendations = state.scorer.rank(user, movie_ids, rank_by, explain)
            except NoRelevanceError as error:
                raise NoRelevance from error
        return RecommendationList(state, user, rank_by, "model", recommendations)


def _asks_for_popular(user: UserContext, options: RecommendationOptions) -> bool:
    """Whether popularity orders the list: nothing is known of the user, and no other order is asked for."""
    return options.rank_by is None and user.based_on == "nothing"


def _require_movies(catalogue: Catalogue, movie_ids: Sequence[int] | Mapping[int, float]) -> None:
    if missing := sorted({movie_id for movie_id in movie_ids if movie_id not in catalogue.movies}):
        raise MovieNotFound(missing)
