"""Writes what a simulation has shown: a table, a figure, and a sentence that they bear out."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from app.jobs.simulation.figures import draw_rounds
from app.jobs.simulation.players import BEGUN, FEWEST, FOUND, KNOWN, SESSIONS
from app.jobs.simulation.sessions import LIST, SessionScore
from app.jobs.simulation.simulate import MODEL, Round, Simulation, ndcg_of
from model.evaluation.bootstrap import MeanDifference, paired_mean_difference
from model.files import atomic_write
from seqrec.schemas.online import Estimate, OnlineMeasurement

OUTCOMES = {"served": "takes over", "aside": "is set aside", "failed": "has failed"}


HOW = f"""
*Difference* is that of the mean NDCG over the same users, in brackets its 95 % interval by a paired bootstrap over
them.

## How it is played

- Users with {FEWEST} or more ratings play, in the order in which they first rated. The first {{users}} are there at the
  beginning: both services begin with their first {FEWEST} ratings, and with one model. `{MODEL}` was trained on the
  first {BEGUN} and retrained once with more of them; the better one serves, so that more epochs alone are not a gain.
- In each round {{users}} newcomers arrive at both services. Each has rated {KNOWN} movies, the first of the user's
  real ratings, and asks for {SESSIONS} lists of {LIST}. All of a list is seen: impressions. Movies that the user really
  gave 4 or more stars, and has not rated yet, are clicked. Every shown movie that the user really rated is rated so,
  and so are the next {FOUND} of the user's ratings, which the user found without a list. What was neither shown nor
  found, the services never learn.
- After the round, one service runs `seqrec retrain`: the new model takes over only if it is better for the newest
  ratings, [as described](../how-to/retrain.md#by-itself). Both services count a user's new ratings at once; they differ
  in the model alone.
- Newcomers are new to both models, and the same for both, so that rounds compare. Users who come back would have fewer
  movies left to find where their lists were better.
- Everything goes through HTTP and commands, to server processes of their own.
- A hit is a movie that the user really liked. Others, which the user never rated, may have been liked too, and count as
  none. So all figures are lower than they would be with real readers.

## What the services say themselves

`GET /model/online` at the end, by the model that made the lists:
"""
"""What does not depend on the figures; ``users`` is filled in."""


def write_report(simulation: Simulation, folder: Path) -> None:
    """``simulation.md`` and its figure."""
    folder.mkdir(parents=True, exist_ok=True)
    draw_rounds(folder / "simulation.png", simulation)
    with atomic_write(folder / "simulation.md") as temporary:
        temporary.write_text("\n".join(_lines(simulation)) + "\n")


def _lines(simulation: Simulation) -> Iterator[str]:
    users, rounds = simulation.users, simulation.rounds
    yield from (
        "# Does the loop learn?",
        "",
        "A service that retrains on what its users do, beside one that never does, played by users whose tastes are",
        "known. This file and its figure are written by",
        "",
        "```sh",
        f"seqrec simulate --data DIR --rounds {len(rounds)} --users {users}",
        "```",
        "",
        f"on the data {simulation.data}, with {simulation.seconds / 60:.0f} minutes of one core's time.",
        "",
        f"**{verdict(rounds)}**",
        "",
        "![NDCG by round, with and without retraining](simulation.png)",
        "",
    )
    yield from _rounds_table(rounds)
    yield HOW.format(users=users)
    yield from _online_table(simulation)


def verdict(rounds: Sequence[Round]) -> str:
    """Whether retraining has made lists better, from the second round on: in the first the models are the same."""
    loop, frozen = ([one for scores in lists for one in scores] for lists in _after_the_first(rounds))
    gain = paired_mean_difference(ndcg_of(loop), ndcg_of(frozen))
    taken = sum(one.retraining is not None and one.retraining.outcome == "served" for one in rounds)
    figures = (
        f"NDCG {ndcg_of(loop).mean():.4f} with retraining and {ndcg_of(frozen).mean():.4f} without, a difference of "
        f"{_in_brackets(gain)}, for the {len(loop):,} newcomers from the second round on; {taken} of "
        f"{len(rounds) - 1} new models took over"
    )
    if gain.low > 0:
        return f"The loop learns: {figures}."
    if gain.high < 0:
        return f"The loop does harm: {figures}."
    return f"No gain is shown: {figures}."


def _after_the_first(rounds: Sequence[Round]) -> tuple[list[list[SessionScore]], list[list[SessionScore]]]:
    return [one.loop for one in rounds[1:]], [one.frozen for one in rounds[1:]]


def _rounds_table(rounds: Sequence[Round]) -> Iterator[str]:
    yield (
        "| round | model learned from | NDCG, retrained | never retrained | difference | hits, retrained | never "
        "retrained | the next model |"
    )
    yield "| ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- |"
    for number, one in enumerate(rounds, start=1):
        outcome = "-" if one.retraining is None else OUTCOMES[one.retraining.outcome or "failed"]
        yield (
            f"| {number} | {one.learned_from:,} ratings | {ndcg_of(one.loop).mean():.4f} | "
            f"{ndcg_of(one.frozen).mean():.4f} | {_in_brackets(one.difference)} | {_hit_rate(one.loop):.1%} | "
            f"{_hit_rate(one.frozen):.1%} | {outcome} |"
        )


def _online_table(simulation: Simulation) -> Iterator[str]:
    yield "| model | lists | hit rate | lists with a hit | NDCG |"
    yield "| --- | ---: | ---: | ---: | ---: |"
    for name, measured in (("retrained", simulation.loop), ("never retrained", simulation.frozen)):
        yield from _online_rows(name, measured)


def _online_rows(name: str, measured: OnlineMeasurement) -> Iterator[str]:
    for score in reversed(measured.by_model):
        figures = " | ".join(_estimate(one) for one in (score.hit_rate, score.list_hit_rate, score.ndcg))
        yield f"| {score.model.partition('-')[0]}, {name} | {score.lists:,} | {figures} |"


def _hit_rate(shown: Sequence[SessionScore]) -> float:
    """Share of the shown movies that are hits."""
    return float(np.sum([one.hits for one in shown]) / max(np.sum([one.shown for one in shown]), 1))


def _in_brackets(difference: MeanDifference) -> str:
    return f"{difference.mean:+.4f} ({difference.low:+.4f} to {difference.high:+.4f})"


def _estimate(estimate: Estimate | None) -> str:
    if estimate is None:
        return "-"
    return f"{estimate.value:.4f} ({estimate.low:.4f} to {estimate.high:.4f})"
