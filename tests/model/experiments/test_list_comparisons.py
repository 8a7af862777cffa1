"""Paired comparisons of lists, from the ranks that were kept when the models were measured."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from model.evaluation.ranking_metrics import ndcg
from model.experiments.lists.comparisons import ListComparison, Measured, compare, read_ranks, write_ranks

USERS = 400


def measured(folder: Path, name: str, *trainings: Sequence[int] | np.ndarray) -> Measured:
    """A model with these ranks of each user's one target, one sequence for each of its trainings."""
    files = [folder / "lists" / f"{name}-{number}.json" for number in range(len(trainings))]
    ranks = [[np.array([rank]) for rank in training] for training in trainings]
    for file, own in zip(files, ranks, strict=True):
        write_ranks(file, own)
    return Measured(model=name, ndcgs=[ndcg(own) for own in ranks], files=files)


def only(comparisons: list[ListComparison]) -> ListComparison:
    (comparison,) = comparisons
    return comparison


def test_ranks_are_read_as_they_were_kept(tmp_path: Path) -> None:
    write_ranks(tmp_path / "a.json", [np.array([3]), np.array([0, 70]), np.array([9])])

    kept = read_ranks(tmp_path / "a.json")

    assert kept is not None
    assert [ranks.tolist() for ranks in kept] == [[3], [0, 70], [9]]
    assert read_ranks(tmp_path / "b.json") is None


def test_a_lead_with_every_user_is_clear_and_one_by_chance_is_not(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    good = random.integers(0, 8, USERS)
    worse, by_chance = measured(tmp_path, "worse", good + 1), measured(tmp_path, "chance", random.permutation(good))
    best = measured(tmp_path, "best", np.where(np.arange(USERS) == int(good.argmax()), 0, good))  # one user is better

    clear = only(compare(tmp_path, "leave-one-out", [worse, best]))
    unclear = only(compare(tmp_path, "leave-one-out", [by_chance, best]))

    assert (clear.first, clear.second, clear.users) == ("best", "worse", USERS)
    assert clear.is_clear
    assert clear.low <= clear.difference <= clear.high
    assert not unclear.is_clear
    assert unclear.difference > 0


def test_users_are_paired_so_that_a_small_lead_with_everyone_is_clear_of_great_differences_between_users(
    tmp_path: Path,
) -> None:
    ranks = np.where(np.arange(USERS) % 2, 0, 8)
    found = only(compare(tmp_path, "user-split", [measured(tmp_path, "b", ranks + 1), measured(tmp_path, "a", ranks)]))

    assert found.high - found.low < 0.05 < found.difference


def test_several_trainings_count_as_their_mean(tmp_path: Path) -> None:
    two = measured(tmp_path, "two", [0] * 10, [2] * 10)  # NDCG 1 and 1/2
    one = measured(tmp_path, "one", [14] * 10)

    assert only(compare(tmp_path, "leave-one-out", [one, two])).difference == pytest.approx(0.75)


def test_without_the_ranks_behind_a_result_the_comparison_is_the_kept_one_or_none(tmp_path: Path) -> None:
    best, other = measured(tmp_path, "best", [0, 1]), measured(tmp_path, "other", [4, 5])
    kept = only(compare(tmp_path, "leave-one-out", [best, other]))
    for file in tmp_path.glob("lists/.ranks/*"):
        file.unlink()

    assert only(compare(tmp_path, "leave-one-out", [best, other])) == kept
    measured_again = other.model_copy(update={"ndcgs": [0.1]})
    assert compare(tmp_path, "leave-one-out", [best, measured_again]) == []


def test_ranks_of_another_measurement_are_not_compared(tmp_path: Path) -> None:
    best, other = measured(tmp_path, "best", [0, 1]), measured(tmp_path, "other", [4, 5])
    write_ranks(other.files[0], [np.array([4]), np.array([6])])

    assert compare(tmp_path, "leave-one-out", [best, other]) == []
