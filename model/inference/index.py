"""Finds the movies with the highest logits among very many, without comparing them all (FAISS, an inverted file).

The movies are divided into lists by the direction of their vectors, and a search reads those lists alone that fit the
query best. Up to `INDEXED_ABOVE` movies comparing all of them takes milliseconds and is exact.
"""

import math
from importlib import import_module
from typing import Any

import numpy as np
import torch
from torch import Tensor

from model.features.catalogue import UNKNOWN
from model.inference.encoding.segments import Segmented
from model.network.ranking import HORIZONS, MovieVectors, RankingNetwork
from model.network.rating import SeqRec
from model.types import BoolArray, FloatArray, IntArray

INDEXED_ABOVE = 200_000
"""Movies; with so many, comparing and ordering them all takes about as long as reading a history."""

PROBED_SHARE = 1 / 16
"""Of the lists: so many a search reads; `benchmarks/large_catalogue.py` measures what it misses."""

PROBED_SHARE_FILTERED = 1 / 8
"""The same where a filter leaves few movies: the best of them lie in more of the lists."""

FILTERED_BELOW = 1 / 4
"""Share of the movies up to which a filter leaves few."""

EXHAUSTIVE_BELOW = 1 / 50
"""Share of the movies up to which all that a filter leaves are compared."""

BEST = 200
"""How many of the best movies are found at once, for all pages and filters that these can answer. Of the next ones more
would be missed."""

SAMPLE = 8192
"""Movies drawn at random that stand for all others when relevance is divided by the sum over the catalogue."""

VECTORS_PER_LIST = 64
"""Drawn at random, to place the centres of the lists."""

KMEANS_ITERATIONS = 8


class MovieIndex:
    """The movies of a trained ranking network. Movies added later stand behind them, and are always compared."""

    def __init__(self, movies: MovieVectors) -> None:
        # Hardly any catalogue needs it; and its types know neither an index's training nor the parameters of a search.
        faiss: Any = import_module("faiss")
        self.movies = len(movies.vectors)
        random = np.random.default_rng(0)
        self.sample: IntArray = random.choice(self.movies, min(SAMPLE, self.movies), replace=False)
        self.sampled = movies.take(torch.from_numpy(self.sample).to(movies.vectors.device))
        self._faiss = faiss
        self._lists = max(round(math.sqrt(self.movies)), 1)
        # Popularity is a part of the vector, which a query reads for its horizon alone.
        vectors = torch.cat([movies.vectors, movies.popularity], dim=1).float().cpu().numpy()
        self._inverted = faiss.index_factory(vectors.shape[1], f"IVF{self._lists},Flat", faiss.METRIC_INNER_PRODUCT)
        self._inverted.cp.niter = KMEANS_ITERATIONS
        learned_from = min(self._lists * VECTORS_PER_LIST, self.movies)
        self._inverted.train(vectors[random.choice(self.movies, learned_from, replace=False)])
        self._inverted.add(vectors)

    @classmethod
    @torch.inference_mode()
    def of(cls, network: SeqRec) -> "MovieIndex | None":
        """The index of a network's movies; None where comparing all of them is fast enough."""
        if network.ranking is None or len(network.movies) <= INDEXED_ABOVE:
            return None
        return cls(network.compared(network.ranking.encode_movies()))

    def search(self, query: Tensor, horizon: str, among: BoolArray, most: int) -> IntArray:
        """About the ``most`` movie indices of a mask with the highest logits, and others, shape (found,), in no order.

        ``query`` has shape (width,); ``among`` says of each movie index, also of movies added later, whether it counts.
        """
        trained, added = among[: self.movies], self.movies + np.flatnonzero(among[self.movies :])
        members = int(np.count_nonzero(trained))
        if members <= max(EXHAUSTIVE_BELOW * self.movies, most):
            return np.concatenate([np.flatnonzero(trained), added])
        share = PROBED_SHARE if members > FILTERED_BELOW * self.movies else PROBED_SHARE_FILTERED
        bits = np.packbits(trained, bitorder="little")
        parameters = self._faiss.SearchParametersIVF(
            sel=self._faiss.IDSelectorBitmap(self.movies, self._faiss.swig_ptr(bits)),
            nprobe=math.ceil(self._lists * share),
        )
        reads = torch.tensor([float(horizon == name) for name in HORIZONS])
        extended = torch.cat([query.float().cpu(), reads]).unsqueeze(0).numpy()
        found = self._inverted.search(extended, most, params=parameters)[1][0]
        return np.concatenate([found[found >= 0], added])


class IndexedRelevance:
    """How relevant the movies of an indexed catalogue are to one user, on one of `HORIZONS`.

    Attributes:
        unrated: whether each movie index is one that the user has not rated, shape (movies,).
        found: about the `BEST` unrated movie indices, and others, in no order.
    """

    def __init__(
        self, index: MovieIndex, movies: Segmented[MovieVectors], queries: Tensor, horizon: str, rated: IntArray
    ) -> None:
        """``queries`` of one user, shape (1, horizons, width); ``movies`` of the whole catalogue, later ones too."""
        self._index = index
        self._movies = movies
        self._queries = queries
        self._horizon = horizon
        self.unrated = exclude(np.ones(movies.rows, dtype=bool), rated)
        self.found = self._search(self.unrated, BEST)
        self._log_total = self._estimate()

    def best(self, among: BoolArray, most: int) -> IntArray:
        """About the ``most`` most relevant unrated movie indices of a mask, and others, shape (found,), in no order."""
        return self._search(among & self.unrated, most)

    def log_relevance(self, indices: IntArray) -> FloatArray:
        """Log-probability of movie indices over all that are not rated, whose sum is estimated, shape (movies,)."""
        return self._logits(self._taken(indices), indices) - self._log_total

    def _search(self, among: BoolArray, most: int) -> IntArray:
        query = self._queries[0, HORIZONS.index(self._horizon)]
        return self._index.search(query, self._horizon, among, most)

    def _taken(self, indices: IntArray) -> MovieVectors:
        return self._movies.take(torch.from_numpy(indices).to(self._queries.device))

    def _logits(self, movies: MovieVectors, indices: IntArray) -> FloatArray:
        """Logits of some movies and their indices, shape (movies,); minus infinity for rated ones."""
        logits: FloatArray = RankingNetwork.logits(self._queries, movies, self._horizon)[0].float().cpu().numpy()
        return np.where(self.unrated[indices], logits, np.float32(-np.inf))

    def _estimate(self) -> np.float32:
        """Logarithm of the sum over all unrated movies: those found are added up, others reckoned from a sample."""
        is_found = np.zeros(len(self.unrated), dtype=bool)
        is_found[self.found] = True
        others = self._logits(self._index.sampled, self._index.sample)[~is_found[self._index.sample]]
        trained = np.count_nonzero(self.found < self._index.movies)
        each_stands_for = (self._index.movies - trained) / max(len(others), 1)
        found = self._logits(self._taken(self.found), self.found)
        total: np.float32 = np.logaddexp.reduce(np.append(found, others + np.float32(np.log(each_stands_for))))
        return total


def exclude(among: BoolArray, movies: IntArray) -> BoolArray:
    """A mask of movie indices without these and the unknown movie, shape (movies,)."""
    remaining = among.copy()
    remaining[movies] = remaining[UNKNOWN] = False
    return remaining
