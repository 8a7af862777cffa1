"""One user's list: the order of its movies, and the reasons for each."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from model.errors import NoRelevanceError, NoStarsError
from model.features.catalogue import UNKNOWN, Vocabulary
from model.features.users import UserContext, encode_profiles
from model.inference.diversity import POOL, CategoryDistribution, diversified
from model.inference.encoder import ReadHistory, UserEncoder
from model.inference.explanation import LATEST_EXPLAINED, MOST_REASONS
from model.inference.index import BEST, IndexedRelevance, MovieIndex, without
from model.inference.results import Prediction, RankBy, Reason, Recommendation
from model.network.batch import USERS_PER_BATCH, Users
from model.network.heads import Stars
from model.network.prior import MovieFactors
from model.network.ranking import MovieVectors, RankingNetwork
from model.network.rating import EncodedMovies, EncodedUsers, SeqRec
from model.rating_scale import RELEVANT_STARS, RatingScale
from model.types import BoolArray, FloatArray, IntArray, clip

RANKING_DECIMALS = 4
"""Stars, logits and cosines that are equal in these decimals are a tie."""

RELEVANCE_DECIMALS = 6

POSITION_BITS = 32
"""Of a number that is sorted in place of a score; for the positions of more movies than anyone has."""

LEAST_SCORE = np.float32(-100_000)
"""Below all stars, logits and logarithms of probabilities; a score in units of the last decimal fits above it."""

HORIZON: dict[RankBy, str] = {"relevance": "relevance", "next": "next", "rating": "relevance"}
"""Of the relevance that a list shows, by what it is ordered by."""

MOVIES_AT_ONCE = 100_000
"""Movies that are encoded together."""

BYTES_PER_ENTRY = 250
"""Of a rating in a history, and of a prediction: Python's objects, not their values, take the memory."""


