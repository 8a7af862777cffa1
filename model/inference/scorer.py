"""Predicts and ranks for users that each call describes in full: the scorer stores nothing about them."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

import numpy as np
import torch

from model.features.catalogue import UNKNOWN
from model.features.users import UserContext
from model.inference.artifact import Artifact
from model.inference.batch_ranking import Candidates, Page, rank_many
from model.inference.cold_start import ColdStartMovie, network_of
from model.inference.encoding.catalogue import EncodedCatalogue
from model.inference.groups import Seen, Strategy, order_for_group
from model.inference.index import MovieIndex
from model.inference.ranking import UserRanking
from model.inference.results import (
    RANKING_DECIMALS,
    GroupRecommendation,
    Prediction,
    RankBy,
    Recommendation,
    descending,
    rounded,
)
from model.inference.user_state import UserState, encode_together
from model.network.batch import USERS_PER_BATCH
from model.network.heads import Stars
from model.network.rating import EncodedUsers
from model.rating_scale import RatingScale
from model.types import BoolArray, FloatArray, IntArray

UNRATED = -1
"""In place of the position of a movie in a history."""

MANY_RATED = 6
"""Movies of one history, from which on leaving out each takes less time together than one after the other."""


class Scorer:
    """A loaded artifact, ready to score.

    It encodes the movies once; a request only adds the encoding of its own history.

    Attributes:
        vocabulary: all movies that can be scored.
        trained_ids: ids of the movies that the model was trained with.
        first_movies: ids of those to ask a newcomer about, in order; empty if the training has chosen none.
    """

    def __init__(
        self,
        artifact: Artifact,
        device: torch.device,
        cold_start_movies: Sequence[ColdStartMovie] = (),
        trained: EncodedCatalogue | None = None,
    ) -> None:
        """``cold_start_movies`` are further movies to score, unknown to the artifact.

        ``trained`` has the artifact's movies, encoded; without it, they are encoded here.
        """
        network = artifact.network.to(device).eval()
        self.version = artifact.version
        self.card = artifact.card
        self.device = device
        self.trained_ids = frozenset(artifact.catalogue.movie_ids)
        self.first_movies = artifact.first_movies
        self._artifact = artifact
        self._network = network
        self._trained = trained or EncodedCatalogue.of(network, artifact.catalogue.vocabulary, MovieIndex.of(network))
        self._encoded_catalogue = self._trained
        if cold_start_movies:
            ids = [movie.movie_id for movie in cold_start_movies]
            self._encoded_catalogue = self._trained.followed_by(ids, network_of(artifact, cold_start_movies))
        self.vocabulary = self._encoded_catalogue.vocabulary

    def with_cold_start(self, cold_start_movies: Sequence[ColdStartMovie]) -> "Scorer":
        """The same model, which also scores these movies."""
        return Scorer(self._artifact, self.device, cold_start_movies, self._trained)

    @property
    def rating_scale(self) -> RatingScale:
        """The stars that users could give in the training data."""
        return self._network.config.rating_scale

    @property
    def predicts_stars(self) -> bool:
        """False for a model that has learned from likes alone: it ranks, and predicting raises `NoStarsError`."""
        return self._network.config.predicts_stars

    @property
    def default_rank_by(self) -> RankBy:
        """The order of a list that asks for none."""
        return self._encoded_catalogue.default_rank_by

    def __contains__(self, movie_id: int) -> bool:
        """Whether this movie can be scored."""
        return movie_id in self.vocabulary

    def indices(self, movie_ids: IntArray) -> IntArray:
        """The movie index of each id, that of the unknown movie for what cannot be scored, shape (movies,)."""
        return self._encoded_catalogue.indices(movie_ids)

    def times_rated(self, indices: IntArray) -> IntArray:
        """How often each of these movie indices was rated in training, shape (movies,)."""
        counts: IntArray = self._network.movies.rating_counts.cpu().numpy()
        return counts[np.where(indices < len(counts), indices, UNKNOWN)]

    def predict(self, user: UserContext, movie_ids: Sequence[int]) -> list[Prediction]:
        """Predict one user's stars for each movie; see `predict_pairs`."""
        return self.predict_pairs([user], [0] * len(movie_ids), movie_ids)

    @torch.inference_mode()
    def predict_from(self, state: UserState, movie_ids: Sequence[int]) -> list[Prediction]:
        """As `predict`, for a state of this scorer, which keeps the predictions."""
        known = state.predictions
        missing = [movie_id for movie_id in dict.fromkeys(movie_ids) if movie_id not in known]
        rated = [movie_id for movie_id in missing if state.context.has(movie_id)]
        unrated = [movie_id for movie_id in missing if not state.context.has(movie_id)]
        if rated:
            known.update(zip(rated, self.predict(state.context, rated), strict=True))
        if unrated:
            indices = torch.from_numpy(self.vocabulary.indices(unrated)).to(self.device)
            scored = self._network.score(state.encoded, self._encoded_catalogue.require_stars().take(indices))
            for movie_id, mean, shares in zip(unrated, *self._rounded(scored), strict=True):
                known[movie_id] = Prediction(movie_id, mean, shares, None)
        return [known[movie_id] for movie_id in movie_ids]

    @torch.inference_mode()
    def predict_pairs(
        self, users: Sequence[UserContext], user_index: Sequence[int], movie_ids: Sequence[int]
    ) -> list[Prediction]:
        """Predict the stars of ``users[user_index[k]]`` for ``movie_ids[k]``, for each k in order.

        A movie of the user's history is predicted from the rest of the history, so no rating explains itself. A movie
        that the model does not know gets the stars of an average one. `NoStarsError` if the model predicts none.
        """
        encoded_movies = self._encoded_catalogue.require_stars()
        indices = self.vocabulary.indices(movie_ids)
        predictions: dict[int, Prediction] = {}
        for pairs, encoded in self._encoded_for(users, user_index, movie_ids):
            movies = encoded_movies.take(torch.from_numpy(indices[pairs]).to(self.device))
            means, probabilities = self._rounded(self._network.score(encoded, movies))
            for pair, mean, shares in zip(pairs.tolist(), means, probabilities, strict=True):
                movie_id = movie_ids[pair]
                predictions[pair] = Prediction(movie_id, mean, shares, users[user_index[pair]].own_stars(movie_id))
        return [predictions[pair] for pair in range(len(movie_ids))]

    def _encoded_for(
        self, users: Sequence[UserContext], user_index: Sequence[int], movie_ids: Sequence[int]
    ) -> Iterator[tuple[IntArray, EncodedUsers]]:
        """Numbers of pairs, and the user of each: by the whole history, or without the rating of the pair's movie."""
        encoder, batch = self._encoded_catalogue.encoder, self._encoded_catalogue.batch
        index = np.array(user_index, dtype=np.int64)
        positions = np.fromiter(
            (_position(users[user], movie_id) for user, movie_id in zip(user_index, movie_ids, strict=True)), np.int64
        )
        rated = positions != UNRATED
        many = rated & (np.bincount(index[rated], minlength=len(users))[index] >= MANY_RATED)
        # One number for each history that is read: that of a user, and where there is one, the rating to leave out.
        width = max((len(user.history) for user in users), default=0) + 1
        for numbers, pairs, rows in _batches(index * width + positions + 1, np.flatnonzero(~many)):
            histories = (divmod(number, width) for number in numbers.tolist())
            encoded = encoder.encode(batch([_without(users[user], place - 1) for user, place in histories]))
            yield pairs, encoded.take(torch.from_numpy(rows).to(self.device))
        for user in np.unique(index[many]).tolist():
            alone = batch([users[user]])
            for left_out, pairs, rows in _batches(positions, np.flatnonzero(many & (index == user))):
                _, encoded = encoder.encode_without_each(alone, left_out)
                yield pairs, encoded.take(torch.from_numpy(rows).to(self.device))

    @torch.inference_mode()
    def read(self, user: UserContext, earlier: UserState | None = None) -> UserState:
        """The state of a user, for several questions about the same one.

        ``earlier`` is a state of this scorer from before the user's latest ratings; it saves reading the others again.
        """
        return UserState(self._encoded_catalogue, user, earlier)

    @torch.inference_mode()
    def prepare_lists(self, users: Sequence[UserState]) -> None:
        """Compute what the lists of several users take, in the default order, as far as it is not there.

        It is computed together: sums are taken in another order than for one user, so a number may differ by one in
        its last decimal.
        """
        missing = [user for user in users if not user.is_encoded]
        if len(missing) > 1:  # one alone is faster by its own way
            encode_together(self._encoded_catalogue, missing)
        for user in users:
            if user.context.based_on != "nothing":  # whose lists are by popularity
                user.order(self.default_rank_by)

    def mask(self, movie_ids: Iterable[int]) -> BoolArray:
        """Which movie indices belong to these ids, shape (vocabulary,); ids that the model does not know have none."""
        mask = np.zeros(len(self.vocabulary), dtype=bool)
        mask[self.vocabulary.indices(movie_ids)] = True
        mask[UNKNOWN] = False
        return mask

    def recommend(
        self,
        user: UserContext,
        among: Collection[int],
        n: int,
        offset: int = 0,
        rank_by: RankBy | None = None,
        diversity: float = 0.0,
        explain: bool = False,
    ) -> list[Recommendation]:
        """The best ``n`` movies of ``among`` after the first ``offset``, best first, ties by id.

        Movies of the history, those that the user excludes and those that the model does not know are left out.
        ``diversity``, 0 to 1, is that of `model.inference.diversity`. `NoRelevanceError` if ``rank_by`` is relevance
        and the model knows none, `NoStarsError` if it is rating and the model predicts no stars.
        """
        return self.recommend_from(self.read(user), self.mask(among), n, offset, rank_by, diversity, explain)

    @torch.inference_mode()
    def recommend_from(
        self,
        state: UserState,
        among: BoolArray,
        n: int,
        offset: int = 0,
        rank_by: RankBy | None = None,
        diversity: float = 0.0,
        explain: bool = False,
    ) -> list[Recommendation]:
        """As `recommend`, for a state of this scorer and a mask of movie indices."""
        return UserRanking(state, rank_by).best(among, n, offset, diversity, explain)

    @torch.inference_mode()
    def recommend_many(
        self,
        users: Sequence[UserContext],
        among: Collection[int],
        n: int,
        offset: int = 0,
        rank_by: RankBy | None = None,
        diversity: float = 0.0,
    ) -> list[list[Recommendation]]:
        """What `recommend` answers for each user, in their order, without reasons; computed in batches.

        A number may differ by one in its last decimal.
        """
        candidates = Candidates(self._encoded_catalogue, sorted({id_ for id_ in among if id_ in self}))
        return rank_many(candidates, users, rank_by or self.default_rank_by, Page(n, offset, diversity))

    @torch.inference_mode()
    def rank(
        self, user: UserContext, movie_ids: Sequence[int], rank_by: RankBy | None = None, explain: bool = False
    ) -> list[Recommendation]:
        """All of the movies, best first, ties by id; a repeated movie appears once.

        Movies of the history are ranked too: their relevance is 0, because they do not come again, their stars are
        predicted without the user's own rating, and they have no reasons. Errors as for `recommend`.
        """
        return self.rank_from(self.read(user), movie_ids, rank_by, explain)

    @torch.inference_mode()
    def rank_from(
        self, state: UserState, movie_ids: Sequence[int], rank_by: RankBy | None = None, explain: bool = False
    ) -> list[Recommendation]:
        """As `rank`, for a state of this scorer."""
        ranking, distinct = UserRanking(state, rank_by), sorted(set(movie_ids))
        return ranking.all(distinct, self.predict_from(state, distinct) if self.predicts_stars else None, explain)

    @torch.inference_mode()
    def recommend_to_group(
        self,
        members: Sequence[UserState],
        among: BoolArray,
        n: int,
        offset: int = 0,
        strategy: Strategy = "average",
        rank_by: RankBy | None = None,
        seen: Seen = "none",
        explain: bool = False,
    ) -> list[GroupRecommendation]:
        """The best ``n`` movies of a mask for several states of this scorer, after the first ``offset``.

        See `model.inference.groups`; errors as for `recommend`.
        """
        rank_by = rank_by or self.default_rank_by
        order = order_for_group(members, among, strategy, rank_by, seen, offset + n)
        movie_ids = self._encoded_catalogue.ids[order.movies[offset:]].tolist()
        choosers = [None] * len(movie_ids) if order.chosen_by is None else order.chosen_by[offset:].tolist()
        if not movie_ids:
            return []
        ranked = [self.rank_from(member, movie_ids, rank_by, explain) for member in members]
        opinions = [{entry.movie_id: entry for entry in entries} for entries in ranked]
        return [
            GroupRecommendation(movie_id, chooser, tuple(opinion[movie_id] for opinion in opinions))
            for movie_id, chooser in zip(movie_ids, choosers, strict=True)
        ]

    @torch.inference_mode()
    def similar_movies(self, movie_id: int, among: BoolArray, n: int) -> list[tuple[int, float]]:
        """Ids and cosines of the movies of a mask that are most similar to this one, which is left out.

        The most similar come first, ties by id.
        """
        index = self.vocabulary.index(movie_id)
        cosines = self._encoded_catalogue.similarity(index)
        indices = np.flatnonzero(among)
        indices = indices[indices != index]
        return _nearest(self._encoded_catalogue.ids[indices], cosines[indices], n)

    @torch.inference_mode()
    def user_embeddings(self, users: Sequence[UserContext]) -> FloatArray:
        """Unit-length user embeddings, shape (users, width); similar users have a high cosine."""
        return self._encoded_catalogue.user_embeddings(users)

    @staticmethod
    def similar_users(embedding: FloatArray, others: Mapping[int, FloatArray], n: int) -> list[tuple[int, float]]:
        """Ids and cosines of the most similar of the others, by `user_embeddings`, which are given by user id.

        The most similar come first, ties by id.
        """
        if not others:
            return []
        return _nearest(np.array(list(others), dtype=np.int64), np.array(list(others.values())) @ embedding, n)

    def _rounded(self, stars: Stars) -> tuple[list[float], Sequence[tuple[float, ...] | None]]:
        """Means within the rating scale, and probabilities, rounded as in every answer."""
        clipped = stars.mean.clamp(self.rating_scale[0], self.rating_scale[-1])
        means = [round(value, RANKING_DECIMALS) for value in clipped.tolist()]
        if stars.probabilities is None:
            return means, [None] * len(means)
        probabilities = stars.probabilities.cpu().double().numpy().round(RANKING_DECIMALS).tolist()
        return means, [tuple(shares) for shares in probabilities]


def _position(user: UserContext, movie_id: int) -> int:
    """Of the movie in the user's history; `UNRATED` if it is not there."""
    position = user.history.position(movie_id)
    return UNRATED if position is None else position


def _without(user: UserContext, position: int) -> UserContext:
    return user if position == UNRATED else user.without(int(user.history.movie_ids[position]))


def _batches(keys: IntArray, pairs: IntArray) -> Iterator[tuple[IntArray, IntArray, IntArray]]:
    """Up to `USERS_PER_BATCH` different keys, ascending, some pairs that have them, and which of the keys each has."""
    by_key = pairs[np.argsort(keys[pairs], kind="stable")]
    distinct, rows = np.unique(keys[by_key], return_inverse=True)
    for start in range(0, len(distinct), USERS_PER_BATCH):
        end = start + USERS_PER_BATCH
        some = slice(*np.searchsorted(rows, [start, end]))
        yield distinct[start:end], by_key[some], rows[some] - start


def _nearest(ids: IntArray, cosines: FloatArray, n: int) -> list[tuple[int, float]]:
    by_id = np.argsort(ids, kind="stable")
    best = by_id[descending(cosines[by_id])[:n]]
    return list(zip(ids[best].tolist(), rounded(cosines[best]), strict=True))
