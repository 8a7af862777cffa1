"""Measures which movies to ask a newcomer about first.

    python -m benchmarks.first_movies --artifact DIR --data DIR --out docs/results/first-movies.md

Each held-out user of the card's protocol is a visitor, who is asked about one movie after the other and answers with
the stars of the rating, if there is one, until five answers are given. The artifact has to be one of `seqrec-small`:
others have learned from the held-out users too.
"""

from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
import torch
import typer

from app.services.catalogue.catalogue import varied
from benchmarks.page import write_or_show
from model.data import dataset
from model.data.sequences import Sequences
from model.data.splits import paper_split
from model.evaluation.bootstrap import interval_of_mean
from model.inference.artifact import Artifact, load
from model.training.first_movies import (
    ANSWERS,
    MOST_USERS,
    WELL_KNOWN,
    Interview,
    Visitors,
    choose_first_movies,
    most_rated,
)
from model.training.presets import PRESETS
from model.types import FloatArray, IntArray

SHOWN = 12
"""Movies that a visitor sees at once."""

DRAWS = 5
"""Of the halves of the ratings; the mean over them is reported."""


class Measured(NamedTuple):
    """Of each visitor, shape (visitors,).

    Attributes:
        users: which of the held-out users each one is.
        after_five: NDCG@10 after five answers, or as many as the visitor can give.
        after_twelve: the same after the first twelve movies alone.
        questions: movies that were asked until the five answers.
        known: of the first twelve.
    """

    users: IntArray
    after_five: FloatArray
    after_twelve: FloatArray
    questions: FloatArray
    known: FloatArray


def interviewed(artifact: Artifact, visitors: Visitors, order: list[int]) -> Measured:
    """Every visitor is asked about the movies in this order."""
    network = artifact.network.require_ranking()
    five, first = Interview(network, visitors, ANSWERS), Interview(network, visitors, SHOWN)
    for movie in order:
        five.ask(movie)
    for movie in order[:SHOWN]:
        first.ask(movie)
    seen = visitors.stars[:, order] > 0  # (visitors, movies)
    enough = seen.cumsum(1) >= ANSWERS
    questions = np.where(enough.any(1), (~enough).sum(1) + 1, len(order))
    known = seen[:, :SHOWN].sum(1)
    return Measured(visitors.users, five.quality, first.quality, questions.astype(np.float32), known.astype(np.float32))


def all_of(draws: list[Measured]) -> Measured:
    """The visitors of all draws."""
    return Measured(*(np.concatenate(column) for column in zip(*draws, strict=True)))


def by_entropy(train: Sequences, size: int) -> list[int]:
    """By the logarithm of the number of ratings times their entropy (Rashid et al. 2002), the greatest first."""
    counts = np.zeros((size, len(train.rating_scale)))
    np.add.at(counts, (train.movies, np.searchsorted(train.rating_scale, train.stars)), 1)
    total = counts.sum(1)
    shares = counts / np.maximum(total, 1)[:, None]
    entropy = -(shares * np.log(np.maximum(shares, 1e-12))).sum(1)
    order: list[int] = np.argsort(-np.log(np.maximum(total, 1)) * entropy, kind="stable").tolist()
    return order[: len(most_rated(train, size))]


def orders(artifact: Artifact, train: Sequences) -> dict[str, list[int]]:
    """Movie indices in the order in which visitors are asked, by the way they are chosen; learned from ``train``."""
    size = len(artifact.catalogue.vocabulary)
    popular = most_rated(train, size)
    genres = [artifact.catalogue.genres[index - 1] for index in popular]
    return {
        "chosen by the model": choose_first_movies(artifact.network.require_ranking(), train),
        "well known and varied": [popular[position] for position in varied(genres)],
        "most ratings": popular,
        "most ratings times entropy": by_entropy(train, size),
        "nothing asked": [],
    }