@dataclass(frozen=True)
class EncodedCatalogue:
    """A network's movies, all encoded once.

    Attributes:
        vocabulary: translates movie ids to indices.
        movies: movies as the output network combines them with users; None for a network that predicts no stars.
        vectors: movies as the ranking network reads them; None for a network without one.
        compared: the same as lists compare them; see `model.network.liking`.
        categories: what a diverse list is measured by.
        encoder: encodes the users.
        index: finds the best of very many movies; None where all are compared.
    """

    network: SeqRec
    vocabulary: Vocabulary
    movies: EncodedMovies | None
    vectors: MovieVectors | None
    compared: MovieVectors | None
    categories: CategoryDistribution
    encoder: UserEncoder
    index: MovieIndex | None = None

    @classmethod
    def of(
        cls, network: SeqRec, vocabulary: Vocabulary, device: torch.device, index: MovieIndex | None = None
    ) -> "EncodedCatalogue":
        """``index`` has the movies of the catalogue, or those of it that were trained."""
        with torch.inference_mode():
            indices = torch.arange(len(network.movies), device=device)
            movies = encode_all(network, indices) if network.config.predicts_stars else None
            vectors = network.ranking.movies() if network.ranking is not None else None
            factors = None if movies is None else movies.prior
            compared = None if vectors is None else network.compared(vectors, factors)
        categories = CategoryDistribution(network.movies.genres.cpu().numpy(), network.movies.ratings.cpu().numpy())
        encoder = UserEncoder(network, movies, vectors)
        return cls(network, vocabulary, movies, vectors, compared, categories, encoder, index)

    @cached_property
    def ids(self) -> IntArray:
        """Movie id of each movie index, 0 for the unknown movie, shape (movies,)."""
        return np.array([0, *self.vocabulary.ids], dtype=np.int64)

    @cached_property
    def by_id(self) -> IntArray:
        """All movie indices, in the order of the ids, shape (movies,)."""
        return np.argsort(self.ids)

    @cached_property
    def normalized_directions(self) -> FloatArray:
        """`movie_directions` of length 1, shape (movies, width)."""
        directions: FloatArray = torch.nn.functional.normalize(self.movie_directions, dim=-1).float().cpu().numpy()
        return directions

    def require_stars(self) -> EncodedMovies:
        """The movies as the output network combines them with users; `NoStarsError` if it predicts no stars."""
        if self.movies is None:
            raise NoStarsError
        return self.movies

    def require_compared(self) -> MovieVectors:
        """The movies as lists compare them; `NoRelevanceError` if there is no ranking network."""
        if self.compared is None:
            raise NoRelevanceError
        return self.compared

    @property
    def default_rank_by(self) -> RankBy:
        """The order of a list that asks for none: relevance, if the network knows it."""
        return "rating" if self.vectors is None else "relevance"

    @property
    def movie_directions(self) -> Tensor:
        """A vector for each movie index, shape (movies, width); similar movies point the same way."""
        return self.require_stars().prior.vectors if self.vectors is None else self.vectors.vectors

    def user_directions(self, users: Sequence[UserContext]) -> FloatArray:
        """A vector of length 1 for each user, shape (users, width); similar users point the same way."""
        batches = (users[start : start + USERS_PER_BATCH] for start in range(0, len(users), USERS_PER_BATCH))
        parts = [torch.nn.functional.normalize(self._user_directions(self.batch(some)), dim=-1) for some in batches]
        return torch.cat(parts).float().cpu().numpy() if parts else np.empty((0, 0), dtype=np.float32)

    def _user_directions(self, users: Users) -> Tensor:
        """The same of any length, for a batch of users."""
        if self.vectors is None:
            return self.network.encode_users(users).vectors
        return self.network.require_ranking().queries(users, self.vectors).flatten(1)

    def batch(self, users: Sequence[UserContext]) -> Users:
        """Users as the network reads them, on the device of the encoded movies."""
        entries = [entry for user in users for entry in user.history]
        batch = Users(
            profiles=torch.from_numpy(encode_profiles([user.profile for user in users])),
            movies=torch.from_numpy(self.vocabulary.indices(entry.movie_id for entry in entries)),
            stars=torch.tensor([entry.stars for entry in entries], dtype=torch.float32),
            lengths=torch.tensor([len(user.history) for user in users]),
        )
        return batch.to(self.device)

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return self.network.movies.titles.device


