"""Lists by other libraries in the process, on one thread: models of the same ratings, of common sizes.

Run as ``python -m benchmarks.serving.libraries`` with a `Task` on standard input; pairs of a library's name and its
`Latency`, None for one that is not installed, go to standard output.
"""

import json
import logging
import sqlite3
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from typing import Any

from benchmarks.serving.client import Latency
from benchmarks.serving.ground import Ground
from benchmarks.serving.requests import N
from benchmarks.serving.scoring import Task, measure_in_process, milliseconds

FACTORS, ITERATIONS = 64, 5


def run(ground: Ground, users: int) -> dict[str, Latency | None]:
    """Time the libraries in a process of their own."""
    task = Task(str(ground.artifact), str(ground.database), users, 0)
    measured = measure_in_process("benchmarks.serving.libraries", task)
    return {name: None if latency is None else Latency(*latency) for name, latency in measured}


def _implicit(task: Task) -> Latency:
    """Alternating least squares; each list solves for the user's factors anew, so that a new rating counts."""
    from implicit.als import AlternatingLeastSquares  # noqa: PLC0415 - may be missing
    from scipy.sparse import csr_matrix  # noqa: PLC0415 - its need

    rows = _ratings(task)
    users, movies = zip(*((user, movie) for user, movie, _ in rows), strict=True)
    matrix = csr_matrix(([1.0] * len(rows), (users, movies)), dtype="float32")
    model = AlternatingLeastSquares(factors=FACTORS, iterations=ITERATIONS, num_threads=1, random_state=0)
    model.fit(matrix, show_progress=False)
    return milliseconds(
        lambda user=user: model.recommend(user, matrix[user], N, recalculate_user=True)  # type: ignore[misc]
        for user in _some(users, task.users)
    )


def _lenskit(task: Task) -> Latency:
    """Its pipeline for lists, with explicit alternating least squares."""
    import pandas as pd  # noqa: PLC0415 - may be missing
    from lenskit import recommend  # noqa: PLC0415
    from lenskit.als import BiasedMFScorer  # noqa: PLC0415
    from lenskit.data import from_interactions_df  # noqa: PLC0415
    from lenskit.pipeline import topn_pipeline  # noqa: PLC0415

    data = from_interactions_df(pd.DataFrame(_ratings(task), columns=["user_id", "item_id", "rating"]))
    pipeline = topn_pipeline(BiasedMFScorer(embedding_size=FACTORS, epochs=ITERATIONS))
    pipeline.train(data)
    return milliseconds(
        lambda user=user: recommend(pipeline, user, N)  # type: ignore[misc]
        for user in _some([user for user, _, _ in _ratings(task)], task.users)
    )


LIBRARIES: dict[str, Callable[[Task], Latency]] = {"implicit": _implicit, "LensKit": _lenskit}


def _ratings(task: Task) -> list[tuple[int, int, float]]:
    with sqlite3.connect(task.database) as connection:
        return connection.execute("SELECT user_id, movie_id, stars FROM ratings").fetchall()


def _some(users: Any, n: int) -> list[int]:  # noqa: ANN401 - any collection
    different = sorted(set(users))
    return different[:: max(1, len(different) // (n + 1))]


def _measure(task: Task) -> list[tuple[str, Latency | None]]:
    logging.disable(logging.WARNING)
    measured: list[tuple[str, Latency | None]] = []
    for name, library in LIBRARIES.items():
        try:
            with redirect_stdout(sys.stderr):
                measured.append((name, library(task)))
        except ModuleNotFoundError:
            measured.append((name, None))
    return measured


if __name__ == "__main__":
    sys.stdout.write(json.dumps(_measure(Task(*json.load(sys.stdin)))))