def table(measured: dict[str, Measured], popular: str) -> list[str]:
    lines = [
        "| movies | after five answers | more than by most ratings | after the first twelve | known of twelve "
        "| asked until five |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, one in measured.items():
        difference = one.after_five - measured[popular].after_five
        low, high = interval_of_mean(difference, one.users)
        more = "-" if name == popular else f"{difference.mean():+.4f} ({low:+.4f} to {high:+.4f})"
        effort = f"{one.known.mean():.1f} | {one.questions.mean():.1f}" if one.questions.any() else "- | -"
        lines.append(f"| {name} | {one.after_five.mean():.4f} | {more} | {one.after_twelve.mean():.4f} | {effort} |")
    return lines


TEXT = """\
# First movies

Which movies a newcomer is asked about first. `python -m benchmarks.first_movies` writes this file. It needs a trained
`seqrec-small`, which has learned nothing of the held-out users (split `paper`); the larger models are trained on
everyone in the end.

Each of the {visitors} held-out users is a visitor without ratings and profile, who is asked about one movie after the
other and answers with the stars of the rating, if there is one, until five answers are given; who has seen fewer gives
fewer. Then NDCG@10 says how good the list is.

- *Chosen by the model*: greedily, of the {well_known} movies with the most ratings, the one whose answers add most to
  the lists of {users} users of the training (Golbandi, Koren and Lempel 2010, "On bootstrapping recommender systems").
  It is what `seqrec train` keeps in the artifact and `GET /movies/first` answers.
- *Well known and varied*: the same {well_known}, in an order in which genres that have come before wait for others. It
  is what artifacts without chosen movies fall back to.
- *Most ratings times entropy*: the logarithm of the number of ratings, times the entropy of the stars (Rashid et al.
  2002, "Getting to know you").
- In brackets: 95 % of 2,000 resamples of the users.
- *Known of twelve*: how many of the first twelve, which the page shows, a visitor has rated. *Asked until five*: how
  many movies it takes to give five answers; those who cannot count as {well_known}.

## What the answers tell

A half of each user's ratings, drawn at random {draws} times, can be answered. The targets are the movies of the other
half with 4 or 5 stars, and no list contains a movie of the first half: targets and candidates are the same for all
rows.

"""

SECOND = """
## The visitor's own list

All ratings can be answered, and the targets are all other movies with 4 or 5 stars. Here a question costs: the movie
that was asked about is not a target any more. Asking about the best-liked movies leaves fewer easy ones, and NDCG@10
can be smaller than without any question.

"""

CHOSEN = """
## The first twelve

{movies}
"""


@torch.inference_mode()
def main(
    artifact: Annotated[Path, typer.Option(help="Folder of an artifact of seqrec-small.")],
    data: Annotated[Path, typer.Option(help="Folder of the data set that it was trained with.")],
    out: Annotated[Path | None, typer.Option(help="Markdown; left out: on the screen.")] = None,
) -> None:
    """Interview the held-out users about movies that are chosen in several ways, and rank for them."""
    torch.set_num_threads(1)
    loaded = load(artifact)
    if loaded.card.model in PRESETS and PRESETS[loaded.card.model].refit:
        raise typer.BadParameter(f"{loaded.card.model} has learned from all users; train seqrec-small.")
    split = paper_split(Sequences.of(dataset.read(data)))
    train, test = split.train.sequences, split.test.sequences
    size = len(loaded.catalogue.vocabulary)
    asked = orders(loaded, train)
    halves = [Visitors.of(test, size, np.random.default_rng(draw)) for draw in range(DRAWS)]
    whole = Visitors.of_all_ratings(test, size)
    told = {name: all_of([interviewed(loaded, half, order) for half in halves]) for name, order in asked.items()}
    own = {name: interviewed(loaded, whole, order) for name, order in asked.items()}
    titles = [loaded.catalogue.titles[index - 1] for index in asked["chosen by the model"][:SHOWN]]
    numbers = {"visitors": len(test), "well_known": WELL_KNOWN, "users": MOST_USERS, "draws": DRAWS}
    text = (
        TEXT.format(**numbers)
        + "\n".join(table(told, "most ratings"))
        + f"\n{SECOND}"
        + "\n".join(table(own, "most ratings"))
        + f"\n{CHOSEN}".format(movies="\n".join(f"{place}. {title}" for place, title in enumerate(titles, 1)))
    )
    write_or_show(text, out)


if __name__ == "__main__":
    typer.run(main)
