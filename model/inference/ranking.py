"""One user's list: the order of its movies, and the reasons for each."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from model.errors import NoRelevanceError
from model.features.catalogue import UNKNOWN, Vocabulary
from model.features.users import UserContext, encode_profiles
from model.inference.diversity import CategoryDistribution, diversified
from model.inference.explanation import LATEST_EXPLAINED, MOST_REASONS, encode_without_each
from model.inference.results import RankBy, Reason, Recommendation
from model.network.batch import Users
from model.network.ranking import MovieVectors, RankingNetwork
from model.network.rating import EncodedMovies, EncodedUsers, SeqRec
from model.types import FloatArray, IntArray, clip

RANKING_DECIMALS = 4
"""Stars, logits and cosines that are equal in these decimals are a tie."""

RELEVANCE_DECIMALS = 6


@dataclass(frozen=True)
class EncodedCatalogue:
    """A network's movies, all encoded once.

    Attributes:
        vocabulary: translates movie ids to indices.
        vectors: movies as the ranking network compares them; None for a network without one.
        categories: what a diverse list is measured by.
    """

    network: SeqRec
    vocabulary: Vocabulary
    movies: EncodedMovies
    vectors: MovieVectors | None
    categories: CategoryDistribution

    @classmethod
    def of(cls, network: SeqRec, vocabulary: Vocabulary, device: torch.device) -> "EncodedCatalogue":
        with torch.inference_mode():
            movies = network.encode_movies(torch.arange(len(network.movies), device=device))
            vectors = network.ranking.movies() if network.ranking is not None else None
        categories = CategoryDistribution(network.movies.genres.cpu().numpy(), network.movies.ratings.cpu().numpy())
        return cls(network, vocabulary, movies, vectors, categories)

    def require_ranking(self) -> tuple[RankingNetwork, MovieVectors]:
        """The ranking network and its movie vectors; `NoRelevanceError` if there is none."""
        if self.vectors is None:
            raise NoRelevanceError
        return self.network.require_ranking(), self.vectors

    @property
    def default_rank_by(self) -> RankBy:
        """The order of a list that asks for none: relevance, if the network knows it."""
        return "rating" if self.vectors is None else "relevance"

    @property
    def movie_directions(self) -> Tensor:
        """A vector for each movie index, shape (movies, width); similar movies point the same way."""
        return self.movies.prior.vectors if self.vectors is None else self.vectors.vectors

    def user_directions(self, users: Users) -> Tensor:
        """The same for users, shape (users, width)."""
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
        return batch.to(self.network.movies.titles.device)


class UserRanking:
    """Orders movies for one user. Movie ids come in and recommendations go out; in between there are movie indices."""

    def __init__(self, catalogue: EncodedCatalogue, context: UserContext, rank_by: RankBy | None) -> None:
        """Raises `NoRelevanceError` if relevance is asked for and the network knows none."""
        self.catalogue = catalogue
        self.context = context
        self.user = catalogue.batch([context])
        self.rank_by = rank_by or catalogue.default_rank_by
        self.horizon = "next" if self.rank_by == "next" else "relevance"
        if self.rank_by != "rating":
            catalogue.require_ranking()

    def best(
        self, movie_ids: Sequence[int], n: int, offset: int = 0, diversity: float = 0.0, explain: bool = False
    ) -> list[Recommendation]:
        """The best ``n`` after the first ``offset`` of movies that the network knows and the user has not rated.

        ``movie_ids`` ascend; ties keep that order.
        """
        indices = self.catalogue.vocabulary.indices(movie_ids)
        id_of = dict(zip(indices.tolist(), movie_ids, strict=True))
        page = self._order(indices, diversity, offset + n)[offset : offset + n]
        stars = np.round(clip(self._stars(page), self._rating_scale).astype(np.float64), RANKING_DECIMALS)
        return self._entries([id_of[index] for index in page.tolist()], page, stars.tolist(), explain)

    def all(self, movie_ids: Sequence[int], stars: Sequence[float], explain: bool = False) -> list[Recommendation]:
        """All of these movies, best first, also rated ones, whose relevance is 0.

        ``stars`` are the predictions for them. ``movie_ids`` ascend; ties keep that order.
        """
        indices, predicted = self.catalogue.vocabulary.indices(movie_ids), np.array(stars, dtype=np.float64)
        relevance = None if self.rank_by == "rating" else self.log_relevance
        order = descending(predicted if relevance is None else relevance[indices])
        ids = np.array(movie_ids, dtype=np.int64)[order].tolist()
        return self._entries(ids, indices[order], predicted[order].tolist(), explain)

    @cached_property
    def encoded(self) -> EncodedUsers:
        """The user as the rating network sees one."""
        return self.catalogue.network.encode_users(self.user)

    @cached_property
    def queries(self) -> Tensor:
        """The user as the ranking network sees one; `NoRelevanceError` if there is none."""
        ranking, movies = self.catalogue.require_ranking()
        return ranking.queries(self.user, movies)

    @cached_property
    def rated(self) -> IntArray:
        """Movie indices of the history."""
        return self.user.movies.cpu().numpy()

    @cached_property
    def log_relevance(self) -> FloatArray | None:
        """Log-probability of each movie index over all that are not rated, shape (movies,)."""
        return None if self.catalogue.vectors is None else self._log_relevance(self.queries)[0].cpu().numpy()

    def _log_relevance(self, queries: Tensor) -> Tensor:
        """The same for several queries, shape (queries, movies); minus infinity for what this user has rated."""
        ranking, movies = self.catalogue.require_ranking()
        logits = ranking.logits(queries, movies, self.horizon).float()
        logits[:, UNKNOWN] = -torch.inf
        logits[:, self.user.movies] = -torch.inf
        return logits.log_softmax(-1)

    @property
    def _rating_scale(self) -> tuple[float, ...]:
        return self.catalogue.network.config.rating_scale

    @cached_property
    def _all_stars(self) -> FloatArray:
        """Predicted stars of every movie index, not clipped, shape (movies,)."""
        return self.catalogue.network.score(self.encoded, self.catalogue.movies).mean.float().cpu().numpy()

    def _stars(self, indices: IntArray) -> FloatArray:
        """Predicted stars of some movie indices, not clipped, shape (movies,)."""
        if self.rank_by == "rating":  # the order has needed all of them
            return self._all_stars[indices]
        return self._stars_for(self.encoded, indices)[0].cpu().numpy()

    def _stars_for(self, users: EncodedUsers, indices: IntArray) -> Tensor:
        """The same for several users, shape (users, movies)."""
        movies = self.catalogue.movies.take(torch.from_numpy(indices).to(users.hidden.device))
        numbers = torch.arange(len(users.hidden), device=users.hidden.device)
        one_by_one = (users.take(number) for number in numbers.unsqueeze(1))
        return torch.stack([self.catalogue.network.score(user, movies).mean.float() for user in one_by_one])

    def _order(self, indices: IntArray, diversity: float, n: int) -> IntArray:
        """The indices, best first; the first ``n`` are chosen for diversity too."""
        if self.rank_by != "rating" and self.log_relevance is not None:
            scores = self.log_relevance[indices]
            worth = np.exp(scores)
        else:
            scores = worth = self._stars(indices)
        order = descending(scores)
        return diversified(worth[order], indices[order], self.rated, self.catalogue.categories, diversity, n)

    def _entries(
        self, movie_ids: Sequence[int], indices: IntArray, stars: Sequence[float], explain: bool
    ) -> list[Recommendation]:
        """Recommendations in the order given; ids, indices and stars go together."""
        relevances: Sequence[float | None] = [None] * len(indices)
        if self.log_relevance is not None:
            probabilities = np.exp(self.log_relevance[indices], dtype=np.float64)
            relevances = np.round(probabilities, RELEVANCE_DECIMALS).tolist()
        reasons = self._reasons(indices) if explain else [None] * len(indices)
        return [Recommendation(*entry) for entry in zip(movie_ids, stars, relevances, reasons, strict=True)]

    def _reasons(self, indices: IntArray) -> list[tuple[Reason, ...]]:
        """For each movie index, the ratings that speak for it most; see `model.inference.explanation`."""
        latest = min(len(self.rated), LATEST_EXPLAINED)
        if self.rank_by != "rating":  # the ranking network reads no further back
            latest = min(latest, self.catalogue.network.require_ranking().config.history_length)
        if latest == 0:
            return [() for _ in indices]
        lost = self._lost_without_each(indices, latest).float().cpu().numpy()  # (latest, movies)
        best = np.argsort(-lost, axis=0, kind="stable")[:MOST_REASONS]
        examined = self.context.history[-latest:]
        return [
            tuple(
                Reason(examined[position].movie_id, round(float(lost[position, movie]), RANKING_DECIMALS))
                for position in best[:, movie]
                if lost[position, movie] > 0
            )
            for movie in range(len(indices))
        ]

    def _lost_without_each(self, indices: IntArray, latest: int) -> Tensor:
        """What the score loses without each of the latest ratings, shape (latest, movies)."""
        if self.rank_by == "rating":
            without = encode_without_each(self.catalogue.network, self.user, latest)
            return self._stars_for(self.encoded, indices) - self._stars_for(without, indices)
        ranking, movies = self.catalogue.require_ranking()
        queries = ranking.queries_without_each(self.user, movies, latest)
        return self._log_relevance(self.queries)[:, indices] - self._log_relevance(queries)[:, indices]


def descending(scores: npt.NDArray[np.floating]) -> IntArray:
    """Positions of the scores, the highest first; ties keep their order."""
    return np.argsort(-np.round(scores, RANKING_DECIMALS), kind="stable")
