"""Predictions and lists."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Literal, NamedTuple

from sqlalchemy.orm import Session

from app.observability import metrics
from app.services.catalogue.catalogue import Catalogue, Filter
from app.services.catalogue.snapshot import Snapshot
from app.services.feedback.contexts import ContextReader
from app.services.feedback.kinds import DEFAULT_MEANINGS, Meanings
from app.services.feedback.recommendation_ids import RecommendationIds
from app.services.feedback.watchlist import watchlist_ids
from app.services.model_host import ModelHost, ModelState
from app.services.models.traffic import TrafficSplit
from app.services.popularity import Popularity
from app.storage import revisions, users
from app.storage.revisions import RevisionReader, UserRevision
from model.errors import NoRelevanceError, NoStarsError
from model.features.users import UserContext
from model.inference.diversity import DEFAULT_DIVERSITY
from model.inference.results import Prediction, RankBy, Recommendation
from model.inference.user_state import UserState
from seqrec.errors import MovieNotFound, NoRelevance, NoStars, UserNotFound

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
        on_watchlist: only movies of the user's own watch list.
    """

    n: int = 10
    offset: int = 0
    rank_by: RankBy | None = None
    diversity: float = DEFAULT_DIVERSITY
    explain: bool = False
    filter: Filter = Filter()
    on_watchlist: bool = False


class Predictions(NamedTuple):
    """Predictions, the state of the model that made each, and the external ids of the users."""

    states: Sequence[ModelState]
    predictions: list[Prediction]
    external_ids: Mapping[int, str | None] = {}


class RecommendationList(NamedTuple):
    """A page of a user's list, the state of the model that made it, and the user's external id.

    ``recommendation_id`` is the list's own, by which events name it; None for an anonymous user's.
    """

    state: ModelState
    user: UserContext
    rank_by: RankBy | Literal["popularity"]
    source: Source
    recommendations: list[Recommendation]
    external_id: str | None = None
    recommendation_id: str | None = None


class KnownUser(NamedTuple):
    """A user, what the model knows of the user, and the cache entry that it goes into.

    Attributes:
        key: the user's id, or a digest for an anonymous user.
        revision: of the user's profile and ratings; 0 for an anonymous user, whose digest says it all.
        external_id: the user's id in another system, if there is one.
    """

    key: int | bytes
    revision: int
    user: UserState
    state: ModelState
    external_id: str | None = None

    def keep(self) -> None:
        """Into the cache, with what has been computed by now."""
        self.state.keep(self.key, self.revision, self.user)


class _Contexts(NamedTuple):
    """Several users and the catalogue, as of one transaction; users and their external ids by id."""

    users: Mapping[int, UserContext]
    external_ids: Mapping[int, str | None]
    snapshot: Snapshot