def encode_all(network: SeqRec, indices: Tensor, at_once: int = MOVIES_AT_ONCE) -> EncodedMovies:
    """The movies at these indices, encoded in parts: on the way a movie takes several times the memory."""
    parts = torch.split(indices, at_once)
    first = network.encode_movies(parts[0])
    if len(parts) == 1:
        return first
    hidden, vectors, offsets = (part.new_empty(len(indices), *part.shape[1:]) for part in (first.hidden, *first.prior))
    whole = EncodedMovies(hidden, MovieFactors(vectors, offsets))
    for start, part in zip(range(0, len(indices), at_once), parts, strict=True):
        encoded = first if start == 0 else network.encode_movies(part)
        whole.hidden[start : start + at_once] = encoded.hidden
        whole.prior.vectors[start : start + at_once] = encoded.prior.vectors
        whole.prior.offsets[start : start + at_once] = encoded.prior.offsets
    return whole


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
        self._stars = np.full(len(catalogue.vocabulary), np.nan, dtype=np.float32)
        self._like_probability = self._stars.copy()

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
            liking = self.catalogue.network.liking
            self._queries = queries if liking is None else liking.queries(queries, self.encoded.vectors)
        return self._queries

    def _is_beginning_of(self, context: UserContext) -> bool:
        """Whether the context's history goes on from this one's."""
        own = self.context.history
        return context.history[: len(own)] == own

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
        logits = RankingNetwork.logits(queries, self.catalogue.require_compared(), horizon).float()
        logits[:, UNKNOWN] = -torch.inf
        logits[:, self.user.movies] = -torch.inf
        return logits.log_softmax(-1)

    def stars(self, indices: IntArray) -> FloatArray:
        """Predicted stars of some movie indices, not clipped, shape (movies,)."""
        missing = indices[np.isnan(self._stars[indices])]
        if len(missing):
            predicted = self.stars_for(self.encoded, missing)
            self._stars[missing] = predicted.mean[0].float().cpu().numpy()
            likely = predicted.like_probability(self.catalogue.network.config.rating_scale)
            if likely is not None:
                self._like_probability[missing] = likely[0].float().cpu().numpy()
        stars: FloatArray = self._stars[indices]
        return stars

    def like_probability(self, indices: IntArray) -> FloatArray:
        """How likely the user is to give them 4 or more stars, shape (movies,); NaN from a head for the mean alone.

        Only of movies whose `stars` have been asked for.
        """
        probability: FloatArray = self._like_probability[indices]
        return probability

    def stars_for(self, users: EncodedUsers, indices: IntArray) -> Stars:
        """What several users are predicted to give, shape (users, movies)."""
        movies = self.catalogue.require_stars()
        if len(indices) < len(self._stars):
            movies = movies.take(torch.from_numpy(indices).to(users.hidden.device))
        return self.catalogue.network.score_each(users, movies)

    def is_ready(self, rank_by: RankBy) -> bool:
        """Whether the best movies have been found already."""
        return rank_by in self._orders

    def best(self, rank_by: RankBy, among: BoolArray, most: int) -> IntArray:
        """At least the ``most`` best movie indices of a mask that the user has not rated, or all that there are.

        The best come first, ties by movie id; shape (found,).
        """
        order = self.order(rank_by)
        found = order[among[order]]
        indexed = self._by_index(rank_by)
        if len(found) >= most or indexed is None:
            return found
        if most > BEST:
            order = self._all(rank_by)
            return order[among[order]]
        return self._best_first(rank_by, indexed.best(among, most))[:most]

    def order(self, rank_by: RankBy) -> IntArray:
        """All movie indices that the user has not rated, best first, ties by movie id; of an indexed catalogue, `BEST`.

        Shape (unrated,).
        """
        if rank_by not in self._orders:
            if rank_by == "rating":
                self.stars(np.arange(len(self._stars)))  # those of all movies need no copy of the movies
            indexed = self._by_index(rank_by)
            order = self._all(rank_by) if indexed is None else self._best_first(rank_by, indexed.found)[:BEST]
            self._orders[rank_by] = order.astype(np.int32)
        return self._orders[rank_by]

    def _all(self, rank_by: RankBy) -> IntArray:
        """All movie indices that the user has not rated, in the order of a list, shape (unrated,)."""
        by_id = self.catalogue.by_id
        by_id = by_id[without(np.ones(len(by_id), dtype=bool), self.rated)[by_id]]
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
            self._stars,
            self._like_probability,
            *self._orders.values(),
            *self._log_relevance.values(),
            *(array for indexed in self._indexed_relevance.values() for array in (indexed.found, indexed.unrated)),
        )
        tensors: list[Tensor] = [self.user.movies, self.user.stars, *([] if self._queries is None else [self._queries])]
        if self._read is not None:
            arrays += (self._read.state, self._read.cell)
        if self._encoded is not None:
            tensors += [self._encoded.hidden, self._encoded.vectors]
        held = sum(array.nbytes for array in arrays) + sum(tensor.nbytes for tensor in tensors)
        return held + BYTES_PER_ENTRY * (len(self.context.history) + len(self.predictions))


