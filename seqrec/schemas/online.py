"""How good the served lists were, from what users did afterwards."""

from datetime import date, datetime

from pydantic import BaseModel, Field


class Estimate(BaseModel):
    """A value, and the ends of its 95 % interval by a bootstrap over users."""

    value: float = Field(examples=[0.31])
    low: float | None = Field(description="Null with fewer than two users.", examples=[0.27])
    high: float | None = Field(description="Null with fewer than two users.", examples=[0.35])


class ListCounts(BaseModel):
    """How much the measures rest on."""

    users: int = Field(examples=[120])
    lists: int = Field(description="Of which something was shown: an impression names them.", examples=[480])
    impressions: int = Field(description="Movies of these lists that were shown, each once a list.", examples=[4320])


class OnlineScore(ListCounts):
    """The measures of some lists. One without a value is null.

    A shown movie is a hit if its user gives a sign within seven days that it was wanted: an event of a kind that counts
    so (by default `click`, `watch` of most of it, `like` and `watchlist`), or a rating of 4 or more stars.
    """

    hit_rate: Estimate | None = Field(description="Share of the shown movies that are hits.")
    list_hit_rate: Estimate | None = Field(description="Share of the lists with a hit.")
    ndcg: Estimate | None = Field(
        description="Normalized discounted cumulative gain of what was shown, mean over the lists; that of a list "
        "without a hit is 0."
    )
    popularity: Estimate | None = Field(description="How many ratings a shown movie has; the mean.")
    seconds_to_hit: Estimate | None = Field(
        description="From the first impression of a list to its first hit; the median of the lists with one."
    )
    coverage: float = Field(description="Share of the movies that can be recommended which was shown.", examples=[0.4])


class ModelScore(OnlineScore):
    """The lists of one version of the model."""

    model: str = Field(examples=["20261123T220000Z-seqrec"])


class OrderScore(OnlineScore):
    """The lists of one order."""

    rank_by: str = Field(examples=["relevance"])


class DayScore(ListCounts):
    """The lists that one version of the model served on one day."""

    day: date = Field(description="In UTC.", examples=["2026-11-28"])
    model: str = Field(examples=["20261123T220000Z-seqrec"])
    hit_rate: float | None = Field(description="As above.", examples=[0.11])
    list_hit_rate: float | None = Field(description="As above.", examples=[0.31])
    ndcg: float | None = Field(description="As above.", examples=[0.2])


class Difference(Estimate):
    """Of the challenger's measure less the champion's."""

    significant: bool = Field(description="Whether the interval is clear of zero.", examples=[True])


class ComparedScore(OnlineScore):
    """The lists of one of two models that are compared."""

    model: str = Field(examples=["20261123T220000Z-seqrec"])
    share: float = Field(description="Of the users whom the model answers, 0 to 1.", examples=[0.9])


class ComparisonOutcome(BaseModel):
    """What a comparison of two models has shown so far, from the lists that were served in its time."""

    begun_at: datetime = Field(examples=["2026-11-24T09:00:00Z"])
    ended_at: datetime | None = Field(description="Null while it runs.", examples=[None])
    champion: ComparedScore
    challenger: ComparedScore
    hit_rate: Difference | None
    list_hit_rate: Difference | None
    ndcg: Difference | None
    verdict: str = Field(
        description="In words, whether the models differ in NDCG.",
        examples=[
            "Significant: the challenger's lists are better, their NDCG differs by +0.0210 (95% interval +0.0040 to "
            "+0.0380)."
        ],
    )


class OnlineMeasurement(BaseModel):
    """How good the lists of the last days were. Those of the last seven may still get hits."""

    days: int = Field(examples=[30])
    measured_at: datetime = Field(examples=["2026-11-28T22:00:00Z"])
    overall: OnlineScore
    by_model: list[ModelScore] = Field(description="The newest first.")
    by_rank_by: list[OrderScore]
    by_day: list[DayScore] = Field(description="The earliest day first.")
    comparison: ComparisonOutcome | None = Field(
        default=None,
        description="The latest comparison of two models, which runs or has ended; null if there was none.",
    )