class Recommender:
    """Predicts and recommends, for users of the database and for anonymous users.

    Methods that end in ``_now`` answer from memory or not at all: they neither wait nor compute for long.
    """

    def __init__(
        self,
        host: ModelHost,
        popularity: Popularity,
        ids: RecommendationIds | None = None,
        meanings: Meanings = DEFAULT_MEANINGS,
    ) -> None:
        """``ids`` gives lists their ids; ``meanings`` says what events mean for them."""
        self.host = host
        self.popularity = popularity
        self.ids = ids or RecommendationIds()
        self.contexts = ContextReader(meanings)
        self.database = host.database
        self.revisions = RevisionReader(host.database.engine)

    def predict(self, queries: Sequence[PredictionQuery]) -> Predictions:
        """Answer each query, in their order; `UserNotFound` or `MovieNotFound` name every missing id; `NoStars`."""
        user_ids = sorted({query.user_id for query in queries})
        movie_ids = [query.movie_id for query in queries]
        if len(user_ids) == 1:
            return self._predict_and_keep(self.read_user(user_ids[0]), movie_ids)
        contexts, external_ids, snapshot = self._read_contexts(user_ids)
        states = self.host.states(snapshot)
        _require_movies(states.champion.catalogue, movie_ids)
        made: dict[PredictionQuery, Prediction] = {}
        for state, ids in states.divide(user_ids):
            index = {user_id: position for position, user_id in enumerate(ids)}
            part = [query for query in queries if query.user_id in index]
            asked = [index[query.user_id] for query in part], [query.movie_id for query in part]
            with scoring("predict"):
                predictions = state.scorer.predict_pairs([contexts[id_] for id_ in ids], *asked)
            made |= zip(part, predictions, strict=True)
        answered_by = [states.of(query.user_id) for query in queries]
        return Predictions(answered_by, [made[query] for query in queries], external_ids)

    def predict_now(self, queries: Sequence[PredictionQuery]) -> Predictions | None:
        """As `predict`, for predictions of one user that are in memory."""
        if len({query.user_id for query in queries}) > 1:
            return None
        known = self.find_user(queries[0].user_id)
        movie_ids = [query.movie_id for query in queries]
        if known is None or not known.user.predictions.keys() >= set(movie_ids):
            return None
        _require_movies(known.state.catalogue, movie_ids)
        return _predictions(known, [known.user.predictions[movie_id] for movie_id in movie_ids])

    def predict_anonymous(self, user: UserContext, movie_ids: Sequence[int]) -> Predictions:
        """Predict an anonymous user's stars for each movie, in their order; `MovieNotFound` or `NoStars`."""
        return self._predict_and_keep(self.read_anonymous(user), movie_ids)

    def recommend(self, user_id: int, options: RecommendationOptions) -> RecommendationList:
        """A page of the user's best unrated movies, best first; `UserNotFound`, `NoRelevance` or `NoStars`."""
        return self.recommend_known(self.read_user(user_id), options)

    def recommend_known(self, known: KnownUser, options: RecommendationOptions) -> RecommendationList:
        """As `recommend`, for a user of `find_user` or `read_users`; `NoRelevance` or `NoStars`."""
        user, state = known.user, known.state
        if options.on_watchlist and isinstance(known.key, int):
            with self.database.reads() as session:
                among = watchlist_ids(session, known.key)
            options = options._replace(filter=options.filter._replace(among=among), on_watchlist=False)
        if asks_for_popular(user.context, options):
            return self._with_id(known.key, _counted(self._recommend_popular(known, options)))
        rank_by = options.rank_by or state.scorer.default_rank_by
        with scoring("recommend"):
            recommendations = state.scorer.recommend_from(
                user,
                state.catalogue.mask(options.filter),
                options.n,
                options.offset,
                rank_by,
                options.diversity,
                options.explain,
            )
        known.keep()
        answer = RecommendationList(state, user.context, rank_by, "model", recommendations, known.external_id)
        return self._with_id(known.key, _counted(answer))

    def find_user(self, user_id: int) -> KnownUser | None:
        """The user from memory, after one small read; None where that could wait, or if the user is not there."""
        found = self.revisions.read(user_id)
        if found is None:
            return None
        current, known = found
        states = self.host.states_at(current)
        if states is None or known is None:
            return None
        state = states.of(user_id)
        user = state.find(user_id, known.revision)
        if user is None:
            return None
        metrics.catalogue_hits.inc()
        return KnownUser(user_id, known.revision, user, state, known.external_id)

    def read_user(self, user_id: int) -> KnownUser:
        """The user, whose history is read only if it has changed; `UserNotFound`."""
        with self.database.reads() as session:
            current, found = revisions.read_with_user(session, user_id)
            if found is None:
                raise UserNotFound([user_id])
            revision, external_id = found
            self.ids.prepare(session)
            snapshot = self.host.snapshot(session, current)
            states = self.host.states_at(current)
            if states is not None and (user := states.of(user_id).find(user_id, revision)) is not None:
                return KnownUser(user_id, revision, user, states.of(user_id), external_id)
            context = self.contexts.read(session, [user_id]).get(user_id)
        if context is None:  # deleted a moment ago
            raise UserNotFound([user_id])
        state = self.host.states(snapshot).of(user_id)
        return KnownUser(user_id, revision, state.read(context, user_id), state, external_id)

    def read_users(
        self, user_ids: Sequence[int], states: TrafficSplit[ModelState] | None = None
    ) -> dict[int, KnownUser]:
        """Those of the users who exist, by id, and what their models need for their lists, computed for all together.

        Without ``states`` of the models, the current ones are taken.
        """
        with self.database.reads() as session:
            self.ids.prepare(session)
            current, found = revisions.read_with_users(session, user_ids)
            if states is None and (states := self.host.states_at(current)) is not None:  # the catalogue is as before
                metrics.catalogue_hits.inc(len(user_ids))
            users = {} if states is None else _find_users(states, found)
            contexts = self.contexts.read(session, [id_ for id_ in found if id_ not in users])
        states = states or self.host.current_states()
        users |= {id_: states.of(id_).read(context, id_) for id_, context in contexts.items()}
        with metrics.scoring("read_users"):
            for state, ids in states.divide(users):
                state.scorer.prepare_lists([users[id_] for id_ in ids])
        return {
            id_: KnownUser(id_, found[id_].revision, user, states.of(id_), found[id_].external_id)
            for id_, user in users.items()
        }

    def read_anonymous(self, context: UserContext, states: TrafficSplit[ModelState] | None = None) -> KnownUser:
        """An anonymous user, from memory if the same one has asked before; `MovieNotFound`. ``states`` as above."""
        state = (states or self.host.current_states()).of(context)
        _require_movies(state.catalogue, context.history.movie_ids.tolist())
        key = hashlib.blake2b(repr((context.profile, context.history)).encode(), digest_size=16).digest()
        user = state.find(key, revision=0)
        return KnownUser(key, 0, state.read(context) if user is None else user, state)

    def recommend_now(self, known: KnownUser, options: RecommendationOptions) -> RecommendationList | None:
        """As `recommend_known`, for a user whose movies are in order already."""
        if (
            options.explain
            or options.diversity
            or options.on_watchlist
            or asks_for_popular(known.user.context, options)
        ):
            return None
        if not known.user.is_ready(options.rank_by or known.state.scorer.default_rank_by):
            return None
        return self.recommend_known(known, options)

    def recommend_anonymous(self, user: UserContext, options: RecommendationOptions) -> RecommendationList:
        """The same for an anonymous user; `MovieNotFound` names unknown movies of the history."""
        return self.recommend_known(self.read_anonymous(user), options)

    def recommend_many(self, user_ids: Sequence[int], options: RecommendationOptions) -> list[RecommendationList]:
        """What `recommend` answers for each user, in the order given and without reasons, computed in batches.

        `UserNotFound` names every missing user; `NoRelevance` or `NoStars`.
        """
        contexts, external_ids, snapshot = self._read_contexts(sorted(set(user_ids)))
        lists: dict[int, RecommendationList] = {}
        for state, ids in self.host.states(snapshot).divide(contexts):
            lists |= self._recommend_many({id_: contexts[id_] for id_ in ids}, state, options)
        return [self._with_id(id_, lists[id_])._replace(external_id=external_ids[id_]) for id_ in user_ids]

    def recommend_between(
        self, first: int, last: int, options: RecommendationOptions
    ) -> tuple[dict[int, RecommendationList], int]:
        """The same by id, for all users with ids from ``first`` to ``last``; and the catalogue's revision.

        Here the champion makes all lists: nothing attributes to them what users do.
        """
        with self.database.reads() as session:
            ids = users.ids_between(session, first, last)
            contexts, external_ids, snapshot = self._contexts(session, ids)
        lists = self._recommend_many(contexts, self.host.states(snapshot).champion, options)
        named = {id_: answer._replace(external_id=external_ids[id_]) for id_, answer in lists.items()}
        return named, snapshot.revision

    def rank(
        self, user_id: int, movie_ids: Sequence[int], rank_by: RankBy | None = None, explain: bool = False
    ) -> RecommendationList:
        """All of the movies, best first, also hidden and rated ones.

        `UserNotFound`, `MovieNotFound`, `NoRelevance` or `NoStars`.
        """
        return self._rank(self.read_user(user_id), movie_ids, rank_by, explain)

    def rank_anonymous(
        self, user: UserContext, movie_ids: Sequence[int], rank_by: RankBy | None = None, explain: bool = False
    ) -> RecommendationList:
        """The same for an anonymous user."""
        return self._rank(self.read_anonymous(user), movie_ids, rank_by, explain)

    def _read_contexts(self, user_ids: Sequence[int]) -> _Contexts:
        """Users by id and the catalogue, as of one transaction; `UserNotFound` names every missing id."""
        with self.database.reads() as session:
            contexts, external_ids, snapshot = self._contexts(session, user_ids)
        if missing := [user_id for user_id in user_ids if user_id not in contexts]:
            raise UserNotFound(missing)
        return _Contexts(contexts, external_ids, snapshot)

    def _contexts(self, session: Session, user_ids: Sequence[int]) -> _Contexts:
        """Those of the users who exist, in the order given, and the catalogue."""
        self.ids.prepare(session)
        external_ids = {id_: user.external_id for id_, user in users.records(session, user_ids).items()}
        contexts = self.contexts.read(session, [id_ for id_ in user_ids if id_ in external_ids])
        return _Contexts(contexts, external_ids, self.host.snapshot(session))

    def _predict_and_keep(self, known: KnownUser, movie_ids: Sequence[int]) -> Predictions:
        _require_movies(known.state.catalogue, movie_ids)
        with scoring("predict"):
            predictions = known.state.scorer.predict_from(known.user, movie_ids)
        known.keep()
        return _predictions(known, predictions)

    def _with_id(self, key: int | bytes, answer: RecommendationList) -> RecommendationList:
        """The list with an id of its own, if it is of a user of the database."""
        if not isinstance(key, int):
            return answer
        return answer._replace(recommendation_id=self.ids.issue(key, answer.state.scorer.version, answer.rank_by))

    def _recommend_many(
        self, contexts: Mapping[int, UserContext], state: ModelState, options: RecommendationOptions
    ) -> dict[int, RecommendationList]:
        candidates = state.catalogue.select(options.filter)
        rank_by = options.rank_by or state.scorer.default_rank_by
        known = {id_: user for id_, user in contexts.items() if not asks_for_popular(user, options)}
        asked = options.n, options.offset, rank_by, options.diversity
        with scoring("recommend_many"):
            recommended = state.scorer.recommend_many(list(known.values()), candidates, *asked)
        lists = {
            id_: _counted(RecommendationList(state, user, rank_by, "model", entries))
            for (id_, user), entries in zip(known.items(), recommended, strict=True)
        }
        if unknown := contexts.keys() - known.keys():
            # All of whom nothing is known get the same list, but for movies that some of them exclude.
            nobody = self._recommend_popular(KnownUser(b"", 0, state.scorer.read(UserContext()), state), options)
            for id_ in unknown:
                popular = nobody
                if contexts[id_].excluded:
                    reader = KnownUser(id_, 0, state.scorer.read(contexts[id_]), state)
                    popular = self._recommend_popular(reader, options)
                lists[id_] = _counted(popular)
        return {id_: lists[id_] for id_ in contexts}

    def _recommend_popular(self, known: KnownUser, options: RecommendationOptions) -> RecommendationList:
        """Where nothing is known of the user: the movies that all users rate highest, then those without ratings."""
        state = known.state
        excluded = known.user.context.excluded
        candidates = [id_ for id_ in state.catalogue.select(options.filter) if id_ not in excluded]
        rated = self.popularity.rated_movies()
        best = [movie_id for movie_id, _ in rated.best(set(candidates))]
        unrated = [movie_id for movie_id in candidates if movie_id not in rated.stats]
        page = (best + unrated)[options.offset : options.offset + options.n]
        scored = state.scorer.rank_from(known.user, page, explain=options.explain) if page else []
        by_id = {entry.movie_id: entry for entry in scored}
        entries = [by_id[movie_id] for movie_id in page]
        return RecommendationList(state, known.user.context, "popularity", "popular", entries, known.external_id)

    def _rank(
        self, known: KnownUser, movie_ids: Sequence[int], rank_by: RankBy | None, explain: bool
    ) -> RecommendationList:
        state = known.state
        _require_movies(state.catalogue, movie_ids)
        rank_by = rank_by or state.scorer.default_rank_by
        with scoring("rank"):
            recommendations = state.scorer.rank_from(known.user, movie_ids, rank_by, explain)
        known.keep()
        answer = RecommendationList(state, known.user.context, rank_by, "model", recommendations, known.external_id)
        return self._with_id(known.key, answer)


