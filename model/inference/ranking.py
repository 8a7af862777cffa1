"""One user's list: the order of its movies, and the reasons for each."""

from collections.abc import Sequence
from itertools import compress

import numpy as np

from model.inference.diversity import POOL, diversified
from model.inference.explanation import Explanation
from model.inference.index import exclude
from model.inference.results import (
    HORIZON,
    RANKING_DECIMALS,
    RELEVANCE_DECIMALS,
    Prediction,
    RankBy,
    Recommendation,
    descending,
    rounded,
)
from model.inference.user_state import UserState
from model.rating_scale import RatingScale, liked_levels
from model.types import BoolArray, IntArray, clip


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
        explanation = Explanation(self.state, self.rank_by) if explain else None
        if len(self.state.excluded):
            among = exclude(among, self.state.excluded)
        order = self.state.best(self.rank_by, among, max(offset + n, POOL if diversity else 0))
        if diversity:
            scores = self.state.scores(self.rank_by, order)
            worth = scores if self.rank_by == "rating" else np.exp(scores)
            order = diversified(worth, order, self.state.rated, self.catalogue.categories, diversity, offset + n)
        page = order[offset : offset + n]
        stars: Sequence[float | None] = [None] * len(page)
        likely: Sequence[float | None] = [None] * len(page)
        if self.catalogue.movies is not None:
            predicted = self.state.predicted(page)
            stars = rounded(clip(predicted.stars, self._rating_scale))
            if self.catalogue.network.config.likelihood == "categorical":
                likely = rounded(predicted.like_probability)
        return self._entries(self.catalogue.ids[page].tolist(), page, stars, likely, explanation)

    def all(
        self, movie_ids: Sequence[int], predictions: Sequence[Prediction] | None, explain: bool = False
    ) -> list[Recommendation]:
        """All of the movies, best first, also rated ones, whose relevance is 0.

        ``movie_ids`` ascend; ties keep that order. ``predictions`` are theirs, None from a network that predicts no
        stars.
        """
        explanation = Explanation(self.state, self.rank_by) if explain else None
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
            explanation,
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
        explanation: Explanation | None,
    ) -> list[Recommendation]:
        """Recommendations in the order given; ids, indices, stars and probabilities to like them go together."""
        relevances: Sequence[float | None] = [None] * len(indices)
        log_relevance = self.state.log_relevance_of(indices, self.horizon)
        if log_relevance is not None:
            probabilities = np.exp(log_relevance, dtype=np.float64)
            relevances = np.round(probabilities, RELEVANCE_DECIMALS).tolist()
        reasons = [None] * len(indices) if explanation is None else explanation.reasons(indices)
        return [Recommendation(*entry) for entry in zip(movie_ids, stars, likely, relevances, reasons, strict=True)]


def like_probability(prediction: Prediction, scale: RatingScale) -> float | None:
    """How likely the user is to give 4 or more stars; None from a model that predicts the mean alone."""
    if prediction.probabilities is None:
        return None
    return round(sum(compress(prediction.probabilities, liked_levels(scale))), RANKING_DECIMALS)
