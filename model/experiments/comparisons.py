"""Two rows of one split compared target by target, and the comparison kept."""

import numpy as np
from pydantic import BaseModel

from model.evaluation.bootstrap import RESAMPLES, paired_difference
from model.experiments.rows import Row, Rows
from model.experiments.storage import read_record, write_text


class Comparison(BaseModel):
    """The difference of two models' test RMSE on one split, with the ends of its 95 % interval.

    Attributes:
        difference: RMSE of the first model minus that of the second, in stars.
        users: in the test examples.
        resamples: of these users, behind the interval.
    """

    first: str
    second: str
    protocol: str
    seeds: tuple[int, int]
    first_rmse: float
    second_rmse: float
    difference: float
    low: float
    high: float
    users: int
    resamples: int


def compare(rows: Rows, first: Row, second: Row) -> Comparison | None:
    """Compare two rows of the same split; None where one of them cannot be run."""
    kept = find_comparison(rows, first, second)
    if kept is not None:
        return kept
    stars = [rows.predicted(row) for row in (first, second)]
    if stars[0] is None or stars[1] is None:
        return None
    test = rows.split(first).test
    users = np.repeat(np.arange(len(test)), test.target_counts)
    difference = paired_difference(stars[0], stars[1], test.target_stars, users, levels=test.rating_scale)
    errors = _errors(rows, first, second)
    comparison = Comparison(
        first=first.model,
        second=second.model,
        protocol=first.protocol,
        seeds=first.seeds,
        first_rmse=errors[0],
        second_rmse=errors[1],
        difference=difference.rmse,
        low=difference.low,
        high=difference.high,
        users=len(test),
        resamples=RESAMPLES,
    )
    write_text(rows.folder / _file(first, second), comparison.model_dump_json(indent=2) + "\n")
    return comparison


def find_comparison(rows: Rows, first: Row, second: Row) -> Comparison | None:
    """The comparison that is kept, as long as both rows still have the errors that it was made of."""
    kept = read_record(rows.folder / _file(first, second), Comparison)
    if kept is None or kept.resamples != RESAMPLES:
        return None
    return kept if [kept.first_rmse, kept.second_rmse] == _errors(rows, first, second) else None


def _errors(rows: Rows, first: Row, second: Row) -> list[float]:
    results = [rows.find(row) for row in (first, second)]
    return [result.evaluation.rmse for result in results if result is not None and result.evaluation is not None]


def _file(first: Row, second: Row) -> str:
    return f"rows/{first.name}_against_{second.model}.json"