def _find_users(states: TrafficSplit[ModelState], found: Mapping[int, UserRevision]) -> dict[int, UserState]:
    """Those of the users, at these revisions, who are in memory."""
    users = {id_: states.of(id_).find(id_, one.revision) for id_, one in found.items()}
    return {id_: user for id_, user in users.items() if user is not None}


@contextmanager
def scoring(what: str) -> Iterator[None]:
    """Measures what is scored within it; `NoRelevance` or `NoStars` for what the model cannot say."""
    with metrics.scoring(what):
        try:
            yield
        except NoRelevanceError as error:
            raise NoRelevance from error
        except NoStarsError as error:
            raise NoStars from error


def _predictions(known: KnownUser, predictions: list[Prediction]) -> Predictions:
    """Those of one user."""
    external_ids = {known.key: known.external_id} if isinstance(known.key, int) else {}
    return Predictions([known.state] * len(predictions), predictions, external_ids)


def _counted(answer: RecommendationList) -> RecommendationList:
    metrics.record_list(answer.source, answer.rank_by, len(answer.recommendations))
    return answer


def asks_for_popular(user: UserContext, options: RecommendationOptions) -> bool:
    """Whether popularity orders the list: nothing is known of the user, and no other order is asked for."""
    return options.rank_by is None and user.based_on == "nothing"


def _require_movies(catalogue: Catalogue, movie_ids: Sequence[int]) -> None:
    if missing := sorted({movie_id for movie_id in movie_ids if movie_id not in catalogue.movies}):
        raise MovieNotFound(missing)
