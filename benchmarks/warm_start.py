"""Whether a retraining should go on from the served model: lists that are learned on from it, and lists learned anew.

    python -m benchmarks.warm_start --data DIR

takes one user in ten. Each user's ratings are spread over the same span of time, as where users stay. The champion has
learned from the first 60 % of the time, the challengers from 80 %; all are scored by the movies that users liked in the
rest. It prints a table, and the difference of the challengers with its interval.
"""

import time
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, NamedTuple

import numpy as np
import polars as pl
import torch
import typer

from model.data import dataset
from model.data.dataset import MovieLens
from model.data.newest import newest_split
from model.data.sequences import Examples, Sequences, split_in_half
from model.data.splits import only_relevant_targets
from model.evaluation.bootstrap import paired_mean_difference
from model.evaluation.ranking_metrics import ndcg
from model.evaluation.scoring import rank
from model.features.titles import title_vectors
from model.network.rating import SeqRec
from model.training.context import TrainingContext
from model.training.estimator import NetworkRanker, SeqRecEstimator
from model.training.presets import preset
from model.types import FloatArray

ONE_IN = 10
SPAN = 1_000_000
"""Seconds from each user's first rating to the last."""

CHAMPION_UNTIL = SPAN * 6 // 10


class Learned(NamedTuple):
    """A network that has learned lists, its seconds of processor time, and the NDCG@10 of each user's list."""

    network: SeqRec
    seconds: float
    scores: FloatArray


def main(data: Annotated[Path, typer.Option(help="Folder of a MovieLens data set.")]) -> None:
    """Train champion and challengers, and print what they cost and how good they are."""
    torch.set_num_threads(1)
    ratings = some_users_at_one_pace(dataset.read(data))
    with TemporaryDirectory() as folder:
        titles = title_vectors(ratings.catalogue, Path(folder))
    context = TrainingContext(
        catalogue=ratings.catalogue,
        titles=lambda: titles,
        bert_titles=lambda: titles,
        device=torch.device("cpu"),
        side_by_side=False,
    )
    split, _ = newest_split(ratings, since=CHAMPION_UNTIL)
    test = only_relevant_targets(split.test)
    early = replace(ratings, ratings=ratings.ratings.filter(pl.col("rated_at") <= CHAMPION_UNTIL))
    champion = learn(split_in_half(Sequences.of(early)), test, context)
    warm = learn(split.train, test, context, start=champion.network)
    cold = learn(split.train, test, context)
    typer.echo("| lists learned | processor time | NDCG@10 |\n|---|---:|---:|")
    named = {"champion, 60 % of the ratings": champion, "challenger from the champion on, 80 %": warm}
    for name, one in (named | {"challenger anew, 80 %": cold}).items():
        typer.echo(f"| {name} | {one.seconds:.0f} s | {one.scores.mean():.4f} |")
    lead = paired_mean_difference(warm.scores, cold.scores)
    interval = f"{lead.mean:+.4f} ({lead.low:+.4f} to {lead.high:+.4f})"
    typer.echo(f"\n{len(warm.scores)} users; from the champion on minus anew: {interval}")


def some_users_at_one_pace(data: MovieLens) -> MovieLens:
    """One user in `ONE_IN`, with ratings in their order at equal distances over `SPAN` seconds."""
    users = data.users.gather_every(ONE_IN)
    place = pl.int_range(pl.len()).over("user_id") / pl.len().over("user_id")
    ratings = (
        data.ratings.join(users, on="user_id", how="semi")
        .sort("user_id", "rated_at", "movie_id")
        .with_columns(rated_at=(place * SPAN).cast(pl.Int64))
    )
    return replace(data, users=users, ratings=ratings)


def learn(train: Examples, test: Examples, context: TrainingContext, start: SeqRec | None = None) -> Learned:
    """Learn lists as `seqrec` does, from the start or, as in a refit, from another network on."""
    model = SeqRecEstimator(preset("seqrec"), context)
    model.begin(train)
    model.fit_prior(train)  # the predicted stars, which count in relevance; learned anew in either case
    began = time.process_time()
    model.fit_ranking(train, None, start=start)
    seconds = time.process_time() - began
    targets = rank(NetworkRanker(model, "relevance").scores, test).target_ranks
    return Learned(model.network, seconds, np.array([ndcg([one]) for one in targets], dtype=np.float32))


if __name__ == "__main__":
    typer.run(main)
