"""Measures everything, one thing after the other."""

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from benchmarks.serving import bare, layers, libraries, load, requests, scoring, servers
from benchmarks.serving.client import Client, Latency
from benchmarks.serving.ground import Ground, Population
from benchmarks.serving.load import Answers, Plan, Request
from benchmarks.serving.servers import Server

WARM_USERS = 32
MOST_DIFFERENT = 100_000
"""Anonymous users that are made up."""


class Effort(NamedTuple):
    """How long to measure.

    Attributes:
        rounds: in which the service and the bare route take turns; their medians count.
        seconds: of load a round.
        repeats: of a request by one client.
        starts: of the server.
        mixed, mixed_seconds: mixed requests before memory is measured, and the seconds after which they end.
        different_seconds: of different anonymous users.
        candidates: single passes of the network.
    """

    rounds: int
    seconds: float
    repeats: int
    starts: int
    mixed: int
    mixed_seconds: float
    different_seconds: float
    candidates: int


FULL = Effort(3, 5.0, 30, 5, 100_000, 180.0, 40.0, 100)
QUICK = Effort(1, 1.5, 3, 1, 1_000, 6.0, 4.0, 5)


class Compared(NamedTuple):
    """The service beside the bare route, medians of the rounds."""

    service: Answers
    bare: Answers

    @property
    def ratios(self) -> dict[str, float]:
        own, other = self.service, self.bare
        return {"share": own.rate / other.rate, "p50": own.p50 / other.p50, "p99": own.p99 / other.p99}


class Measured(NamedTuple):
    """All results.

    Attributes:
        values: by the keys of `benchmarks.serving.goals.GOALS`.
        compared: loads of 32 connections.
        latencies: of one client and of the scorer, by the same keys.
        lists_by_others: milliseconds a list in the process, None for a library that is not installed.
        breakdowns: milliseconds by layer, by kind of request.
        counts: of what was asked before memory was measured, and whatever else explains a value.
    """

    values: dict[str, float]
    compared: dict[str, Compared]
    latencies: dict[str, Any]
    lists_by_others: dict[str, float | None]
    breakdowns: dict[str, layers.Breakdown]
    counts: dict[str, float]


