"""The lists of many users at once: the order and the numbers of `model.inference.ranking`, computed in batches.

One matrix product scores the catalogue for a whole batch, and stars are predicted for the listed movies alone. Sums are
taken in another order than for one user, so a number may differ from that of `UserRanking` by one in its last decimal.
"""

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from model.features.catalogue import UNKNOWN
from model.features.users import UserContext
from model.inference.diversity import POOL, diversified
from model.inference.encoding.catalogue import EncodedCatalogue
from model.inference.results import (
    HORIZON,
    RANKING_DECIMALS,
    RELEVANCE_DECIMALS,
    RankBy,
    Recommendation,
    descending,
    rounded,
)
from model.network.batch import USERS_PER_BATCH, Users
from model.network.rating import EncodedUsers
from model.types import FloatArray, IntArray, clip


class Page(NamedTuple):
    """Which part of each list is asked for, and how diverse the lists are (`model.inference.diversity`)."""

    n: int
    offset: int = 0
    diversity: float = 0.0

    @property
    def end(self) -> int:
        return self.offset + self.n


class Candidates:
    """The movies that lists may contain, by id ascending, and their encodings."""

    def __init__(self, catalogue: EncodedCatalogue, movie_ids: Sequence[int]) -> None:
        """The network knows all of ``movie_ids``, which ascend."""
        self.catalogue = catalogue
        self.ids = np.array(movie_ids, dtype=np.int64)
        self.indices = catalogue.vocabulary.indices(movie_ids)

    @cached_property
    def movies(self) -> Tensor:
        """Movie indices on the device of the encoded movies, shape (candidates,)."""
        return torch.from_numpy(self.indices).to(self.catalogue.device)


class BatchRanking:
    """Orders the same movies for each user of one batch."""

    def __init__(self, candidates: Candidates, contexts: Sequence[UserContext], rank_by: RankBy) -> None:
        """Raises `NoRelevanceError` or `NoStarsError` if the order asked for is one that the network does not know."""
        self.catalogue = candidates.catalogue
        self.candidates = candidates
        self.users: Users = self.catalogue.batch(contexts)
        self._excluded = [self.catalogue.vocabulary.indices(context.excluded) for context in contexts]
        self.rank_by = rank_by
        if rank_by == "rating":
            self.catalogue.require_stars()
        else:
            self.catalogue.require_compared()

    def best(self, page: Page) -> list[list[Recommendation]]:
        """The page of each user's list, best first, ties by id, without movies of the history and excluded ones."""
        pages = self._pages(page)
        predicted, probabilities = self._stars(pages)
        stars, likely, relevance = iter(predicted), iter(probabilities), iter(self._relevance(pages))
        return [
            [
                Recommendation(movie_id, next(stars), next(likely), next(relevance), None)
                for movie_id in self.candidates.ids[positions].tolist()
            ]
            for positions in pages
        ]

    def _pages(self, page: Page) -> list[IntArray]:
        """For each user, the positions of the listed movies among the candidates."""
        scores = self._scores
        # A diverse list is chosen from a pool, and the best of it set the scale of relevance.
        depth = page.end if page.diversity == 0 else max(page.end, POOL)
        orders = first_of_each(scores, depth)
        if page.diversity:
            histories = torch.split(self.users.movies.cpu(), self.users.lengths.tolist())
            orders = [
                self._diversified(row[order], order, history.numpy(), page)
                for row, order, history in zip(scores, orders, histories, strict=True)
            ]
        return [order[page.offset : page.end] for order in orders]

    def _diversified(self, scores: FloatArray, order: IntArray, history: IntArray, page: Page) -> IntArray:
        worth = scores if self.rank_by == "rating" else np.exp(scores)
        indices = self.candidates.indices[order]
        chosen = diversified(worth, indices, history, self.catalogue.categories, page.diversity, page.end)
        position = dict(zip(indices.tolist(), order.tolist(), strict=True))
        return np.array([position[index] for index in chosen.tolist()], dtype=np.int64)

    @cached_property
    def _scores(self) -> FloatArray:
        """What orders the candidates, minus infinity for rated and excluded ones, shape (users, candidates)."""
        scores = self._scores_of_unrated
        for user, excluded in enumerate(self._excluded):
            if len(excluded):
                scores[user, np.isin(self.candidates.indices, excluded)] = -np.inf
        return scores

    @property
    def _scores_of_unrated(self) -> FloatArray:
        """The same with those that the users exclude."""
        if self.rank_by != "rating" and self._log_relevance is not None:
            return self._log_relevance[:, self.candidates.movies].cpu().numpy()
        scores = torch.stack([self._stars_of_candidates(user) for user in range(len(self.users.lengths))])
        rated = torch.zeros(len(scores), len(self.catalogue.vocabulary), dtype=torch.bool, device=scores.device)
        rated[self.users.user_index, self.users.movies] = True
        return scores.masked_fill(rated[:, self.candidates.movies], -torch.inf).cpu().numpy()

    def _stars_of_candidates(self, user: int) -> Tensor:
        """One user's stars for every candidate, not clipped, shape (candidates,)."""
        alone = self._encoded.take(slice(user, user + 1))
        movies = self.catalogue.require_stars().take(self.candidates.movies)
        return self.catalogue.network.score(alone, movies).mean.float()

    @cached_property
    def _encoded(self) -> EncodedUsers:
        """The users as the rating network sees them."""
        return self.catalogue.encoder.encode(self.users)

    @cached_property
    def _log_relevance(self) -> Tensor | None:
        """Log-probability of each movie index over those that the user has not rated, shape (users, movies).

        None if the network has no relevance.
        """
        if self.catalogue.vectors is None:
            return None
        queries = self.catalogue.encoder.queries(self.users)
        queries = self.catalogue.network.compared_queries(queries, lambda: self._encoded.vectors)
        logits = self.catalogue.logits(queries, HORIZON[self.rank_by]).float()
        logits[:, UNKNOWN] = -torch.inf
        logits[self.users.user_index, self.users.movies] = -torch.inf
        return logits.log_softmax(-1)

    def _stars(self, pages: Sequence[IntArray]) -> tuple[list[float] | list[None], list[float] | list[None]]:
        """Predicted stars of all listed movies, one list after the other, and how likely each is given 4 or more.

        Both are None each from a network that predicts no stars, the latter from one that predicts the mean alone.
        """
        if self.catalogue.movies is None:
            nothing = [None] * sum(map(len, pages))
            return nothing, nothing
        (users, movies), scale = self._pairs(pages), self.catalogue.network.config.rating_scale
        predicted = self.catalogue.network.score(self._encoded.take(users), self.catalogue.movies.take(movies))
        stars = rounded(clip(predicted.mean.float().cpu().numpy(), scale))
        likely = predicted.like_probability(scale)
        return stars, [None] * len(stars) if likely is None else rounded(likely.float().cpu().numpy())

    def _relevance(self, pages: Sequence[IntArray]) -> list[float] | list[None]:
        """Probabilities of all listed movies, one list after the other; None each if the network has none."""
        if self._log_relevance is None:
            return [None] * sum(map(len, pages))
        probabilities = np.exp(self._log_relevance[self._pairs(pages)].cpu().numpy(), dtype=np.float64)
        relevance: list[float] = np.round(probabilities, RELEVANCE_DECIMALS).tolist()
        return relevance

    def _pairs(self, pages: Sequence[IntArray]) -> tuple[Tensor, Tensor]:
        """User and movie index of all listed movies, one list after the other, each of shape (listed movies,)."""
        users = np.repeat(np.arange(len(pages)), [len(positions) for positions in pages])
        movies = self.candidates.indices[np.concatenate(pages)]
        device = self.candidates.movies.device
        return torch.from_numpy(users).to(device), torch.from_numpy(movies).to(device)


