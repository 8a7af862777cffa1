"""The measures of the served lists as the API answers them."""

from app.api.models import comparison
from app.services.feedback import bootstrap
from app.services.feedback.comparing import Outcome, is_significant
from app.services.feedback.online import Online
from app.services.feedback.scores import OnlineScore
from seqrec.schemas import online

DECIMALS = 4


def measurement(measured: Online) -> online.OnlineMeasurement:
    return online.OnlineMeasurement(
        days=measured.days,
        measured_at=measured.measured_at,
        overall=online.OnlineScore.model_validate(_fields(measured.overall)),
        by_model=[
            online.ModelScore.model_validate({"model": model, **_fields(score)})
            for model, score in sorted(measured.by_model.items(), reverse=True)
        ],
        by_rank_by=[
            online.OrderScore.model_validate({"rank_by": rank_by, **_fields(score)})
            for rank_by, score in sorted(measured.by_rank_by.items())
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
            for (day, model), score in sorted(measured.by_day.items())
        ],
        comparison=None if measured.comparison is None else _outcome(measured.comparison),
    )


def _outcome(outcome: Outcome) -> online.ComparisonOutcome:
    compared = comparison(outcome.comparison)
    champion, challenger = compared.champion, compared.challenger
    return online.ComparisonOutcome.model_validate(
        {
            "begun_at": compared.begun_at,
            "ended_at": compared.ended_at,
            "champion": {"model": champion.version, "share": champion.share, **_fields(outcome.champion)},
            "challenger": {"model": challenger.version, "share": challenger.share, **_fields(outcome.challenger)},
            "verdict": outcome.verdict,
            **{name: estimate and _difference(estimate) for name, estimate in outcome.differences.items()},
        }
    )


def _difference(estimate: bootstrap.Estimate) -> dict[str, float | None]:
    return {**_rounded(estimate), "significant": is_significant(estimate)}


def _fields(score: OnlineScore) -> dict[str, object]:
    estimates = {
        name: _rounded(value) for name, value in score._asdict().items() if isinstance(value, bootstrap.Estimate)
    }
    return {**score._asdict(), "coverage": round(score.coverage, DECIMALS), **estimates}


def _rounded(estimate: bootstrap.Estimate) -> dict[str, float | None]:
    return {name: None if value is None else round(value, DECIMALS) for name, value in estimate._asdict().items()}


def _value(estimate: bootstrap.Estimate | None) -> float | None:
    return None if estimate is None else round(estimate.value, DECIMALS)