def encode_together(catalogue: EncodedCatalogue, states: Sequence[UserState]) -> None:
    """Compute what both networks know of some users, in batches of histories of about one length."""
    by_length = sorted(states, key=lambda state: len(state.rated))
    for start in range(0, len(by_length), USERS_PER_BATCH):
        some = by_length[start : start + USERS_PER_BATCH]
        batch = catalogue.batch([state.context for state in some])
        encoded = None if catalogue.movies is None else catalogue.encoder.encode(batch)
        queries = None if catalogue.vectors is None else catalogue.encoder.queries(batch)
        liking = catalogue.network.liking
        if liking is not None and queries is not None and encoded is not None:
            queries = liking.queries(queries, encoded.vectors)
        for number, state in enumerate(some):
            # Copies: a view would keep the numbers of the whole batch in memory as long as those of one user.
            only = slice(number, number + 1)
            state.keep(
                None if encoded is None else EncodedUsers(encoded.hidden[only].clone(), encoded.vectors[only].clone()),
                None if queries is None else queries[only].clone(),
            )


class UserRanking:
    """Orders movies for one user. Movie indices come in and recommendations go out."""

    def __init__(self, state: UserState, rank_by: RankBy | None) -> None:
        """Raises `NoRelevanceError` or `NoStarsError` if the order asked for is one that the network does not know."""
        self.state = state
        self.catalogue = state.catalogue
        self.rank_by = rank_by or self.catalogue.default_rank_by
        self.horizon = HORIZON[self.rank_by]
        if self.rank_by == "rating":
            self.catalogue.require_stars()
        else:
            self.catalogue.require_compared()

    def best(
        self, among: BoolArray, n: int, offset: int = 0, diversity: float = 0.0, explain: bool = False
    ) -> list[Recommendation]:
        """The best ``n`` after the first ``offset`` of the movies that the user has neither rated nor excluded.

        Ties by id. ``among`` says of each movie index whether the list may contain it, shape (movies,).
        """
        if len(self.state.excluded):
            among = without(among, self.state.excluded)
        order = self.state.best(self.rank_by, among, max(offset + n, POOL if diversity else 0))
        if diversity:
            scores = self.state.scores(self.rank_by, order)
            worth = scores if self.rank_by == "rating" else np.exp(scores)
            order = diversified(worth, order, self.state.rated, self.catalogue.categories, diversity, offset + n)
        page = order[offset : offset + n]
        stars: Sequence[float | None] = [None] * len(page)
        likely: Sequence[float | None] = [None] * len(page)
        if self.catalogue.movies is not None:
            stars = rounded(clip(self.state.stars(page), self._rating_scale))
            if self.catalogue.network.config.likelihood == "categorical":
                likely = rounded(self.state.like_probability(page))
        return self._entries(self.catalogue.ids[page].tolist(), page, stars, likely, explain)

    def all(
        self, movie_ids: Sequence[int], predictions: Sequence[Prediction] | None, explain: bool = False
    ) -> list[Recommendation]:
        """All of the movies, best first, also rated ones, whose relevance is 0.

        ``movie_ids`` ascend; ties keep that order. ``predictions`` are theirs, None from a network that predicts no
        stars.
        """
        indices = self.catalogue.vocabulary.indices(movie_ids)
        stars: list[float | None] = [None] * len(movie_ids)
        likely = stars
        if predictions is not None:
            stars = [one.stars for one in predictions]
            likely = [like_probability(one, self._rating_scale) for one in predictions]
        by_stars = self.rank_by == "rating"
        best = descending(np.array(stars, dtype=np.float64) if by_stars else self.state.scores(self.rank_by, indices))
        order = best.tolist()
        return self._entries(
            [movie_ids[at] for at in order],
            indices[best],
            [stars[at] for at in order],
            [likely[at] for at in order],
            explain,
        )

    @property
    def _rating_scale(self) -> tuple[float, ...]:
        return self.catalogue.network.config.rating_scale

    def _entries(
        self,
        movie_ids: Sequence[int],
        indices: IntArray,
        stars: Sequence[float | None],
        likely: Sequence[float | None],
        explain: bool,
    ) -> list[Recommendation]:
        """Recommendations in the order given; ids, indices, stars and probabilities to like them go together."""
        relevances: Sequence[float | None] = [None] * len(indices)
        log_relevance = self.state.log_relevance_of(indices, self.horizon)
        if log_relevance is not None:
            probabilities = np.exp(log_relevance, dtype=np.float64)
            relevances = np.round(probabilities, RELEVANCE_DECIMALS).tolist()
        reasons = self._reasons(indices) if explain else [None] * len(indices)
        return [Recommendation(*entry) for entry in zip(movie_ids, stars, likely, relevances, reasons, strict=True)]

    def _reasons(self, indices: IntArray) -> list[tuple[Reason, ...]]:
        """For each movie index, the ratings that speak for it most; see `model.inference.explanation`.

        A movie that the user gave less than usual is no reason for another one, whatever the score loses without it.
        """
        latest = min(len(self.state.rated), LATEST_EXPLAINED)
        if self.rank_by != "rating":  # the ranking network reads no further back
            ranking = self.catalogue.network.require_ranking()
            latest = min(latest, len(self.state.rated) - ranking.config.window_start(len(self.state.rated)))
        if latest == 0:
            return [() for _ in indices]
        lost = self._lost_without_each(indices, latest).float().cpu().numpy()  # (latest, movies)
        examined = self.state.context.history[-latest:]
        stars = np.array([entry.stars for entry in examined])
        lost[stars < np.mean([entry.stars for entry in self.state.context.history])] = 0
        best = np.argsort(-lost, axis=0, kind="stable")[:MOST_REASONS]
        return [
            tuple(
                Reason(
                    examined[position].movie_id,
                    examined[position].stars,
                    round(float(lost[position, movie]), RANKING_DECIMALS),
                    examined[position].feedback,
                )
                for position in best[:, movie]
                if lost[position, movie] > 0
            )
            for movie in range(len(indices))
        ]

    def _lost_without_each(self, indices: IntArray, latest: int) -> Tensor:
        """What the score loses without each of the latest ratings, shape (latest, movies)."""
        state = self.state
        if self.rank_by == "rating":
            without = self.catalogue.encoder.encode_without_each(state.user, latest)
            return state.stars_for(state.encoded, indices).mean - state.stars_for(without, indices).mean
        queries = self.catalogue.encoder.queries_without_each(state.user, latest)
        liking = self.catalogue.network.liking
        if liking is not None:
            queries = liking.queries(queries, self.catalogue.encoder.vectors_without_each(state.user, latest))
        whole = state.log_relevance_for(state.queries, self.horizon)
        return whole[:, indices] - state.log_relevance_for(queries, self.horizon)[:, indices]


def like_probability(prediction: Prediction, scale: RatingScale) -> float | None:
    """How likely the user is to give 4 or more stars; None from a model that predicts the mean alone."""
    if prediction.probabilities is None:
        return None
    levels = zip(scale, prediction.probabilities, strict=True)
    return round(sum(share for stars, share in levels if stars >= RELEVANT_STARS), RANKING_DECIMALS)


def rounded(values: FloatArray) -> list[float]:
    """As in every answer."""
    numbers: list[float] = np.round(values.astype(np.float64), RANKING_DECIMALS).tolist()
    return numbers


def descending(scores: npt.NDArray[np.floating]) -> IntArray:
    """Positions of the scores, the highest first; ties keep their order. Minus infinity is the lowest."""
    # One number for each, its score above its position: sorting numbers takes an eighth of a stable argsort's time.
    whole = np.round(np.maximum(scores, LEAST_SCORE), RANKING_DECIMALS).astype(np.float64)
    keys = np.rint(whole * -(10**RANKING_DECIMALS)).astype(np.int64) << POSITION_BITS
    keys += np.arange(len(scores))
    keys.sort()
    positions: IntArray = keys & ((1 << POSITION_BITS) - 1)
    return positions