def rank_many(
    candidates: Candidates, contexts: Sequence[UserContext], rank_by: RankBy, page: Page
) -> list[list[Recommendation]]:
    """A list for each user, in the order given.

    Users with histories of about the same length share a batch, because a batch takes as long as its longest history.
    """
    lists: dict[int, list[Recommendation]] = {}
    for batch in _by_length(contexts):
        ranking = BatchRanking(candidates, [contexts[number] for number in batch], rank_by)
        lists.update(zip(batch, ranking.best(page), strict=True))
    return [lists[number] for number in range(len(contexts))]


def _by_length(contexts: Sequence[UserContext]) -> Iterator[list[int]]:
    """Numbers of the users of each batch."""
    numbers = sorted(range(len(contexts)), key=lambda number: len(contexts[number].history))
    for start in range(0, len(numbers), USERS_PER_BATCH):
        yield numbers[start : start + USERS_PER_BATCH]


def first_of_each(scores: FloatArray, n: int) -> list[IntArray]:
    """Positions of the ``n`` highest of each row, the highest first; ties keep their order.

    Ties are those of `descending`. Minus infinity is never among them, so a row may have fewer. ``scores`` has shape
    (rows, columns).
    """
    last = min(n, scores.shape[1]) - 1
    if last < 0:
        return [np.empty(0, dtype=np.int64) for _ in scores]
    tied = np.round(scores, RANKING_DECIMALS)
    # All that are at least as high as the n-th highest: more than n where others tie with it.
    thresholds = np.partition(tied, scores.shape[1] - 1 - last, axis=1)[:, [scores.shape[1] - 1 - last]]
    highest = (tied >= thresholds) & np.isfinite(tied)
    positions = (np.flatnonzero(row) for row in highest)
    return [found[descending(row[found])][:n] for row, found in zip(scores, positions, strict=True)]
