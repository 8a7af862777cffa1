"""Whether the lists of two models that are served side by side differ, by what their users did afterwards."""

from collections.abc import Mapping
from typing import NamedTuple

from app.services.feedback.attribution import AttributedList
from app.services.feedback.bootstrap import RESAMPLES, Estimate, difference
from app.services.feedback.scores import Grouping, OnlineScore, rates, score_of
from app.storage.models import Comparison
from model.types import IntArray

NAMES = {"hit_rate": "hit rate", "list_hit_rate": "share of lists with a hit", "ndcg": "NDCG"}


class Outcome(NamedTuple):
    """What a comparison has shown so far, from the lists that were served in its time.

    Attributes:
        differences: of the challenger's measures less the champion's, by the names of `OnlineScore`.
        verdict: in words, whether the models differ in NDCG.
    """

    comparison: Comparison
    champion: OnlineScore
    challenger: OnlineScore
    differences: Mapping[str, Estimate | None]
    verdict: str


def lists_of(comparison: Comparison | None) -> Grouping[str]:
    """Sorts out, by model, the lists that count for the comparison."""
    if comparison is None:
        return Grouping(lambda _: None)
    versions = comparison.champion, comparison.challenger
    until = float("inf") if comparison.ended_at is None else comparison.ended_at

    def model_of(one: AttributedList) -> str | None:
        served = one.served
        return served.model if served.model in versions and comparison.begun_at <= served.served_at <= until else None

    return Grouping(model_of)


def compare(comparison: Comparison, lists: Grouping[str], movies: IntArray, resamples: int = RESAMPLES) -> Outcome:
    """``lists`` are those of `lists_of`, and ``movies`` the ids of those that can be recommended."""
    groups = lists.groups[comparison.champion], lists.groups[comparison.challenger]
    champion, challenger = (group.sums() for group in groups)
    users = len(champion.users), len(challenger.users)
    statistics = rates(champion), rates(challenger)
    differences = {name: difference(users, (statistics[0][name], statistics[1][name]), resamples) for name in NAMES}
    verdict = _in_words(differences["ndcg"])
    before, after = (score_of(group, movies, resamples) for group in groups)
    return Outcome(comparison, before, after, differences, verdict)


def is_significant(estimate: Estimate) -> bool:
    """Whether the interval of a difference is clear of zero."""
    return estimate.low is not None and estimate.high is not None and (estimate.low > 0 or estimate.high < 0)


def _in_words(ndcg: Estimate | None) -> str:
    if ndcg is None:
        return "Not known yet: of one of the models, no list was shown."
    if ndcg.low is None or ndcg.high is None:
        return "Not known yet: each of the models needs lists of at least two users."
    interval = f"{ndcg.value:+.4f} (95% interval {ndcg.low:+.4f} to {ndcg.high:+.4f})"
    if not is_significant(ndcg):
        return f"Not significant: the challenger's NDCG differs by {interval}, which may be chance."
    better = "better" if ndcg.value > 0 else "worse"
    return f"Significant: the challenger's lists are {better}, their NDCG differs by {interval}."
