"""Measures lists for groups: each strategy, for people drawn at random and for people who are alike.

    python -m benchmarks.groups --artifact DIR --data DIR --out docs/results

The members are the held-out users of the card's protocol: the first half of a user's ratings is the history, and the
movies of the second half with 4 or 5 stars are the targets. The artifact has to be one of `seqrec-small`: others have
learned from these users too.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
import torch
import typer

from model.data import dataset
from model.data.sequences import Examples, Sequences
from model.data.splits import user_split
from model.evaluation.batch_scoring import list_scores
from model.evaluation.ranking_metrics import TOP, ndcg
from model.evaluation.scoring import mask_rated
from model.experiments.figures import COLOURS, GREY, figure
from model.inference.artifact import Artifact, load
from model.inference.groups import Strategy, aggregate
from model.training.presets import PRESETS
from model.types import BoolArray, FloatArray, IntArray

SIZES = (2, 4, 8)
KINDS = ("random", "alike")
GROUPS = 1000
"""Of each kind and size."""

STRATEGIES: tuple[Strategy, ...] = ("average", "least_misery", "fairness")
OTHERS = ("first member's own list", "mean of probabilities", "mean of ranks", "most ratings", "each one's own list")
"""What the strategies are compared with."""


@dataclass(frozen=True)
class People:
    """The held-out users. Shapes are (users, movies).

    Attributes:
        log_relevance: log-probabilities over the movies without a rating in the history, minus infinity for the others.
        targets: movies that a user will like.
        stars: of the history, 0 without a rating.
        ratings: of each movie in training, shape (movies,).
    """

    log_relevance: FloatArray
    targets: BoolArray
    stars: FloatArray
    ratings: IntArray

    @classmethod
    def of(cls, artifact: Artifact, examples: Examples) -> "People":
        examples = examples.take(np.flatnonzero(examples.target_counts))
        histories = examples.histories()
        logits = mask_rated(list_scores(artifact.network, histories, torch.device("cpu"), "relevance"), histories)
        targets, stars = np.zeros(logits.shape, dtype=bool), np.zeros_like(logits)
        targets[
            np.repeat(np.arange(len(examples)), examples.target_counts), examples.sequences.movies[examples.targets]
        ] = True
        stars[histories.user_index, histories.movies] = histories.stars
        log_relevance = torch.from_numpy(logits).log_softmax(-1).numpy()
        return cls(log_relevance, targets, stars, artifact.network.movies.rating_counts.numpy())

    def __len__(self) -> int:
        return len(self.targets)

    @cached_property
    def alikeness(self) -> FloatArray:
        """Cosines of the users' stars above or below their own mean, shape (users, users)."""
        rated = self.stars > 0
        above = np.where(rated, self.stars - self.stars.sum(1, keepdims=True) / rated.sum(1, keepdims=True), 0)
        above /= np.maximum(np.linalg.norm(above, axis=1, keepdims=True), 1e-9)
        return above @ above.T

    def groups(self, kind: str, size: int) -> Iterator[IntArray]:
        """Users who are drawn at random, or a user drawn at random with those who are most alike."""
        random = np.random.default_rng(0)
        for _ in range(GROUPS):
            if kind == "random":
                yield random.choice(len(self), size, replace=False)
            else:
                nearest = np.argsort(-self.alikeness[random.integers(len(self))], kind="stable")
                yield nearest[:size]  # the user stands first


def lists_for(scores: FloatArray, ratings: IntArray) -> dict[str, list[IntArray]]:
    """The list of each member, by what made it; ``scores`` are log-probabilities, shape (members, candidates)."""
    ranks = np.argsort(np.argsort(-scores, axis=1, kind="stable"), axis=1)
    together: dict[str, IntArray] = {strategy: aggregate(scores, strategy, TOP).movies for strategy in STRATEGIES} | {
        "first member's own list": np.argsort(-scores[0], kind="stable")[:TOP],
        "mean of probabilities": np.argsort(-np.exp(scores).mean(0), kind="stable")[:TOP],
        "mean of ranks": np.argsort(ranks.mean(0), kind="stable")[:TOP],
        "most ratings": np.argsort(-ratings, kind="stable")[:TOP],
    }
    own = [np.argsort(-row, kind="stable")[:TOP] for row in scores]
    return {name: [order] * len(scores) for name, order in together.items()} | {"each one's own list": own}


def ndcg_of(order: IntArray, targets: BoolArray) -> float:
    """NDCG@10 of one list of `TOP` candidates; ``targets`` has shape (candidates,), with at least one."""
    ranks = np.full(len(targets), TOP)
    ranks[order] = np.arange(TOP)
    return ndcg([ranks[targets]])


class Quality(NamedTuple):
    """NDCG@10 over the members: the mean, and that of the member with the least; the means over all groups."""

    mean: float
    least: float


