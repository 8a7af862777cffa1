"""What a model computes of one user, kept for the next questions about the same one."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from model.errors import NoRelevanceError
from model.features.catalogue import UNKNOWN
from model.features.users import UserContext
from model.inference.encoding.catalogue import EncodedCatalogue
from model.inference.encoding.users import ReadHistory
from model.inference.index import BEST, IndexedRelevance, exclude
from model.inference.results import HORIZON, Prediction, RankBy, descending
from model.network.batch import USERS_PER_BATCH, Users
from model.network.heads import Stars
from model.network.rating import EncodedUsers
from model.types import BoolArray, FloatArray, IntArray

BYTES_PER_PREDICTION = 200
"""Python's objects, not their values, take the memory."""


class PredictedStars(NamedTuple):
    """What a user is predicted to give some movies.

    Attributes:
        movies: indices, shape (movies,); ascending where some are to be found.
        stars: not clipped, shape (movies,).
        like_probability: how likely 4 or more stars are, NaN from a head for the mean alone, shape (movies,).
    """

    movies: IntArray
    stars: FloatArray
    like_probability: FloatArray

    def at(self, rows: IntArray) -> "PredictedStars":
        return PredictedStars(self.movies[rows], self.stars[rows], self.like_probability[rows])

    def find(self, indices: IntArray) -> tuple[IntArray, BoolArray]:
        """Rows of movie indices among these, which ascend, and whether each is there; shape (indices,) both."""
        rows = np.searchsorted(self.movies, indices)
        rows[rows == len(self.movies)] = 0
        return rows, self.movies[rows] == indices if len(self.movies) else np.zeros(len(indices), dtype=bool)

    def with_others(self, others: "PredictedStars") -> "PredictedStars":
        """Both, of different movies, ascending."""
        movies = np.concatenate([self.movies, others.movies])
        stars = np.concatenate([self.stars, others.stars])
        likely = np.concatenate([self.like_probability, others.like_probability])
        return PredictedStars(movies, stars, likely).at(np.argsort(movies))


NO_STARS = PredictedStars(np.empty(0, np.uint8), *np.empty((2, 0), np.float32))


