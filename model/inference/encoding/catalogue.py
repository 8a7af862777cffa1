"""A catalogue as serving needs it: the movies of a network, all encoded once, and what encodes its users."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from model.errors import NoRelevanceError, NoStarsError
from model.features.catalogue import Vocabulary
from model.features.users import UserContext, encode_profiles
from model.inference.diversity import CategoryDistribution
from model.inference.encoding.users import UserEncoder
from model.inference.index import MovieIndex
from model.inference.results import RankBy
from model.network.batch import USERS_PER_BATCH, Users
from model.network.prior import MovieFactors
from model.network.ranking import MovieVectors
from model.network.rating import EncodedMovies, SeqRec
from model.types import FloatArray, IntArray

MOVIES_AT_ONCE = 100_000
"""Movies that are encoded together."""


@dataclass(frozen=True)
class EncodedCatalogue:
    """A network's movies, all encoded once.

    Attributes:
        vocabulary: translates movie ids to indices.
        movies: movies as the output network combines them with users; None for a network that predicts no stars.
        vectors: movies as the ranking network reads them; None for a network without one.
        compared: the same as lists compare them; see `model.network.stars_in_relevance`.
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
        cls,
        network: SeqRec,
        vocabulary: Vocabulary,
        device: torch.device,
        index: MovieIndex | None = None,
        first: "EncodedCatalogue | None" = None,
    ) -> "EncodedCatalogue":
        """``index`` has the movies of the catalogue, or those of it that were trained.

        ``first`` is what there is for the first of the network's movies, those that were trained; they are not encoded
        again, and their index stays.
        """
        with torch.inference_mode():
            movies = _encoded_movies(network, device, None if first is None else first.movies)
            vectors = network.ranking.encode_movies() if network.ranking is not None else None
            factors = None if movies is None else movies.prior
            compared = None if vectors is None else network.compared(vectors, factors)
        categories = CategoryDistribution(
            network.movies.genres.cpu().numpy(), network.movies.rating_counts.cpu().numpy()
        )
        encoder = UserEncoder(network, movies, vectors)
        index = index if first is None else first.index
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
    def normalized_movie_embeddings(self) -> FloatArray:
        """`movie_embeddings` of unit length, shape (movies, width)."""
        embeddings: FloatArray = torch.nn.functional.normalize(self.movie_embeddings, dim=-1).float().cpu().numpy()
        return embeddings

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
    def movie_embeddings(self) -> Tensor:
        """One for each movie index, shape (movies, width); similar movies have a high cosine."""
        return self.require_stars().prior.vectors if self.vectors is None else self.vectors.vectors

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


def _encoded_movies(network: SeqRec, device: torch.device, first: EncodedMovies | None) -> EncodedMovies | None:
    """All movies as the output network combines them with users, of which there are the first; None without stars."""
    if not network.config.predicts_stars:
        return None
    if first is None or network.config.graph_convolution:  # in which a movie's embedding is one of all movies'
        return encode_all(network, torch.arange(len(network.movies), device=device))
    return first.followed_by(encode_all(network, torch.arange(len(first.hidden), len(network.movies), device=device)))


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