class Bench:
    """One run over a ground; ``folder`` takes logs."""

    def __init__(self, ground: Ground, effort: Effort, folder: Path, say: Callable[[str], None]) -> None:
        self.ground, self.effort, self.folder, self.say = ground, effort, folder, say
        self.population = Population(ground.database)
        self.result = Measured({}, {}, {}, {}, {}, {})

    def run(self) -> Measured:
        """Measure all rows."""
        self.start()
        with self.service() as server:
            self.result.values["memory.start"] = server.memory()
            self.result.values["settled"] = server.settle()
            self.keep_answers(server)
            with self.bare_route() as other:
                self.warm(server, other)
                self.check_against_wrk(other)
            with Client(server.port) as client:
                self.one_client(client)
        with self.bare_route() as other:
            self.cold_users(other)
        self.two_workers()
        self.memory()
        self.in_process()
        self.break_down()
        self.population.close()
        return self.result

    def service(self, workers: int = 1) -> AbstractContextManager[Server]:
        return servers.service(self.ground.environment, self.folder / "service.log", workers)

    def bare_route(self) -> AbstractContextManager[Server]:
        environment = {bare.ANSWERS: str(self.folder / "answers.json")}
        return servers.bare_route(environment, self.folder / "bare.log")

    @property
    def warm_users(self) -> list[int]:
        return self.population.shuffled(seed=0)[:WARM_USERS]

    def start(self) -> None:
        """From the start of the process to the first answer of ``/health/ready``."""
        self.say("starts")
        seconds = []
        for _ in range(self.effort.starts):
            with self.service() as server:
                seconds.append(server.seconds_to_ready)
        self.result.values["start"] = median(seconds)

    def keep_answers(self, server: Server) -> None:
        """Give the bare route the JSON that the service answers."""
        user = self.warm_users[0]
        with Client(server.port) as client:
            answers = {
                bare.LIST: client.ask(requests.recommend(user)),
                bare.PREDICTION: client.ask(requests.predict(user, self.population.unrated(user, 1)[0])),
            }
        (self.folder / "answers.json").write_text(json.dumps(answers))

    def warm(self, server: Server, other: Server) -> None:
        """Users who have asked before: lists, and predictions of one movie."""
        for key, asked in {"warm_list": self._warm_lists(), "warm_predict": self._warm_predictions()}.items():
            self.say(key)
            with Client(server.port) as client:
                client.latency(asked)
            self._compare(key, other, [server] * self.effort.rounds, asked)

    def cold_users(self, other: Server) -> None:
        """Lists at 32 connections, each for a user that this process has not seen."""
        self.say("cold_users")
        asked = [requests.recommend(user) for user in self.population.shuffled(seed=1)]
        self._compare("cold_users", other, self._fresh_services(), asked, repeated=False)

    def _fresh_services(self) -> Iterator[Server]:
        for _ in range(self.effort.rounds):
            with self.service() as server:
                yield server

    def _warm_lists(self) -> list[Request]:
        return [requests.recommend(user) for user in self.warm_users]

    def _warm_predictions(self) -> list[Request]:
        return [requests.predict(user, self.population.unrated(user, 1)[0]) for user in self.warm_users]

    def _compare(
        self,
        key: str,
        other: Server,
        services: Sequence[Server] | Iterator[Server],
        asked: Sequence[Request],
        *,
        repeated: bool = True,
    ) -> None:
        """Load the bare route and each service in turns; the bare route is always asked again."""
        own, others = [], []
        for server in services:
            others.append(load.run(Plan(other.port, asked, seconds=self.effort.seconds)))
            own.append(load.run(Plan(server.port, asked, repeated=repeated, seconds=self.effort.seconds)))
        compared = self.result.compared[key] = Compared(_medians(own), _medians(others))
        self.result.values.update({f"{key}.{name}": ratio for name, ratio in compared.ratios.items()})

    def check_against_wrk(self, other: Server) -> None:
        """Where wrk is installed, how much of its rate our load reaches on the bare route."""
        program = shutil.which("wrk")
        if program is None:
            return
        address = f"http://127.0.0.1:{other.port}{self._warm_lists()[0].path}"
        command = [program, "-t1", "-c32", f"-d{max(1, round(self.effort.seconds))}", address]
        printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout  # noqa: S603
        (rate,) = [float(line.split()[1]) for line in printed.splitlines() if line.startswith("Requests/sec")]
        ours = load.run(Plan(other.port, self._warm_lists()[:1], seconds=self.effort.seconds)).rate
        self.result.counts.update({"wrk_rate": rate, "own_rate": ours})

    def one_client(self, client: Client) -> None:
        """One request after the other, each for another user or movie where that makes a difference."""
        n, population = self.effort.repeats, self.population
        cold = [user for user in population.with_about(scoring.RATINGS, 10 * n) if user not in self.warm_users]
        explained = population.with_about(scoring.MANY_RATINGS, 2 * n + 2)
        asked = {
            "cold_list": [requests.recommend(user) for user in cold[:n]],
            "reasons": [requests.reasons(user, "relevance") for user in explained[0::2]],
            "rating_reasons": [requests.reasons(user, "rating") for user in explained[1::2]],
            "similar_users": [requests.similar_users(user) for user in population.shuffled(seed=2)[:n]],
            "popular": [requests.POPULAR] * (n + 1),
            "similar_movies": [requests.similar_movies(movie) for movie in population.movies[: n + 1]],
            "search": [requests.search(text) for text in (requests.WORDS * n)[: n + 1]],
        }
        for key, wanted in asked.items():
            self.say(key)
            client.time(wanted[0])
            self._note(key, [client.time(request) for request in wanted[1:]])
        self.say("after_rating")
        users = [user for user in cold[n:] if population.unrated(user, 1)][:n]
        self._note("after_rating", [self._time_after_rating(client, user) for user in users])

    def _time_after_rating(self, client: Client, user: int) -> float:
        """Milliseconds of the list that follows a rating by a user who has had a list before."""
        client.ask(requests.recommend(user))
        client.ask(requests.rate(user, self.population.unrated(user, 1)[0]))
        return client.time(requests.recommend(user))

    def _note(self, key: str, milliseconds: list[float]) -> None:
        latency = self.result.latencies[key] = Latency.of(milliseconds)
        self.result.values[key] = latency.median

    def two_workers(self) -> None:
        """Two worker processes beside one: answers a second to cold users, and memory afterwards."""
        self.say("two_workers")
        asked = [requests.recommend(user) for user in self.population.shuffled(seed=3)]
        rates, memories = [], []
        for workers in (1, 2):
            with self.service(workers) as server:
                server.settle()  # the first worker answers before the second is there
                plan = Plan(server.port, asked, repeated=False, seconds=2 * self.effort.seconds)
                rates.append(load.run(plan).rate)
                memories.append(server.shared_memory())
        self.result.values["two_workers.cold"] = rates[1] / rates[0]
        self.result.values["two_workers.memory"] = memories[1] / memories[0]
        self.result.counts["memory_of_two_workers"] = memories[1]

    def memory(self) -> None:
        """Of one worker, after mixed requests, and while ever new users come."""
        self.say("memory")
        effort = self.effort
        with self.service() as server:
            asked = requests.mixed(self.population, 10_000)
            answers = load.run(Plan(server.port, asked, most=effort.mixed, seconds=effort.mixed_seconds))
            self.result.values["memory.mixed"] = server.memory()
        with self.service() as server:
            strangers = requests.different_users(self.population.movies, MOST_DIFFERENT)
            first = self._ask(server, strangers[: MOST_DIFFERENT // 2])
            half = server.memory()
            second = self._ask(server, strangers[MOST_DIFFERENT // 2 :])
            self.result.values["memory.growth"] = server.memory() - half
        self.result.counts.update({"mixed": answers.answered, "different_users": first + second})

    def _ask(self, server: Server, asked: Sequence[Request]) -> int:
        plan = Plan(server.port, asked, repeated=False, seconds=self.effort.different_seconds / 2)
        return load.run(plan).answered

    def in_process(self) -> None:
        """The scorer alone, the network once per candidate, and other libraries."""
        self.say("in_process")
        users = 2 * self.effort.repeats
        timings = scoring.run(self.ground, users, self.effort.candidates)
        own = {
            "scorer.cold_list": timings.cold_list,
            "scorer.reasons": timings.reasons,
            "scorer.rating_reasons": timings.rating_reasons,
        }
        self.result.latencies.update(own)
        self.result.values.update({key: latency.median for key, latency in own.items()})
        self.result.lists_by_others["the network once per candidate"] = timings.once_per_candidate
        for name, latency in libraries.run(self.ground, users).items():
            self.result.lists_by_others[name] = None if latency is None else latency.median

    def break_down(self) -> None:
        """Processor time by layer, for the three kinds of request that matter most."""
        self.say("layers")
        cold = [requests.recommend(user) for user in self.population.shuffled(seed=4)]
        tasks = {
            "warm list": layers.Task(self._warm_lists(), repeated=True, seconds=self.effort.seconds),
            "cold list": layers.Task(cold, repeated=False, seconds=self.effort.seconds),
            "warm prediction": layers.Task(self._warm_predictions(), repeated=True, seconds=self.effort.seconds),
        }
        for name, task in tasks.items():
            breakdown = layers.run(self.ground.environment, task, self.folder / "layers.log")
            self.result.breakdowns[name] = breakdown


def _medians(answers: Sequence[Answers]) -> Answers:
    """Of each field."""
    return Answers(*(median(field) for field in zip(*answers, strict=True)))
