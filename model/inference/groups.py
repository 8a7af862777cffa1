"""One list for several people: how the scores of a group's members become one order.

The strategies are those of Masthoff 2015 ("Group recommender systems", Recommender Systems Handbook, chapter 22):

``average``
    The mean of the members' scores.
``least_misery``
    The smallest of them: nobody gets what one member would like least. Equal ones by the mean.
``fairness``
    In turns, there and back (1, 2, 3, 3, 2, 1): who is next puts the movie with their own highest score into the list.
    Equal ones by the mean.

Members' scores have to mean the same before they can be compared. Stars do. The logits of the ranking network do not:
how far they spread differs from user to user, and so does their level. So the score by relevance is the logarithm of a
probability over all movies that the member has not rated. The mean of logarithms is the probability that all members
pick the movie, each by oneself: a product, which a single member who is very sure cannot outvote, as in the mean of the
probabilities themselves. ``docs/results/groups.md`` measures this beside ranks.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from model.inference.index import BEST
from model.inference.results import RANKING_DECIMALS, RankBy
from model.inference.user_state import UserState
from model.rating_scale import RELEVANT_STARS
from model.types import BoolArray, IntArray

Strategy = Literal["average", "least_misery", "fairness"]
"""How the scores of the members become one order."""

Seen = Literal["none", "liked"]
"""What a group's list may contain of what members have rated: nothing, or what some of them gave 4 or more stars."""


class GroupOrder(NamedTuple):
    """Movies, the best for the group first.

    Attributes:
        movies: shape (movies,).
        chosen_by: whose turn put each movie there, as a position among the members, shape (movies,); None for
            strategies without turns.
    """

    movies: IntArray
    chosen_by: IntArray | None


def aggregate(scores: npt.NDArray[np.floating], strategy: Strategy, n: int) -> GroupOrder:
    """The best ``n`` columns of the members' scores, by a strategy.

    ``scores`` has shape (members, movies), higher is better. NaN is a movie that the member has no say in; each movie
    has at least one number. Ties keep the order of the columns.
    """
    scores = np.round(scores.astype(np.float64), RANKING_DECIMALS)
    mean = np.round(np.nanmean(scores, axis=0), RANKING_DECIMALS) if scores.size else np.empty(0)
    if strategy == "average":
        return GroupOrder(np.argsort(-mean, kind="stable")[:n], None)
    if strategy == "least_misery":
        least = np.nanmin(scores, axis=0) if scores.size else mean
        return GroupOrder(np.lexsort((-mean, -least))[:n], None)
    comparable = np.nan_to_num(scores, nan=-np.inf)  # nobody picks what they have seen while there is anything else
    return in_turns([np.lexsort((-mean, -row)) for row in comparable], n)


def in_turns(favourites: Sequence[IntArray], n: int) -> GroupOrder:
    """The first ``n`` movies that the members pick in turns, there and back.

    ``favourites`` has all movies in the order of each member, best first; nobody picks what has been picked.
    """
    members, movies = len(favourites), len(favourites[0])
    left = [iter(order.tolist()) for order in favourites]
    picked: dict[int, int] = {}
    for turn in range(min(n, movies)):
        way, position = divmod(turn, members)
        member = position if way % 2 == 0 else members - 1 - position
        picked[next(movie for movie in left[member] if movie not in picked)] = member
    return GroupOrder(np.array(list(picked), dtype=np.int64), np.array(list(picked.values()), dtype=np.int64))


def order_for_group(
    states: Sequence[UserState], among: BoolArray, strategy: Strategy, rank_by: RankBy, seen: Seen, n: int
) -> GroupOrder:
    """The best ``n`` movie indices of a mask for some users of one catalogue, ties by movie id.

    Those that a member has rated are left out, or, with ``seen`` of ``liked``, those alone that a member gave fewer
    than 4 stars or that all have rated; the order of the others goes by the members who have not rated them. What one
    member has said to be of no interest, no list has.
    `NoRelevanceError` if ``rank_by`` is relevance and the network knows none.
    """
    rated = np.stack([_mask(state.rated, len(among)) for state in states])  # (members, movies)
    indices = _candidates(states, _allowed(states, among, rated, seen), rank_by, n)
    scores = np.stack([state.scores(rank_by, indices) for state in states])
    scores = np.where(rated[:, indices], np.float32(np.nan), scores)
    order = aggregate(scores, strategy, n)
    return order._replace(movies=indices[order.movies])


def _allowed(states: Sequence[UserState], among: BoolArray, rated: BoolArray, seen: Seen) -> BoolArray:
    """Which movie indices the list may contain, shape (movies,)."""
    among = among & ~np.any([_mask(state.excluded, len(among)) for state in states], axis=0)
    if seen == "none":
        unseen: BoolArray = among & ~rated.any(0)
        return unseen
    disliked = [_mask(state.rated[state.user.stars.cpu().numpy() < RELEVANT_STARS], len(among)) for state in states]
    allowed: BoolArray = among & ~np.any(disliked, axis=0) & ~rated.all(0)
    return allowed


def _candidates(states: Sequence[UserState], allowed: BoolArray, rank_by: RankBy, n: int) -> IntArray:
    """The allowed movie indices, by movie id; of a catalogue with an index, those that are among any member's best."""
    catalogue = states[0].catalogue
    if catalogue.index is not None:
        best = [state.best(rank_by, allowed, max(n, BEST)) for state in states]
        allowed = _mask(np.concatenate(best), len(allowed))
    return catalogue.by_id[allowed[catalogue.by_id]]


def _mask(indices: IntArray, size: int) -> BoolArray:
    mask = np.zeros(size, dtype=bool)
    mask[indices] = True
    return mask
