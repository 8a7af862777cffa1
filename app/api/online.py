"""The measures of the served lists as the API answers them."""

from app.services.feedback import bootstrap
from app.services.feedback.online import Online, OnlineScore
from seqrec.schemas import online

DECIMALS = 4


def measurement(own: Online) -> online.OnlineMeasurement:
    return online.OnlineMeasurement(
        days=own.days,
        measured_at=own.measured_at,
        overall=online.OnlineScore.model_validate(_fields(own.overall)),
        by_model=[
            online.ModelScore.model_validate({"model": model, **_fields(score)})
            for model, score in sorted(own.by_model.items(), reverse=True)
        ],
        by_rank_by=[
            online.OrderScore.model_validate({"rank_by": rank_by, **_fields(score)})
            for rank_by, score in sorted(own.by_rank_by.items())
        ],
        by_day=[
            online.DayScore(
                day=day,
                model=model,
                users=score.users,
                lists=score.lists,
                impressions=score.impressions,
                hit_rate=_value(score.hit_rate),
                list_hit_rate=_value(score.list_hit_rate),
                ndcg=_value(score.ndcg),
            )
            for (day, model), score in sorted(own.by_day.items())
        ],
    )


def _fields(score: OnlineScore) -> dict[str, object]:
    estimates = {
        name: _rounded(value) for name, value in score._asdict().items() if isinstance(value, bootstrap.Estimate)
    }
    return {**score._asdict(), "coverage": round(score.coverage, DECIMALS), **estimates}


def _rounded(estimate: bootstrap.Estimate) -> dict[str, float | None]:
    return {name: None if value is None else round(value, DECIMALS) for name, value in estimate._asdict().items()}


def _value(estimate: bootstrap.Estimate | None) -> float | None:
    return None if estimate is None else round(estimate.value, DECIMALS)
