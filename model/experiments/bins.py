"""Errors by what is known of the user and of the movie: the length of the history, the popularity of the movie."""

from itertools import pairwise

import numpy as np
from pydantic import BaseModel

from model.data.splits import Split
from model.rating_scale import WHOLE_STARS, RatingScale
from model.types import FloatArray, IntArray, clip

HISTORY_BINS = (0, 1, 11, 21, 51, 101, 201)
"""The shortest history of each bin, in ratings."""

POPULARITY_BINS = (0, 1, 11, 51, 201, 1001)
"""The fewest training ratings of a movie in each bin."""


class BinError(BaseModel):
    """The error on the targets of one bin.

    Attributes:
        bin: from-to, both included, or > for the last one.
    """

    bin: str
    targets: int
    rmse: float


def by_history(stars: FloatArray, split: Split) -> list[BinError]:
    """Errors on test by the number of ratings that the user has before the target; ``stars`` one a target."""
    lengths = np.repeat(split.test.history_lengths, split.test.target_counts)
    return binned_errors(lengths, HISTORY_BINS, stars, split.test.target_stars, split.test.rating_scale)


def by_popularity(stars: FloatArray, split: Split) -> list[BinError]:
    """Errors on test by the number of ratings that the movie has in training; ``stars`` one a target."""
    movies = split.test.sequences.movies[split.test.targets]
    known = split.train.sequences.movies
    ratings = np.bincount(known, minlength=int(movies.max(initial=0)) + 1)
    popularities = ratings[movies]
    return binned_errors(popularities, POPULARITY_BINS, stars, split.test.target_stars, split.test.rating_scale)


def binned_errors(
    values: IntArray,
    lowest: tuple[int, ...],
    predicted: FloatArray,
    actual: FloatArray,
    levels: RatingScale = WHOLE_STARS,
) -> list[BinError]:
    """The error in each bin that is not empty.

    Args:
        values: what decides the bin, shape (targets,).
        lowest: the smallest value of each bin, ascending; the last bin has no end.
        predicted: stars, not clipped, shape (targets,).
        actual: the stars given, shape (targets,).
        levels: what users can give.
    """
    bins = np.searchsorted(lowest, values, side="right") - 1
    counts = np.bincount(bins, minlength=len(lowest))
    squares = np.square(clip(predicted, levels) - actual, dtype=np.float64)
    sums = np.bincount(bins, weights=squares, minlength=len(lowest))
    return [
        BinError(bin=label, targets=int(count), rmse=float(np.sqrt(total / count)))
        for label, count, total in zip(bin_labels(lowest), counts, sums, strict=True)
        if count
    ]


def bin_labels(lowest: tuple[int, ...]) -> list[str]:
    """``0``, ``1-10``, ..., ``>200``."""
    closed = [str(first) if after == first + 1 else f"{first}-{after - 1}" for first, after in pairwise(lowest)]
    return [*closed, f">{lowest[-1] - 1}"]
