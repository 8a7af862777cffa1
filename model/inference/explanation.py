"""Why a movie is in a list: what its score loses without each rating of the history.

A contribution is defined by removal: the score given the whole history, minus the score given the history without that
one rating. It is computed, not estimated. By relevance the score is the logarithm of a probability, so the rating makes
the movie e to the power of the contribution times as likely; by rating it is in stars.
"""

import numpy as np
from torch import Tensor

from model.inference.results import HORIZON, RANKING_DECIMALS, RankBy, Reason
from model.inference.user_state import UserState
from model.network.rating import EncodedUsers
from model.types import FloatArray, IntArray

MOST_REASONS = 3

LATEST_EXPLAINED = 50
"""How many of the latest ratings are examined; older ones have next to no influence on what comes next."""


class Explanation:
    """The ratings that speak for movies in one user's list.

    To be made before the list is: without each of the ratings and with all of them, the history is read in one go.
    """

    def __init__(self, state: UserState, rank_by: RankBy) -> None:
        self._state = state
        self._by_stars, self._horizon = rank_by == "rating", HORIZON[rank_by]
        self._examined = self._positions()
        self._without: EncodedUsers | Tensor | None = None
        if len(self._examined):
            encode = state.encoded_without_each if self._by_stars else state.queries_without_each
            self._without = encode(self._examined)

    def reasons(self, indices: IntArray) -> list[tuple[Reason, ...]]:
        """For each movie index, the ratings that speak for it most.

        A rated movie has no reasons: one of them would be its own rating, which its predicted stars leave out.
        """
        if self._without is None:
            return [() for _ in indices]
        lost = self._lost(self._without, indices)  # (examined, movies)
        lost[:, np.isin(indices, self._state.rated)] = 0
        best = np.argsort(-lost, axis=0, kind="stable")[:MOST_REASONS]
        examined = [self._state.context.history[position] for position in self._examined.tolist()]
        return [
            tuple(
                Reason(
                    examined[row].movie_id,
                    examined[row].stars,
                    round(float(lost[row, movie]), RANKING_DECIMALS),
                    examined[row].feedback,
                )
                for row in best[:, movie]
                if lost[row, movie] > 0
            )
            for movie in range(len(indices))
        ]

    def _positions(self) -> IntArray:
        """In the history, of the ratings that may be reasons, ascending.

        A movie that the user gave less than usual is not a reason for another one, whatever the score loses without it.
        """
        stars = self._state.context.history.stars
        first = max(len(stars) - LATEST_EXPLAINED, 0)
        if not self._by_stars:  # the ranking network reads no further back
            config = self._state.catalogue.network.require_ranking().config
            first = max(first, config.window_start(len(stars)))
        return first + np.flatnonzero(stars[first:] >= stars.mean()) if len(stars) else np.array([], dtype=np.int64)

    def _lost(self, without: EncodedUsers | Tensor, indices: IntArray) -> FloatArray:
        """What the score loses without each of the ratings, shape (examined, movies)."""
        state = self._state
        if isinstance(without, EncodedUsers):
            lost = state.stars_for(state.encoded, indices).mean - state.stars_for(without, indices).mean
        else:
            whole = state.log_relevance_for(state.queries, self._horizon)
            lost = whole[:, indices] - state.log_relevance_for(without, self._horizon)[:, indices]
        result: FloatArray = lost.float().cpu().numpy()
        return result
