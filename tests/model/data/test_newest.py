"""The newest ratings are held out, whatever their times."""

from dataclasses import replace

import polars as pl
import pytest

from model.data.dataset import MovieLens
from model.data.newest import newest_split
from model.errors import DataError


@pytest.mark.parametrize(
    ("times", "held_out"),
    [
        pytest.param(pl.col("rated_at"), 200, id="all at other times"),
        pytest.param(pl.col("rated_at").clip(upper_bound=2_000_000_300), 200, id="the newest at one"),
        pytest.param(pl.col("rated_at").clip(upper_bound=2_000_000_150), 251, id="most at one"),
        pytest.param(pl.col("rated_at").clip(upper_bound=2_000_000_001), 400, id="all at one"),
    ],
)
def test_the_later_half_is_held_out_and_what_came_at_one_moment_together(
    sample: MovieLens, times: pl.Expr, held_out: int
) -> None:
    since = 2_000_000_000
    newest = pl.int_range(pl.len()).shuffle(seed=0).rank("ordinal") <= 400
    after = pl.when(newest).then(since + newest.cum_sum().cast(pl.Int64)).otherwise(pl.col("rated_at"))
    ratings = sample.ratings.with_columns(rated_at=after).with_columns(rated_at=times)

    split, cut = newest_split(replace(sample, ratings=ratings), since)

    assert int(ratings.select((pl.col("rated_at") > cut).sum()).item()) == held_out
    assert len(split.train.sequences.movies) == len(ratings) - held_out


def test_where_nothing_came_before_the_newest_there_is_nothing_to_learn_from(sample: MovieLens) -> None:
    at_once = sample.ratings.with_columns(rated_at=pl.lit(2_000_000_000))

    with pytest.raises(DataError, match=r"too few to learn from\. Wait for more ratings"):
        newest_split(replace(sample, ratings=at_once), 1_000_000_000)
