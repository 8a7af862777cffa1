"""Lists in the process, without HTTP and database, on one thread; beside the network run once per candidate.

Run as ``python -m benchmarks.serving.scoring`` with a `Task` on standard input; `Timings` go to standard output.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

import torch

from benchmarks.serving.client import Latency
from benchmarks.serving.ground import Ground, Population
from benchmarks.serving.requests import N
from model.features.history import Rated
from model.features.users import UserContext, encode_profiles
from model.inference import artifact
from model.inference.artifact import Artifact
from model.inference.results import RankBy
from model.inference.scorer import Scorer
from model.network.batch import Users

RATINGS, MANY_RATINGS = 200, 400
"""In the histories that lists, and lists with reasons, are timed for."""

ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


class Task(NamedTuple):
    """What to time: lists for some users, and the network's full passes for some candidates."""

    artifact: str
    database: str
    users: int
    candidates: int


class Timings(NamedTuple):
    """Milliseconds a list.

    Attributes:
        once_per_candidate: a full forward pass for each candidate: its time for some, times the number of all.
    """

    cold_list: Latency
    reasons: Latency
    rating_reasons: Latency
    once_per_candidate: float


def run(ground: Ground, users: int, candidates: int) -> Timings:
    """Time the scorer of an artifact in a process of its own."""
    task = Task(str(ground.artifact), str(ground.database), users, candidates)
    cold_list, reasons, rating_reasons, once_per_candidate = measure_in_process("benchmarks.serving.scoring", task)
    return Timings(Latency(*cold_list), Latency(*reasons), Latency(*rating_reasons), once_per_candidate)


def measure_in_process(module: str, task: Task) -> list:  # type: ignore[type-arg] # JSON
    """What a module writes to standard output, as JSON, when it is run with a task, on one thread."""
    command = [sys.executable, "-m", module]
    environment = os.environ | ONE_THREAD
    done = subprocess.run(  # noqa: S603 - our own command
        command, input=json.dumps(task), env=environment, stdout=subprocess.PIPE, text=True, check=True
    )
    return json.loads(done.stdout.splitlines()[-1])  # type: ignore[no-any-return]


def milliseconds(calls: Iterable[Callable[[], object]]) -> Latency:
    """Of calls, after a first one that is not counted."""
    taken = []
    for call in calls:
        started = time.perf_counter()
        call()
        taken.append(1000 * (time.perf_counter() - started))
    return Latency.of(taken[1:])


def _measure(task: Task) -> Timings:
    torch.set_num_threads(1)
    population = Population(Path(task.database))
    loaded = artifact.load(Path(task.artifact))
    scorer = Scorer(loaded, torch.device("cpu"))
    candidates = list(scorer.vocabulary.ids)

    def lists(ratings: int, rank_by: RankBy | None = None, *, explain: bool = False) -> Latency:
        users = [_context(population, user, ratings) for user in population.with_about(ratings, task.users + 1)]
        return milliseconds(
            lambda user=user: scorer.recommend(user, candidates, N, rank_by=rank_by, explain=explain)  # type: ignore[misc]
            for user in users
        )

    (user,) = population.with_about(RATINGS, 1)
    one = _once_per_candidate(loaded, _context(population, user, RATINGS), task.candidates)
    return Timings(lists(RATINGS), lists(MANY_RATINGS, explain=True), lists(MANY_RATINGS, "rating", explain=True), one)


def _context(population: Population, user: int, ratings: int) -> UserContext:
    """A user with the latest ratings, and no profile."""
    return UserContext(history=[Rated(movie, stars) for movie, stars in population.history(user)[-ratings:]])


@torch.inference_mode()
def _once_per_candidate(loaded: Artifact, user: UserContext, some: int) -> float:
    """A list as the published code makes one: for each candidate the network reads user and movie anew."""
    network, vocabulary = loaded.network, loaded.catalogue.vocabulary
    users = Users(
        profiles=torch.from_numpy(encode_profiles([user.profile])),
        movies=torch.from_numpy(vocabulary.indices(user.history.movie_ids.tolist())),
        stars=torch.tensor(user.history.stars, dtype=torch.float32),
        lengths=torch.tensor([len(user.history)]),
    )
    candidates = [id_ for id_ in loaded.catalogue.movie_ids if not user.has(id_)]
    indices = torch.from_numpy(vocabulary.indices(candidates))
    passes = milliseconds(
        lambda index=index: network.score(network.encode_users(users), network.encode_movies(index))  # type: ignore[misc]
        for index in indices[: some + 1].unsqueeze(1)
    )
    return passes.median * len(candidates)


if __name__ == "__main__":
    sys.stdout.write(json.dumps(_measure(Task(*json.load(sys.stdin)))))
