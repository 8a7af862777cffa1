"""One user's list: what it is ordered by, and why each movie is in it."""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from model.errors import NoRelevanceError
from model.features.catalogue import UNKNOWN
from model.inference.diversity import Kinds, diversified
from model.inference.explanation import LATEST_EXPLAINED, MOST_REASONS, encoded_without_each
from model.network.batch import Users
from model.network.ranking import MovieVectors, RelevanceNetwork
from model.network.rating import EncodedMovies, EncodedUsers, SeqRec
from model.types import FloatArray, IntArray

RANKING_DECIMALS = 4
"""What is equal in these decimals, of stars or of a logit, is a tie."""

RankBy = Literal["relevance", "next", "rating"]
"""The probability that the user will like a movie from here on; that it comes next; or the predicted stars."""


@dataclass(frozen=True)
class Shelf:
    """The whole catalogue, encoded once.

    Attributes:
        vectors: of the part that ranks; None for a network without one.
        kinds: for lists that are to be diverse.
    """

    network: SeqRec
    movies: EncodedMovies
    vectors: MovieVectors | None
    kinds: Kinds

    @classmethod
    def of(cls, network: SeqRec, device: torch.device) -> "Shelf":
        with torch.inference_mode():
            movies = network.encode_movies(torch.arange(len(network.movies), device=device))
            vectors = network.relevance.movies() if network.relevance is not None else None
        kinds = Kinds(network.movies.genres.cpu().numpy(), network.movies.ratings.cpu().numpy())
        return cls(network, movies, vectors, kinds)

    def require_relevance(self) -> tuple[RelevanceNetwork, MovieVectors]:
        """The part that ranks, and its vectors; `NoRelevanceError` if there is none."""
        if self.vectors is None:
            raise NoRelevanceError
        return self.network.require_relevance(), self.vectors

    @property
    def directions(self) -> Tensor:
        """What a movie is like, as a vector whose direction counts, shape (rows, width)."""
        return self.movies.path.vectors if self.vectors is None else self.vectors.vectors

    def directions_of(self, users: Users) -> Tensor:
        """The same of users, shape (users, width)."""
        if self.vectors is None:
            return self.network.encode_users(users).vectors
        return self.network.require_relevance().queries(users, self.vectors).flatten(1)

    @property
    def ranks_by(self) -> RankBy:
        """What lists are ordered by unless something else is asked for: relevance, if the network knows it."""
        return "rating" if self.vectors is None else "relevance"


class UserList:
    """Orders movies for one user; movies are catalogue rows."""

    def __init__(self, shelf: Shelf, user: Users, rank_by: RankBy | None) -> None:
        """``user`` is a batch of one; `NoRelevanceError` if relevance is asked for and the network knows none."""
        self.shelf = shelf
        self.user = user
        self.rank_by = rank_by or shelf.ranks_by
        self.horizon = "next" if self.rank_by == "next" else "later"
        if self.rank_by != "rating":
            shelf.require_relevance()

    @cached_property
    def encoded(self) -> EncodedUsers:
        """For stars."""
        return self.shelf.network.encode_users(self.user)

    @cached_property
    def queries(self) -> Tensor:
        """For relevance; `NoRelevanceError`."""
        relevance, movies = self.shelf.require_relevance()
        return relevance.queries(self.user, movies)

    @cached_property
    def rated(self) -> IntArray:
        """Rows of the history."""
        return self.user.movies.cpu().numpy()

    @cached_property
    def log_relevance(self) -> FloatArray | None:
        """Logarithm of each row's relevance, a probability over all that are not rated, shape (rows,)."""
        return None if self.shelf.vectors is None else self._log_relevance(self.queries)[0].cpu().numpy()

    def _log_relevance(self, queries: Tensor) -> Tensor:
        """The same for some queries, shape (queries, rows); minus infinity for what this user has rated."""
        relevance, movies = self.shelf.require_relevance()
        logits = relevance.logits(queries, movies, self.horizon).float()
        logits[:, UNKNOWN] = -torch.inf
        logits[:, self.user.movies] = -torch.inf
        return logits.log_softmax(-1)

    @cached_property
    def all_stars(self) -> FloatArray:
        """Predicted for every row, not clipped, shape (rows,)."""
        return self.shelf.network.score(self.encoded, self.shelf.movies).mean.float().cpu().numpy()

    def stars(self, rows: IntArray) -> FloatArray:
        """Predicted for some rows, not clipped, shape (movies,)."""
        return self.all_stars[rows] if self.rank_by == "rating" else self._stars(self.encoded, rows)[0].cpu().numpy()

    def _stars(self, users: EncodedUsers, rows: IntArray) -> Tensor:
        """The same for some users, shape (users, movies)."""
        movies = self.shelf.movies.take(torch.from_numpy(rows).to(users.hidden.device))
        places = torch.arange(len(users.hidden), device=users.hidden.device)
        own = (users.take(place) for place in places.unsqueeze(1))
        return torch.stack([self.shelf.network.score(user, movies).mean.float() for user in own])

    def ordered(self, rows: IntArray, diversity: float, n: int) -> IntArray:
        """The rows, which are ascending, best first; the first ``n`` as diverse as asked for."""
        if self.rank_by != "rating" and self.log_relevance is not None:
            scores = self.log_relevance[rows]
            worth = np.exp(scores)
        else:
            scores = worth = self.stars(rows)
        order = np.lexsort((rows, -np.round(scores, RANKING_DECIMALS)))
        return diversified(worth[order], rows[order], self.rated, self.shelf.kinds, diversity, n)

    def reasons(self, rows: IntArray) -> list[list[tuple[int, float]]]:
        """For each of the rows, the places in the history that count most for it, and how much.

        Places are indices into the history, most important first; only what speaks for the movie is named. See
        `model.inference.explanation`.
        """
        latest = min(len(self.rated), LATEST_EXPLAINED)
        if self.rank_by != "rating":
            latest = min(latest, self.shelf.network.require_relevance().config.history_length)
        if latest == 0:
            return [[] for _ in rows]
        lost = self._lost_without_each(rows, latest).float().cpu().numpy()  # (latest, movies)
        best = np.argsort(-lost, axis=0, kind="stable")[:MOST_REASONS]
        first = len(self.rated) - latest
        return [
            [(first + int(place), float(lost[place, movie])) for place in best[:, movie] if lost[place, movie] > 0]
            for movie in range(len(rows))
        ]

    def _lost_without_each(self, rows: IntArray, latest: int) -> Tensor:
        """Of what the list is ordered by, without each of the latest ratings, shape (latest, movies)."""
        if self.rank_by == "rating":
            without = encoded_without_each(self.shelf.network, self.user, latest)
            return self._stars(self.encoded, rows) - self._stars(without, rows)
        relevance, movies = self.shelf.require_relevance()
        queries = relevance.queries_without_each(self.user, movies, latest)
        return self._log_relevance(self.queries)[:, rows] - self._log_relevance(queries)[:, rows]
