"""The newest ratings as a test: what neither of two models has learned from."""

import numpy as np
import polars as pl

from model.data.dataset import MovieLens
from model.data.sequences import Examples, Sequences, split_in_half
from model.data.splits import Split
from model.errors import DataError
from model.types import IntArray

NAME = "newest"
"""Of the protocol, on a card."""

FEWEST_USERS = 20
"""With newest ratings; fewer tell two models apart by chance."""

MOST_HELD_OUT = 100_000
"""Ratings: enough to tell two models apart, and no more withheld from training than that."""

VALIDATION_EVERY = 10
"""One user in so many is for validation."""


def newest_split(data: MovieLens, since: int) -> tuple[Split, int]:
    """Hold out the later half of the ratings after ``since``, Unix seconds, at most `MOST_HELD_OUT`.

    Those of one moment stay together: where they are most of all, they are held out, however many.
    Training has all ratings up to a moment; validation and test have the users who have rated after it, with all
    earlier ratings as history and the later ones as targets. Returns the split and that moment. `DataError` if these
    users are too few.
    """
    times = data.ratings.filter(pl.col("rated_at") > since)["rated_at"].sort()
    held_out = min(len(times) // 2, MOST_HELD_OUT)
    cut = int(times[-held_out - 1]) if held_out else since
    if held_out and cut == times[-1]:
        cut = max([since, *times.filter(times < cut).tail(1)])
    everything = Sequences.of(data)
    lengths = _ratings_until(cut, data, everything)
    users = np.flatnonzero(everything.counts > lengths)
    if len(users) < FEWEST_USERS:
        raise DataError(
            f"{len(users)} users have ratings that are newer than what the served model has learned from, and "
            f"{FEWEST_USERS} are needed to tell whether another one is better. Wait for more ratings."
        )
    validation = np.arange(len(users)) % VALIDATION_EVERY == 0
    newest = Examples(everything, lengths)
    split = Split(
        name=NAME,
        seeds=(),
        inductive=False,
        train=split_in_half(everything.first(lengths)),
        validation=newest.take(users[validation]),
        test=newest.take(users[~validation]),
    )
    if not split.train.target_counts.any():
        raise DataError("The ratings from before the newest are too few to learn from. Wait for more ratings.")
    return split, cut


def _ratings_until(cut: int, data: MovieLens, everything: Sequences) -> IntArray:
    """How many ratings of each user are not later than the cut: the first ones, since they are in order of time."""
    earlier = data.ratings.filter(pl.col("rated_at") <= cut)["user_id"].to_numpy()
    by_id = np.argsort(everything.user_ids, kind="stable")
    index = by_id[np.searchsorted(everything.user_ids[by_id], earlier)]
    return np.bincount(index, minlength=len(everything)).astype(np.int64)