class UserState:
    """What the model computes of one user. Each part is computed when it is first needed, and then kept.

    Attributes:
        user: a batch of this one user, as the network reads it.
        rated: movie indices of the history.
        excluded: movie indices that lists leave out beside these.
        predictions: those made so far, by movie id.
    """

    def __init__(self, catalogue: EncodedCatalogue, context: UserContext, earlier: "UserState | None" = None) -> None:
        """``earlier`` is a state of the same user in the same catalogue, before the latest changes."""
        self.catalogue = catalogue
        self.context = context
        self.user = catalogue.batch([context])
        self.predictions: dict[int, Prediction] = {}
        self.rated: IntArray = self.user.movies.cpu().numpy()
        self.excluded: IntArray = catalogue.vocabulary.indices(context.excluded)
        self._encoded: EncodedUsers | None = None
        self._queries: Tensor | None = None
        self._read: ReadHistory | None = (
            earlier._read if earlier is not None and earlier._is_beginning_of(context) else None
        )
        self._log_relevance: dict[str, FloatArray] = {}
        self._indexed_relevance: dict[str, IndexedRelevance] = {}
        self._orders: dict[RankBy, IntArray] = {}
        # Of the few movies that were listed: arrays of the whole catalogue would be a third of the state.
        self._stars = NO_STARS

    @property
    def is_encoded(self) -> bool:
        """Whether all networks that there are have read the user."""
        stars = self._encoded is not None or self.catalogue.movies is None
        return stars and (self._queries is not None or self.catalogue.vectors is None)

    def keep(self, encoded: EncodedUsers | None, queries: Tensor | None) -> None:
        """Take over what was computed of this user in a batch."""
        self._encoded, self._queries = encoded, queries

    # Not cached properties: before Python 3.12 one lock of theirs makes the threads of all users wait for each other.

    @property
    def encoded(self) -> EncodedUsers:
        """The user as the rating network sees one; `NoStarsError` if there is none."""
        if self._encoded is None:
            self.catalogue.require_stars()
            self._encoded = self.catalogue.encoder.encode(self.user)
        return self._encoded

    @property
    def queries(self) -> Tensor:
        """The user as lists compare one with movies; `NoRelevanceError` if there is no ranking network."""
        if self._queries is None:
            queries, self._read = self.catalogue.encoder.read_on(self.user, self._read)
            self._queries = self.catalogue.network.compared_queries(queries, lambda: self.encoded.vectors)
        return self._queries

    def encoded_without_each(self, left_out: IntArray) -> EncodedUsers:
        """`encoded` without each of the ratings at these positions; `NoStarsError` if there is no rating network."""
        self.catalogue.require_stars()
        whole, without = self.catalogue.encoder.encode_without_each(self.user, left_out)
        if self._encoded is None:
            self._encoded = self.catalogue.encoder.encode(self.user, whole)
        return without

    def queries_without_each(self, left_out: IntArray) -> Tensor:
        """`queries` without each of the ratings at these positions, shape (left out, horizons, width).

        `NoRelevanceError` if there is no ranking network.
        """
        encoder, network = self.catalogue.encoder, self.catalogue.network
        if self._queries is not None:
            others = encoder.queries_without_each(self.user, left_out)
            return network.compared_queries(others, lambda: self._vectors_without_each(left_out))
        queries, self._read, others = encoder.read_without_each(self.user, left_out)
        others = network.compared_queries(others, lambda: self._vectors_without_each(left_out))
        self._queries = network.compared_queries(queries, lambda: self.encoded.vectors)
        return others

    def _vectors_without_each(self, left_out: IntArray) -> Tensor:
        whole, without = self.catalogue.encoder.vectors_without_each(self.user, left_out)
        if self._encoded is None:
            self._encoded = self.catalogue.encoder.encode(self.user, whole)
        return without

    def _is_beginning_of(self, context: UserContext) -> bool:
        """Whether the context's history goes on from this one's."""
        history = self.context.history
        return context.history[: len(history)] == history

    def log_relevance(self, horizon: str) -> FloatArray | None:
        """Log-probability of each movie index over all that are not rated, shape (movies,).

        None without a ranking network.
        """
        if self.catalogue.vectors is None:
            return None
        if horizon not in self._log_relevance:
            self._log_relevance[horizon] = self.log_relevance_for(self.queries, horizon)[0].cpu().numpy()
        return self._log_relevance[horizon]

    def log_relevance_of(self, indices: IntArray, horizon: str) -> FloatArray | None:
        """The same of some movie indices, shape (indices,)."""
        indexed = self._indexed(horizon)
        if indexed is not None:
            return indexed.log_relevance(indices)
        relevance = self.log_relevance(horizon)
        return None if relevance is None else relevance[indices]

    def _indexed(self, horizon: str) -> IndexedRelevance | None:
        """The relevance of the catalogue's movies by its index; None if it has none."""
        index, movies = self.catalogue.index, self.catalogue.compared
        if index is None or movies is None:
            return None
        if horizon not in self._indexed_relevance:
            self._indexed_relevance[horizon] = IndexedRelevance(index, movies, self.queries, horizon, self.rated)
        return self._indexed_relevance[horizon]

    def log_relevance_for(self, queries: Tensor, horizon: str) -> Tensor:
        """The same for several queries, shape (queries, movies); minus infinity for what this user has rated."""
        logits = self.catalogue.logits(queries, horizon).float()
        logits[:, UNKNOWN] = -torch.inf
        logits[:, self.user.movies] = -torch.inf
        return logits.log_softmax(-1)

    def stars(self, indices: IntArray) -> FloatArray:
        """Predicted stars of some movie indices, not clipped, shape (movies,)."""
        return self.predicted(indices).stars

    def predicted(self, indices: IntArray) -> PredictedStars:
        """The same, with how likely the user is to like each."""
        known = self._stars
        rows, there = known.find(indices)
        if not there.all():
            missing = indices[~there]
            predicted = self.stars_for(self.encoded, missing)
            means = predicted.mean[0].float().cpu().numpy()
            likely = predicted.like_probability(self.catalogue.network.config.rating_scale)
            probabilities = np.full_like(means, np.nan) if likely is None else likely[0].float().cpu().numpy()
            known = known.with_others(PredictedStars(missing.astype(self._index_type), means, probabilities))
            rows, _ = known.find(indices)
            if len(known.movies) > len(self._stars.movies):  # another request may have asked for more meanwhile
                self._stars = known
        return known.at(rows)

    @property
    def _index_type(self) -> np.dtype[Any]:
        """The smallest that a movie index fits into: what is kept of many users is to be small."""
        return np.min_scalar_type(len(self.catalogue.vocabulary))

    def stars_for(self, users: EncodedUsers, indices: IntArray) -> Stars:
        """What several users are predicted to give, shape (users, movies)."""
        return self.catalogue.stars(users, indices)

    def is_ready(self, rank_by: RankBy) -> bool:
        """Whether the best movies have been found already."""
        return rank_by in self._orders

    def best(self, rank_by: RankBy, among: BoolArray, most: int) -> IntArray:
        """At least the ``most`` best movie indices of a mask that the user has not rated, or all that there are.

        The best come first, ties by movie id; shape (found,).
        """
        order = self.order(rank_by)
        found = order[among[order]].astype(np.int64)
        indexed = self._by_index(rank_by)
        if len(found) >= most or indexed is None:
            return found
        # What an earlier page had comes first, whatever a wider search finds, so that pages join.
        found = _followed_by(found, self._best_first(rank_by, indexed.best(among, BEST)))[:BEST]
        if len(found) >= min(most, int(np.count_nonzero(among & indexed.unrated))):
            return found
        order = self._all(rank_by)
        return _followed_by(found, order[among[order]])

    def order(self, rank_by: RankBy) -> IntArray:
        """All movie indices that the user has not rated, best first, ties by movie id; of an indexed catalogue, `BEST`.

        Shape (unrated,).
        """
        if rank_by not in self._orders:
            if rank_by == "rating":
                self.stars(np.arange(len(self.catalogue.vocabulary)))  # those of all need no copy of the movies
            indexed = self._by_index(rank_by)
            order = self._all(rank_by) if indexed is None else self._best_first(rank_by, indexed.found)[:BEST]
            self._orders[rank_by] = order.astype(self._index_type)
        return self._orders[rank_by]

    def _all(self, rank_by: RankBy) -> IntArray:
        """All movie indices that the user has not rated, in the order of a list, shape (unrated,)."""
        by_id = self.catalogue.by_id
        by_id = by_id[exclude(np.ones(len(by_id), dtype=bool), self.rated)[by_id]]
        return by_id[descending(self.scores(rank_by, by_id))]

    def _best_first(self, rank_by: RankBy, indices: IntArray) -> IntArray:
        """Movie indices in the order of a list, ties by movie id, shape (indices,)."""
        by_id = indices[np.argsort(self.catalogue.ids[indices], kind="stable")]
        return by_id[descending(self.scores(rank_by, by_id))]

    def _by_index(self, rank_by: RankBy) -> IndexedRelevance | None:
        """What finds the best movies without comparing all of them; None where all are compared."""
        return None if rank_by == "rating" else self._indexed(HORIZON[rank_by])

    def scores(self, rank_by: RankBy, indices: IntArray) -> FloatArray:
        """What a list is ordered by, for some movie indices, shape (indices,)."""
        if rank_by == "rating":
            return self.stars(indices)
        scores = self.log_relevance_of(indices, HORIZON[rank_by])
        if scores is None:
            raise NoRelevanceError
        return scores

    @property
    def nbytes(self) -> int:
        """Memory that the state takes now, about."""
        arrays: tuple[npt.NDArray[Any], ...] = (
            *self._stars,
            *self._orders.values(),
            *self._log_relevance.values(),
            *(array for indexed in self._indexed_relevance.values() for array in (indexed.found, indexed.unrated)),
        )
        tensors: list[Tensor] = [self.user.movies, self.user.stars, *([] if self._queries is None else [self._queries])]
        if self._read is not None:
            arrays += tuple(array for end in self._read.ends for array in end)
        if self._encoded is not None:
            tensors += self._encoded.tensors
        held = sum(array.nbytes for array in arrays) + sum(tensor.nbytes for tensor in tensors)
        return held + self.context.history.nbytes + BYTES_PER_PREDICTION * len(self.predictions)


