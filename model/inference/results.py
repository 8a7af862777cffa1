"""What a scorer answers, to how many decimals, and in which order.

Movies are named by id; who shows an answer adds titles and genres from its own catalogue.
"""

from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from model.types import FloatArray, IntArray

RankBy = Literal["relevance", "next", "rating"]
"""What orders a list: how likely the user is to give a movie 4 or more stars from here on, how likely the movie is
rated next, or the predicted stars."""

HORIZON: dict[RankBy, str] = {"relevance": "relevance", "next": "next", "rating": "relevance"}
"""Of the relevance that a list shows, by what it is ordered by."""

RANKING_DECIMALS = 4
"""Stars, logits and cosines that are equal in these decimals are a tie."""

RELEVANCE_DECIMALS = 6

POSITION_BITS = 32
"""Of a number that is sorted in place of a score; for the positions of more movies than anyone has."""

LEAST_SCORE = np.float32(-100_000)
"""Below all stars, logits and logarithms of probabilities; a score in units of the last decimal fits above it."""


class Prediction(NamedTuple):
    """The stars that a user is predicted to give a movie.

    Attributes:
        stars: expected value, within the scorer's rating scale.
        probabilities: one for each step of the rating scale; None from a model that predicts the mean alone.
        own_stars: the user's own rating, which the prediction leaves out; None if there is none.
    """

    movie_id: int
    stars: float
    probabilities: tuple[float, ...] | None
    own_stars: float | None


class Reason(NamedTuple):
    """A rated movie that speaks for a recommended one.

    Attributes:
        movie_id: of the history.
        stars: that the user gave it, at least the mean of the history.
        contribution: what the recommended movie's score loses without this rating; see `model.inference.explanation`.
            By relevance the score is a natural logarithm, by rating it is in stars.
        feedback: what the stars stand for where the user gave none, as ``like``.
    """

    movie_id: int
    stars: float
    contribution: float
    feedback: str | None = None


class Recommendation(NamedTuple):
    """One entry of a list.

    Attributes:
        stars: predicted, within the scorer's rating scale; None from a model that predicts none.
        like_probability: how likely the user is to give 4 or more stars; None from a model that predicts the mean
            alone, or no stars.
        relevance: the probability that orders the list, over all movies that the user has not rated; in a list by
            stars, that of ``relevance``. None from a model that predicts stars alone.
        reasons: up to three, the most important first; None unless asked for.
    """

    movie_id: int
    stars: float | None
    like_probability: float | None
    relevance: float | None
    reasons: tuple[Reason, ...] | None


class GroupRecommendation(NamedTuple):
    """One entry of a group's list.

    Attributes:
        chosen_by: whose turn put it there, as a position among the members; None for strategies without turns.
        members: what the movie is for each member, in their order. Of a movie that a member has rated, the relevance is
            0 and the stars are predicted from the other ratings.
    """

    movie_id: int
    chosen_by: int | None
    members: tuple[Recommendation, ...]


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
