"""One user's list: what it is ordered by, and why each movie is in it."""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from model.errors import NoRelevanceError
from model.features.catalogue import UNKNOWN
from model.inference.diversity import CategoryDistribution, diversified
from model.inference.explanation import LATEST_EXPLAINED, MOST_REASONS, encoded_without_each
from model.network.batch import Users
from model.network.ranking import MovieVectors, RankingNetwork
from model.network.rating import EncodedMovies, EncodedUsers, SeqRec
from model.types import FloatArray, IntArray

RANKING_DECIMALS = 4
"""What is equal in these decimals, of stars or of a logit, is a tie."""

RankBy = Literal["relevance", "next", "rating"]
"""The probability that the user will like a movie from here on; that it comes next; or the predicted stars."""


@dataclass(frozen=True)
class EncodedCatalogue:
    """The whole catalogue, encoded once.

    Attributes:
        vectors: of the part that ranks; None for a network without one.
        categories: for lists that are to be diverse.
    """

    network: SeqRec
    movies: EncodedMovies
    vectors: MovieVectors | None
    categories: CategoryDistribution

    @classmethod
    def of(cls, network: SeqRec, device: torch.device) -> "EncodedCatalogue":
        with torch.inference_mode():
            movies = network.encode_movies(torch.arange(len(network.movies), device=device))
            vectors = network.ranking.movies() if network.ranking is not None else None
        categories = CategoryDistribution(network.movies.genres.cpu().numpy(), network.movies.ratings.cpu().numpy())
        return cls(network, movies, vectors, categories)

    def require_ranking(self) -> tuple[RankingNetwork, MovieVectors]:
        """The part that ranks, and its vectors; `NoRelevanceError` if there is none."""
        if self.vectors is None:
            raise NoRelevanceError
        return self.network.require_ranking(), self.vectors

    @property
    def directions(self) -> Tensor:
        """What a movie is like, as a vector whose direction counts, shape (movies, width)."""
        return self.movies.prior.vectors if self.vectors is None else self.vectors.vectors

    def directions_of(self, users: Users) -> Tensor:
        """The same of users, shape (users, width)."""
        if self.vectors is None:
            return self.network.encode_users(users).vectors
        return self.network.require_ranking().queries(users, self.vectors).flatten(1)

    @property
    def ranks_by(self) -> RankBy:
        """What lists are ordered by unless something else is asked for: relevance, if the network knows it."""
        return "rating" if self.vectors is None else "relevance"


class UserRanking:
    """Orders movies for one user; movies are movie indices."""

    def __init__(self, catalogue: EncodedCatalogue, user: Users, rank_by: RankBy | None) -> None:
        """``user`` is a batch of one; `NoRelevanceError` if relevance is asked for and the network knows none."""
        self.catalogue = catalogue
        self.user = user
        self.rank_by = rank_by or catalogue.ranks_by
        self.horizon = "next" if self.rank_by == "next" else "relevance"
        if self.rank_by != "rating":
            catalogue.require_ranking()

    @cached_property
    def encoded(self) -> EncodedUsers:
        """For stars."""
        return self.catalogue.network.encode_users(self.user)

    @cached_property
    def queries(self) -> Tensor:
        """For relevance; `NoRelevanceError`."""
        relevance, movies = self.catalogue.require_ranking()
        return relevance.queries(self.user, movies)

    @cached_property
    def rated(self) -> IntArray:
        """Rows of the history."""
        return self.user.movies.cpu().numpy()

    @cached_property
    def log_relevance(self) -> FloatArray | None:
        """Logarithm of each index's relevance, a probability over all that are not rated, shape (movies,)."""
        return None if self.catalogue.vectors is None else self._log_relevance(self.queries)[0].cpu().numpy()

    def _log_relevance(self, queries: Tensor) -> Tensor:
        """The same for some queries, shape (queries, movies); minus infinity for what this user has rated."""
        relevance, movies = self.catalogue.require_ranking()
        logits = relevance.logits(queries, movies, self.horizon).float()
        logits[:, UNKNOWN] = -torch.inf
        logits[:, self.user.movies] = -torch.inf
        return logits.log_softmax(-1)

    @cached_property
    def all_stars(self) -> FloatArray:
        """Predicted for every index, not clipped, shape (movies,)."""
        return self.catalogue.network.score(self.encoded, self.catalogue.movies).mean.float().cpu().numpy()

    def stars(self, indices: IntArray) -> FloatArray:
        """Predicted for some indices, not clipped, shape (movies,)."""
        return (
            self.all_stars[indices] if self.rank_by == "rating" else self._stars(self.encoded, indices)[0].cpu().numpy()
        )

    def _stars(self, users: EncodedUsers, indices: IntArray) -> Tensor:
        """The same for some users, shape (users, movies)."""
        movies = self.catalogue.movies.take(torch.from_numpy(indices).to(users.hidden.device))
        places = torch.arange(len(users.hidden), device=users.hidden.device)
        own = (users.take(place) for place in places.unsqueeze(1))
        return torch.stack([self.catalogue.network.score(user, movies).mean.float() for user in own])

    def ordered(self, indices: IntArray, diversity: float, n: int) -> IntArray:
        """The indices, which are ascending, best first; the first ``n`` as diverse as asked for."""
        if self.rank_by != "rating" and self.log_relevance is not None:
            scores = self.log_relevance[indices]
            worth = np.exp(scores)
        else:
            scores = worth = self.stars(indices)
        order = np.lexsort((indices, -np.round(scores, RANKING_DECIMALS)))
        return diversified(worth[order], indices[order], self.rated, self.catalogue.categories, diversity, n)

    def reasons(self, indices: IntArray) -> list[list[tuple[int, float]]]:
        """For each of the indices, the places in the history that count most for it, and how much.

        Places are indices into the history, most important first; only what speaks for the movie is named. See
        `model.inference.explanation`.
        """
        latest = min(len(self.rated), LATEST_EXPLAINED)
        if self.rank_by != "rating":
            latest = min(latest, self.catalogue.network.require_ranking().config.history_length)
        if latest == 0:
            return [[] for _ in indices]
        lost = self._lost_without_each(indices, latest).float().cpu().numpy()  # (latest, movies)
        best = np.argsort(-lost, axis=0, kind="stable")[:MOST_REASONS]
        first = len(self.rated) - latest
        return [
            [(first + int(place), float(lost[place, movie])) for place in best[:, movie] if lost[place, movie] > 0]
            for movie in range(len(indices))
        ]

    def _lost_without_each(self, indices: IntArray, latest: int) -> Tensor:
        """Of what the list is ordered by, without each of the latest ratings, shape (latest, movies)."""
        if self.rank_by == "rating":
            without = encoded_without_each(self.catalogue.network, self.user, latest)
            return self._stars(self.encoded, indices) - self._stars(without, indices)
        relevance, movies = self.catalogue.require_ranking()
        queries = relevance.queries_without_each(self.user, movies, latest)
        return self._log_relevance(self.queries)[:, indices] - self._log_relevance(queries)[:, indices]
