"""Paired comparisons of lists, user by user, from the ranks of the targets that were kept when each model was measured.

The ranks stay where they were measured, in files that git ignores: with the ranks of a public model such as popularity
they would give away which movie a user rated last, and the licence of MovieLens forbids to pass its ratings on. The
intervals that come out of them are kept.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel

from model.evaluation.bootstrap import RESAMPLES, paired_mean_difference
from model.evaluation.ranking_metrics import ndcg_of_users
from model.experiments.results import read_record, write_record
from model.files import atomic_write
from model.types import IntArray

FOLDER = "leads"
"""Of the comparisons, beside the folders of the results."""


class ListComparison(BaseModel):
    """The difference between two models' NDCG@10 on one protocol, with its 95 % interval.

    Of a model that was trained with several seeds, it is the mean of its trainings.

    Attributes:
        difference: NDCG@10 of the first model minus that of the second.
        low, high: ends of the interval.
        users: number of test users with a target.
        resamples: of these users, behind the interval.
    """

    protocol: str
    first: str
    second: str
    first_ndcg: float
    second_ndcg: float
    difference: float
    low: float
    high: float
    users: int
    resamples: int

    @property
    def is_clear(self) -> bool:
        """Whether the interval leaves zero out."""
        return self.low > 0 or self.high < 0


class Measured(BaseModel):
    """A model's results on a protocol: its NDCG@10, one a seed, and the files that they are in."""

    model: str
    ndcgs: list[float]
    files: list[Path]

    @property
    def ndcg(self) -> float:
        return float(np.mean(self.ndcgs))


def compare(folder: Path, protocol: str, measured: Sequence[Measured]) -> list[ListComparison]:
    """The best model against each other one, as far as their ranks are there or they have been compared before."""
    best, *others = sorted(measured, key=lambda one: -one.ndcg)
    comparisons = (_compare(folder / FOLDER, protocol, best, other) for other in others)
    return [comparison for comparison in comparisons if comparison is not None]


def _compare(folder: Path, protocol: str, first: Measured, second: Measured) -> ListComparison | None:
    file = folder / f"{protocol}-{first.model}-against-{second.model}.json"
    kept = read_record(file, ListComparison)
    if kept is not None and np.allclose([kept.first_ndcg, kept.second_ndcg], [first.ndcg, second.ndcg], atol=1e-9):
        return kept
    users = [_ndcg_of_users(one) for one in (first, second)]
    if users[0] is None or users[1] is None:
        return None
    difference = paired_mean_difference(users[0], users[1])
    comparison = ListComparison(
        protocol=protocol,
        first=first.model,
        second=second.model,
        first_ndcg=first.ndcg,
        second_ndcg=second.ndcg,
        difference=difference.mean,
        low=difference.low,
        high=difference.high,
        users=len(users[0]),
        resamples=RESAMPLES,
    )
    write_record(file, comparison)
    return comparison


def _ndcg_of_users(measured: Measured) -> npt.NDArray[np.float64] | None:
    """Mean over the seeds, shape (users,); None unless all ranks are there, and those behind the results."""
    users = [_ndcg(file) for file in measured.files]
    if any(one is None or not np.isclose(one.mean(), ndcg) for one, ndcg in zip(users, measured.ndcgs, strict=True)):
        return None
    means: npt.NDArray[np.float64] = np.mean([one for one in users if one is not None], axis=0)
    return means


def _ndcg(file: Path) -> npt.NDArray[np.float64] | None:
    target_ranks = read_ranks(file)
    return None if target_ranks is None else ndcg_of_users(target_ranks)


def write_ranks(result_file: Path, target_ranks: Iterable[IntArray]) -> None:
    """Keep the ranks of each user's targets, as in a `Ranking`, for the result in this file."""
    ranks = list(target_ranks)
    with atomic_write(_ranks_file(result_file)) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, ranks=np.concatenate(ranks), counts=np.array([len(one) for one in ranks]))


def read_ranks(result_file: Path) -> list[IntArray] | None:
    """What `write_ranks` kept; None if it is not there."""
    try:
        with np.load(_ranks_file(result_file)) as kept:
            return np.split(kept["ranks"], np.cumsum(kept["counts"])[:-1])
    except FileNotFoundError:
        return None


def _ranks_file(result_file: Path) -> Path:
    return result_file.parent / ".ranks" / f"{result_file.stem}.npz"