def measure(people: People, kind: str, size: int) -> dict[str, Quality]:
    """How good each list is for groups of this kind and size.

    Nobody's list has what a member has rated, so such targets of others do not count. Members whom that leaves without
    targets do not either.
    """
    qualities: dict[str, list[Quality]] = {}
    for members in people.groups(kind, size):
        scores = people.log_relevance[members]
        candidates = np.flatnonzero(np.isfinite(scores).all(0))
        targets = people.targets[np.ix_(members, candidates)]
        counted = np.flatnonzero(targets.any(1))
        if not len(counted):
            continue
        for name, lists in lists_for(scores[:, candidates], people.ratings[candidates]).items():
            own = [ndcg_of(lists[member], targets[member]) for member in counted]
            qualities.setdefault(name, []).append(Quality(float(np.mean(own)), min(own)))
    return {name: Quality(*np.mean(values, axis=0).tolist()) for name, values in qualities.items()}


def draw(path: Path, measured: dict[tuple[str, int], dict[str, Quality]]) -> None:
    """The mean and the least NDCG@10 of each strategy by the size of the group, one row a kind."""
    with figure(path, len(KINDS), 2, 9, 6.4) as panels:
        for (kind, part), axes in zip([(kind, part) for kind in KINDS for part in (0, 1)], panels, strict=True):
            for name, colour in zip((*STRATEGIES, "most ratings"), (*COLOURS[:3], GREY), strict=True):
                values = [measured[kind, size][name][part] for size in SIZES]
                axes.plot([str(size) for size in SIZES], values, color=colour, marker="o", label=name)
            axes.set(title=f"{kind}: {('mean', 'least')[part]} of the members", xlabel="members", ylabel="NDCG@10")
            axes.set_ylim(bottom=0)
        panels[0].legend()


TEXT = """\
# Groups

How good one list is for several people. `python -m benchmarks.groups` writes this file and its picture. It needs a
trained `seqrec-small`, which has learned nothing of the held-out users (split `user-split`); the larger models are
trained on everyone in the end.

The members of the groups are the {users} held-out users. The first half of a user's ratings is the history; the targets
are the movies of the second half with 4 or 5 stars. A list has no movie that any member has rated, and such targets do
not count. *Mean* is the mean NDCG@10 over the members, *least* that of the member whom the list suits least; both are
means over {groups:,} groups of each kind and size. Groups are drawn at random, or are *alike*: a user drawn at random
with those whose stars, less each user's mean, have the greatest cosine.

- `average`, `least_misery` and `fairness` are the strategies of `POST /groups/recommendations`, after Masthoff 2015
  ("Group recommender systems", Recommender Systems Handbook). The score of a member is the logarithm of the movie's
  relevance, a probability over all movies that the member has not rated: logits of different users have different
  levels and spreads.
- The others are to compare with: the list of one member for all; other ways to an average; the movies with the most
  ratings; and, as the bound that no common list reaches, everyone's own list.

![Mean and least NDCG@10 of the members](groups.png)

"""

READING = """
What the table says:

- `average` has the best mean of the three strategies at every size, and beats the list of the first member and the
  movies with the most ratings. The mean of probabilities is as good by the mean, but the member who gets least is worse
  off by it in groups of two and four: whoever is very sure outvotes the others. The mean of ranks is worse.
- `fairness` costs up to a sixth of the mean, and the member who gets least gets about as much as by `average`. It is
  not a way to better lists, but one that everybody can follow: a few movies in ten are each member's own.
- `least_misery` is worse than `average` on both measures. The least of the scores is nearly the same for most movies
  that everybody might like, so what it orders by is what one member likes less, not what is liked. It is there for
  those who want nobody to sit through what they would hate: with `rank_by` of `rating` it orders by the smallest of
  the predicted stars.
- With eight members the least is near 0 for every common list: in ten movies there is hardly ever a later favourite of
  all eight.
"""


@torch.inference_mode()
def main(
    artifact: Annotated[Path, typer.Option(help="Folder of an artifact of seqrec-small.")],
    data: Annotated[Path, typer.Option(help="Folder of the data set that it was trained with.")],
    out: Annotated[Path, typer.Option(help="Folder for groups.md and groups.png.")] = Path("docs/results"),
) -> None:
    """Make lists for groups of the held-out users by each strategy, and measure them for each member."""
    torch.set_num_threads(1)
    loaded = load(artifact)
    if loaded.card.model in PRESETS and PRESETS[loaded.card.model].refit:
        raise typer.BadParameter(f"{loaded.card.model} has learned from all users; train seqrec-small.")
    people = People.of(loaded, user_split(Sequences.of(dataset.read(data))).test)
    measured = {(kind, size): measure(people, kind, size) for kind in KINDS for size in SIZES}
    lines = [
        f"| list | {' | '.join(f'{kind} {size}: mean | least' for kind in KINDS for size in SIZES)} |",
        f"| --- |{' ---: | ---: |' * len(measured)}",
    ]
    for name in (*STRATEGIES, *OTHERS):
        label = f"`{name}`" if name in STRATEGIES else name
        values = " | ".join(f"{one[name].mean:.4f} | {one[name].least:.4f}" for one in measured.values())
        lines.append(f"| {label} | {values} |")
    draw(out / "groups.png", measured)
    text = TEXT.format(users=len(people), groups=GROUPS) + "\n".join(lines) + f"\n{READING}"
    (out / "groups.md").write_text(text)


if __name__ == "__main__":
    typer.run(main)
