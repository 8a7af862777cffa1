"""A catalogue as serving needs it: its movies, all encoded once, and what encodes the users."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from model.errors import NoRelevanceError, NoStarsError
from model.features.catalogue import FIRST_INDEX, UNKNOWN, Vocabulary
from model.features.users import UserContext, encode_profiles
from model.inference.diversity import CategoryDistribution
from model.inference.encoding.segments import R, Segmented
from model.inference.encoding.users import UserEncoder
from model.inference.index import MovieIndex
from model.inference.results import RankBy
from model.network.batch import USERS_PER_BATCH, Users
from model.network.heads import Stars
from model.network.prior import MovieFactors
from model.network.ranking import MovieVectors, RankingNetwork
from model.network.rating import EncodedMovies, EncodedUsers, SeqRec
from model.types import FloatArray, IntArray

MOVIES_AT_ONCE = 100_000
"""Movies that are encoded together."""

SHORTEST = 1e-12
"""Length of a vector that stands for one of zeros, which has no direction."""


@dataclass(frozen=True)
class EncodedCatalogue:
    """A network's movies and those that came after its training, all encoded once.

    Attributes:
        network: holds the trained movies, and encodes and scores users.
        vocabulary: translates movie ids to indices; those of the trained movies come first.
        ids: movie id of each movie index, 0 for the unknown movie, shape (movies,).
        movies: movies as the output network combines them with users; None for a network that predicts no stars.
        vectors: movies as the ranking network reads them; None for a network without one.
        compared: the same as lists compare them; see `model.network.stars_in_relevance`.
        categories: what a diverse list is measured by.
        encoder: encodes the users.
        index: finds the best of very many movies; None where all are compared.
    """

    network: SeqRec
    vocabulary: Vocabulary
    ids: IntArray
    movies: Segmented[EncodedMovies] | None
    vectors: Segmented[MovieVectors] | None
    compared: Segmented[MovieVectors] | None
    categories: CategoryDistribution
    encoder: UserEncoder
    index: MovieIndex | None = None

    @classmethod
    def of(cls, network: SeqRec, vocabulary: Vocabulary, index: MovieIndex | None = None) -> "EncodedCatalogue":
        """The movies of a network alone; ``index`` is of the same."""
        movies, vectors, compared = _encoded(network)
        all_vectors = None if vectors is None else Segmented(vectors)
        return cls(
            network,
            vocabulary,
            ids=np.array([0, *vocabulary.ids], dtype=np.int64),
            movies=None if movies is None else Segmented(movies),
            vectors=all_vectors,
            compared=None if compared is None else Segmented(compared),
            categories=CategoryDistribution(_genres(network), network.movies.rating_counts.cpu().numpy()),
            encoder=UserEncoder(network, movies, all_vectors),
            index=index,
        )

    def followed_by(self, movie_ids: Sequence[int], network: SeqRec) -> "EncodedCatalogue":
        """The trained movies, and these behind them, of which a network of `model.inference.cold_start` knows.

        The index stays: it always compares movies that came later.
        """
        movies, vectors, compared = _encoded(network)
        all_vectors = _with_new(self.vectors, vectors)
        return replace(
            self,
            vocabulary=self.vocabulary.followed_by(movie_ids),
            ids=np.append(self.ids, np.array(movie_ids, dtype=np.int64)),
            movies=_with_new(self.movies, movies),
            vectors=all_vectors,
            compared=_with_new(self.compared, compared),
            categories=self.categories.followed_by(_genres(network)[FIRST_INDEX:]),
            encoder=self.encoder if all_vectors is None else self.encoder.with_movies(all_vectors),
        )

    @cached_property
    def by_id(self) -> IntArray:
        """All movie indices, in the order of the ids, shape (movies,)."""
        return np.argsort(self.ids, kind="stable")  # fastest where they are in order already, or nearly so

    def indices(self, movie_ids: IntArray) -> IntArray:
        """The index of each movie, that of the unknown one for an id that there is not, shape (movies,)."""
        in_order = self.ids[self.by_id]
        places = np.searchsorted(in_order, movie_ids)
        places[places == len(in_order)] = 0
        return np.where(in_order[places] == movie_ids, self.by_id[places], UNKNOWN)

    def require_stars(self) -> Segmented[EncodedMovies]:
        """The movies as the output network combines them with users; `NoStarsError` if it predicts no stars."""
        if self.movies is None:
            raise NoStarsError
        return self.movies

    def require_compared(self) -> Segmented[MovieVectors]:
        """The movies as lists compare them; `NoRelevanceError` if there is no ranking network."""
        if self.compared is None:
            raise NoRelevanceError
        return self.compared

    def logits(self, queries: Tensor, horizon: str) -> Tensor:
        """Logits of all movies, see `RankingNetwork.logits`; `NoRelevanceError` if there is no ranking network."""
        of_segments = [RankingNetwork.logits(queries, one, horizon) for one in self.require_compared().segments]
        return of_segments[0] if len(of_segments) == 1 else torch.cat(of_segments, dim=1)

    def stars(self, users: EncodedUsers, indices: IntArray) -> Stars:
        """What users are predicted to give some movies, shape (users, movies); `NoStarsError` if nothing is.

        For all movies, in the order of their indices, nothing is copied.
        """
        movies, score = self.require_stars(), self.network.score_each
        if len(indices) < movies.rows:
            return score(users, movies.take(torch.from_numpy(indices).to(self.device)))
        return Stars.joined([score(users, segment) for segment in movies.segments])

    @property
    def default_rank_by(self) -> RankBy:
        """The order of a list that asks for none: relevance, if the network knows it."""
        return "rating" if self.vectors is None else "relevance"

    def similarity(self, index: int) -> FloatArray:
        """Cosines of a movie index with all movies, shape (movies,); those of similar movies are high."""
        movie = self._embedding(index)
        products = torch.cat([segment @ movie for segment in self._embeddings])
        similarity: FloatArray = (products / (self._lengths * self._lengths[index])).float().cpu().numpy()
        return similarity

    def _embedding(self, index: int) -> Tensor:
        """That of a movie index, shape (width,)."""
        one = torch.tensor([index], device=self.device)
        return (
            self.require_stars().take(one).prior.vectors[0]
            if self.vectors is None
            else self.vectors.take(one).vectors[0]
        )

    @property
    def _embeddings(self) -> list[Tensor]:
        """Those of all movies in segments, shape (movies, width) each."""
        if self.vectors is None:
            return [segment.prior.vectors for segment in self.require_stars().segments]
        return [segment.vectors for segment in self.vectors.segments]

    @cached_property
    def _lengths(self) -> Tensor:
        """Of all embeddings, shape (movies,); a little more than 0, since they divide."""
        lengths = [torch.linalg.vector_norm(segment, dim=1) for segment in self._embeddings]
        return torch.cat(lengths).clamp(min=SHORTEST)

    def user_embeddings(self, users: Sequence[UserContext]) -> FloatArray:
        """Unit-length user embeddings, shape (users, width); similar users have a high cosine."""
        batches = (users[start : start + USERS_PER_BATCH] for start in range(0, len(users), USERS_PER_BATCH))
        parts = [torch.nn.functional.normalize(self._user_embeddings(self.batch(some)), dim=-1) for some in batches]
        return torch.cat(parts).float().cpu().numpy() if parts else np.empty((0, 0), dtype=np.float32)

    def _user_embeddings(self, users: Users) -> Tensor:
        """The same of any length, for a batch of users."""
        if self.vectors is None:
            return self.encoder.encode(users).vectors
        return self.encoder.queries(users).flatten(1)

    def batch(self, users: Sequence[UserContext]) -> Users:
        """Users as the network reads them, on the device of the encoded movies."""
        movie_ids = [movie_id for user in users for movie_id in user.history.movie_ids.tolist()]
        stars = np.concatenate([np.empty(0), *(user.history.stars for user in users)])
        batch = Users(
            profiles=torch.from_numpy(encode_profiles([user.profile for user in users])),
            movies=torch.from_numpy(self.vocabulary.indices(movie_ids)),
            stars=torch.from_numpy(stars.astype(np.float32)),
            lengths=torch.tensor([len(user.history) for user in users]),
        )
        return batch.to(self.device)

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return self.network.movies.titles.device


class _Encoded(NamedTuple):
    """All movies of a network; for the attributes see `EncodedCatalogue`."""

    movies: EncodedMovies | None
    vectors: MovieVectors | None
    compared: MovieVectors | None


@torch.inference_mode()
def _encoded(network: SeqRec) -> _Encoded:
    indices = torch.arange(len(network.movies), device=network.movies.titles.device)
    movies = encode_all(network, indices) if network.config.predicts_stars else None
    if network.ranking is None:
        return _Encoded(movies, None, None)
    vectors = network.ranking.encode_movies()
    compared = network.compared(vectors, None if movies is None else movies.prior)
    # The ranking network's own vectors are the first columns of those compared: of a million movies, a gigabyte less.
    own = compared.vectors[:, : vectors.vectors.shape[1]]
    return _Encoded(movies, MovieVectors(own, vectors.popularity), compared)


def _with_new(movies: Segmented[R] | None, encoded: R | None) -> Segmented[R] | None:
    """The trained movies, followed by those of another network but its unknown movie; None without either."""
    if movies is None or encoded is None:
        return None
    return movies.followed_by(encoded.take(torch.arange(FIRST_INDEX, encoded.rows)))


def _genres(network: SeqRec) -> FloatArray:
    """Multi-hot, shape (movies, genres)."""
    genres: FloatArray = network.movies.genres.cpu().numpy()
    return genres


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
