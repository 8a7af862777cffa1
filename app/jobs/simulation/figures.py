"""The figure of the simulation, in the style of `model.experiments.figures`."""

from pathlib import Path

import numpy as np

from app.jobs.simulation.simulate import Simulation, ndcg_of
from model.evaluation.bootstrap import interval_of_mean
from model.experiments.figures import COLOURS, GREY, MARKERS, figure


def draw_rounds(path: Path, simulation: Simulation) -> None:
    """NDCG of both services by round, and their difference, with 95 % intervals."""
    rounds = simulation.rounds
    numbers = np.arange(1, len(rounds) + 1)
    with figure(path, 1, 2, 10, 3.8) as (both, difference):
        for shift, (label, lists, colour, marker) in enumerate(
            (
                ("retrained after each round", [one.loop for one in rounds], COLOURS[0], MARKERS[0]),
                ("first model, never retrained", [one.frozen for one in rounds], GREY, MARKERS[1]),
            )
        ):
            of_users = [ndcg_of(shown) for shown in lists]
            x, means = numbers + 0.12 * (shift - 0.5), np.array([one.mean() for one in of_users])
            low, high = np.array([interval_of_mean(one) for one in of_users]).T
            both.errorbar(x, means, (means - low, high - means), color=colour, marker=marker, label=label, elinewidth=1)
        both.set(title="Lists of newcomers", xlabel="round", ylabel="NDCG of what was shown", xticks=numbers)
        both.set_ylim(bottom=0)
        both.legend(loc="lower right")
        gains = [one.difference for one in rounds]
        ends = [[one.mean - one.low for one in gains], [one.high - one.mean for one in gains]]
        values = [one.mean for one in gains]
        difference.errorbar(numbers, values, ends, color=COLOURS[0], marker=MARKERS[0], elinewidth=1)
        difference.axhline(0, color=GREY, linewidth=1)
        difference.set(title="What retraining adds, same users", xlabel="round", ylabel="NDCG", xticks=numbers)