def _followed_by(first: IntArray, others: IntArray) -> IntArray:
    """Movie indices, and those of others that are not among them."""
    return np.concatenate([first, others[np.isin(others, first, invert=True)]])


def encode_together(catalogue: EncodedCatalogue, states: Sequence[UserState]) -> None:
    """Compute what both networks know of some users, in batches of histories of about one length."""
    by_length = sorted(states, key=lambda state: len(state.rated))
    for start in range(0, len(by_length), USERS_PER_BATCH):
        some = by_length[start : start + USERS_PER_BATCH]
        encoded, queries = _encoded(catalogue, catalogue.batch([state.context for state in some]))
        for number, state in enumerate(some):
            # Copies: a view would keep the numbers of the whole batch in memory as long as those of one user.
            only = slice(number, number + 1)
            state.keep(
                None if encoded is None else encoded.take(only).copied(),
                None if queries is None else queries[only].clone(),
            )


def _encoded(catalogue: EncodedCatalogue, users: Users) -> tuple[EncodedUsers | None, Tensor | None]:
    """The users as the rating network sees them, and as lists compare them; None of a network that is not there."""
    encoded = None if catalogue.movies is None else catalogue.encoder.encode(users)
    queries = None if catalogue.vectors is None else catalogue.encoder.queries(users)
    if encoded is not None and queries is not None:
        vectors = encoded.vectors
        queries = catalogue.network.compared_queries(queries, lambda: vectors)
    return encoded, queries
