"""Generated data of a shape, and what is reckoned from measured shares."""

from pathlib import Path

import pytest
from polars.testing import assert_frame_equal

from benchmarks.large_data.generate import FEWEST_RATINGS, Shape, write
from benchmarks.large_data.measure import Row, Stage
from benchmarks.large_data.report import reckoned
from benchmarks.large_data.report import write as write_report
from model.data import dataset
from model.data.summary import measure_imbalance
from model.training.presets import PRESETS

SHAPE = Shape(users=300, movies=900, ratings=20_000, spread=2.0)


def test_generated_data_has_its_shape_and_passes_the_checks(tmp_path: Path) -> None:
    write(tmp_path / "made", SHAPE)
    data = dataset.read(tmp_path / "made")
    spread = measure_imbalance(data)

    assert (len(data.users), len(data.movies), len(data.ratings)) == SHAPE[:3]
    assert spread.per_user.minimum >= FEWEST_RATINGS
    assert spread.per_user.mean > 1.3 * spread.per_user.median
    assert spread.per_movie.top_share > 0.3  # of the ratings, those of a tenth of the movies
    assert spread.per_movie.mean > 1.5 * spread.per_movie.median
    assert data.half_star_share > 0.3


def test_the_same_seed_makes_the_same_data(tmp_path: Path) -> None:
    for name, seed in {"one": 0, "again": 0, "other": 1}.items():
        write(tmp_path / name, SHAPE, seed)
    one, again, other = (dataset.read(tmp_path / name).ratings for name in ("one", "again", "other"))

    assert_frame_equal(one, again)
    assert not one.equals(other)


def test_a_whole_training_is_reckoned_from_shares() -> None:
    second = Stage(seconds=1.0, peak=100.0)
    stages = {
        "seqrec-small: side information": second,
        "seqrec-small: factorization": second.model_copy(update={"of": 66}),
        "seqrec-small: stars": second.model_copy(update={"done": 20, "of": 200}),
        "seqrec-small: lists": second.model_copy(update={"done": 20, "of": 100}),
        "seqrec-small: scored stars": second,
        "seqrec-small: scored lists": second,
    }
    row = Row(shape="ml-1m", users=6040, movies=3883, ratings=1_000_000, stages=stages)

    # One epoch of stars is 10 s; four of lists are 4 * 5 s; held-out stars are scored once and after the epoch.
    assert reckoned(row, PRESETS["seqrec-small"]) == pytest.approx(1 + 66 + 10 + 4 * 5 + 1.5 + 2)
    assert reckoned(row, PRESETS["seqrec"]) is None


def test_the_report_has_a_row_for_each_data_set_and_a_chart(tmp_path: Path) -> None:
    rows = [
        Row(shape=f"ml-{count}", ratings=count, stages={"read": Stage(seconds=count / 1e6, peak=512)})
        for count in (1_000_000, 100_000)
    ]
    write_report(rows, tmp_path)

    text = (tmp_path / "large-data.md").read_text()
    assert text.index("| ml-100000 | 0 | 0 | 100,000 | 0.1 | 0.5 |") < text.index("| ml-1000000 |")
    assert (tmp_path / "large-data.png").stat().st_size > 5_000
