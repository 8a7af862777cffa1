"""What is measured, and how good it is to be."""

from typing import Literal, NamedTuple

Unit = Literal["share", "times", "ms", "s", "MiB"]


class Goal(NamedTuple):
    """One row of the table.

    Attributes:
        key: of the measured value.
        target, mark: the value to reach, and a better one to pass; None where there is none.
        more_is_better: for shares of the bare route, and for two workers beside one.
    """

    key: str
    title: str
    unit: Unit
    target: float | None = None
    mark: float | None = None
    more_is_better: bool = False

    def reached(self, value: float) -> str:
        """In a word, where a value stands."""
        if self.target is None:
            return ""
        if self.mark is not None and self._is_good(value, self.mark):
            return "mark passed"
        return "target reached" if self._is_good(value, self.target) else "short"

    def _is_good(self, value: float, goal: float) -> bool:
        return value >= goal if self.more_is_better else value <= goal


GOALS = (
    Goal("warm_list.share", "warm list, 32 connections: share of the bare route's rate", "share", 0.6, 0.8, True),
    Goal("warm_list.p50", "its median latency, times the bare route's", "times"),
    Goal("warm_list.p99", "its p99 latency, times the bare route's", "times", 2, 1.5),
    Goal(
        "warm_predict.share", "warm `POST /predict`, one movie: share of the bare route's rate", "share", 0.5, 0.7, True
    ),
    Goal("warm_predict.p50", "its median latency, times the bare route's", "times"),
    Goal("warm_predict.p99", "its p99 latency, times the bare route's", "times", 2, 1.5),
    Goal("cold_users.share", "cold users, 32 connections: share of the bare route's rate", "share", 0.08, 0.15, True),
    Goal("scorer.cold_list", "cold list in the scorer, 200 ratings, one thread", "ms", 8, 5),
    Goal("cold_list", "cold list over HTTP, one client", "ms", 11, 7),
    Goal("after_rating", "the next list after one new rating, over HTTP", "ms", 11, 3),
    Goal("reasons", "list with reasons, 400 ratings, over HTTP", "ms", 20, 10),
    Goal("rating_reasons", "list by rating with reasons, 400 ratings, over HTTP", "ms", 40, 15),
    Goal("similar_users", "similar users, over HTTP", "ms", 12),
    Goal("popular", "popular movies, over HTTP", "ms", 4),
    Goal("similar_movies", "similar movies, over HTTP", "ms", 4),
    Goal("search", "search, over HTTP", "ms", 4),
    Goal("start", "start to ready, artifact and database in place", "s", 2.5, 1.5),
    Goal("settled", "ready to idle: the embeddings of all users are there, and similar users found at once", "s"),
    Goal("memory.start", "memory of one worker at the start", "MiB"),
    Goal("memory.mixed", "memory of one worker after mixed requests", "MiB", 600, 450),
    Goal("memory.growth", "memory gained by the second half of many different users", "MiB"),
    Goal("two_workers.cold", "two workers together, cold users: times one", "times", 1.5, None, True),
    Goal("two_workers.memory", "memory of two workers, shared pages counted once: times one", "times"),
)
