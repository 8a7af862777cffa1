"""Metrics for Prometheus, over all worker processes.

Every label has few values: names in this code, patterns of routes, versions of models that were served.
"""

import math
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from functools import cache

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from sqlalchemy import Engine, event

from app.observability import tracing
from app.observability.workers import MULTIPROCESS, registry_of_all

REGISTRY = CollectorRegistry()
SECONDS = (0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)

METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
"""Those that are counted by their names."""

ProcessCollector(registry=REGISTRY)
PlatformCollector(registry=REGISTRY)
GCCollector(registry=REGISTRY)

requests = Counter(
    "seqrec_requests", "Requests answered, by route and status.", ["method", "route", "status"], registry=REGISTRY
)
request_seconds = Histogram(
    "seqrec_request_seconds",
    "Time from a request to its answer.",
    ["method", "route"],
    buckets=SECONDS,
    registry=REGISTRY,
)
errors = Counter("seqrec_errors", "Errors answered, by their code.", ["code"], registry=REGISTRY)
scoring_seconds = Histogram(
    "seqrec_scoring_seconds", "Time spent in the model.", ["task"], buckets=SECONDS, registry=REGISTRY
)
lists = Counter(
    "seqrec_lists",
    "Lists recommended, by what chose their movies and what orders them.",
    ["source", "rank_by"],
    registry=REGISTRY,
)
empty_lists = Counter(
    "seqrec_empty_lists", "Lists without a movie, by what was to choose them.", ["source"], registry=REGISTRY
)
ratings_written = Counter(
    "seqrec_ratings_written", "Ratings written, one by one, in batches and by imports.", registry=REGISTRY
)
events_written = Counter(
    "seqrec_events_written", "Events written, in batches and by imports, by their kind.", ["kind"], registry=REGISTRY
)
ratings_deleted = Counter("seqrec_ratings_deleted", "Ratings deleted one by one.", registry=REGISTRY)
imports = Counter("seqrec_imports", "Imports of ratings that were written.", registry=REGISTRY)
exports = Counter("seqrec_exports", "Exports of ratings that were begun.", registry=REGISTRY)
catalogue_lookups = Counter(
    "seqrec_catalogue_cache_lookups",
    "Requests that found the catalogue in memory (hit), or had to read it (miss).",
    ["result"],
    registry=REGISTRY,
)
user_lookups = Counter(
    "seqrec_user_cache_lookups",
    "Requests that found what the model knows of the user in memory (hit), or had to compute it (miss).",
    ["result"],
    registry=REGISTRY,
)
user_cache_bytes = Gauge(
    "seqrec_user_cache_bytes",
    "Memory of what the model knows of users, in all processes.",
    registry=REGISTRY,
    multiprocess_mode="livesum",
)
user_cache_users = Gauge(
    "seqrec_user_cache_users",
    "Users of whom memory has what the model knows, in all processes.",
    registry=REGISTRY,
    multiprocess_mode="livesum",
)
connections = Gauge(
    "seqrec_database_connections",
    "Connections to the database that are in use, in all processes.",
    registry=REGISTRY,
    multiprocess_mode="livesum",
)
most_connections = Gauge(
    "seqrec_database_connections_max",
    "Connections to the database that may be in use at once, in all processes.",
    registry=REGISTRY,
    multiprocess_mode="livesum",
)
model_info = Gauge(
    "seqrec_model_info",
    "1 for the version of the model that is served, of a comparison the champion, 0 for those before.",
    ["version"],
    registry=REGISTRY,
    multiprocess_mode="livemax",
)
model_users = Gauge(
    "seqrec_model_users_ratio",
    "Share of the users whom a version of the model answers; 1 unless two are compared.",
    ["version"],
    registry=REGISTRY,
    multiprocess_mode="livemostrecent",
)
model_created = Gauge(
    "seqrec_model_created_timestamp_seconds",
    "When the training of the model that is served ended, since the epoch.",
    registry=REGISTRY,
    multiprocess_mode="livemax",
)
online = {
    name: Gauge(
        f"seqrec_online_{name}",
        f"Of the lists that were shown in the last 30 days: {description}",
        ["model", "rank_by"],
        registry=REGISTRY,
        multiprocess_mode="livemostrecent",
    )
    for name, description in (
        ("lists", "how many."),
        ("hit_ratio", "share of the shown movies that their user wanted."),
        ("list_hit_ratio", "share of the lists with such a movie."),
        ("ndcg_ratio", "normalized discounted cumulative gain, mean over the lists."),
        ("coverage_ratio", "share of the catalogue that was shown."),
        ("popularity_ratings", "ratings of a shown movie, the mean."),
        ("first_hit_seconds", "from the first impression to the first hit, the median."),
    )
}
training_progress = Gauge(
    "seqrec_training_progress_ratio",
    "How much of the training of the next model is done, 0 to 1; not a number if none runs.",
    registry=REGISTRY,
    multiprocess_mode="livemostrecent",
)

training_failed = Gauge(
    "seqrec_training_failed",
    "1 if the last training of a model has failed, so that the one before is served on; otherwise 0.",
    registry=REGISTRY,
    multiprocess_mode="livemostrecent",
)

# Looked up once: finding a metric by its labels takes longer than counting.
catalogue_hits, catalogue_misses = (catalogue_lookups.labels(result) for result in ("hit", "miss"))
user_hits, user_misses = (user_lookups.labels(result) for result in ("hit", "miss"))
_scoring_seconds = cache(scoring_seconds.labels)
_lists = cache(lists.labels)
_online_labels: set[tuple[str, str]] = set()
_versions: set[str] = set()


@cache
def _answered(method: str, route: str, status: int) -> tuple[Counter, Histogram]:
    return requests.labels(method, route, str(status)), request_seconds.labels(method, route)


def record_request(method: str, route: str, status: int, seconds: float) -> None:
    """Count a request that is answered, and how long it took."""
    counter, histogram = _answered(method if method in METHODS else "other", route, status)
    counter.inc()
    histogram.observe(seconds)


def record_list(source: str, rank_by: str, movies: int) -> None:
    """Count a list and, if it has no movies, an empty one."""
    _lists(source, rank_by).inc()
    if not movies:
        empty_lists.labels(source).inc()


def record_online(scores: Mapping[tuple[str, str], Mapping[str, float]]) -> None:
    """Record the measures of the lists, by the names of `online`, for each model version and order.

    Those that were recorded before and are not among them become no number.
    """
    for name, gauge in online.items():
        for labels in _online_labels | scores.keys():
            gauge.labels(*labels).set(scores.get(labels, {}).get(name, math.nan))
    _online_labels.update(scores)


def record_training(share: float | None, *, failed: bool = False) -> None:
    """Record how far the training of the next model is, None if none runs, and whether the last one has failed."""
    training_progress.set(math.nan if share is None else share)
    training_failed.set(failed)


def record_models(champion: str, created_at: datetime, shares: Mapping[str, float]) -> None:
    """Record the version that is served, and the share of users of each version; of no others from now on."""
    _versions.update(shares)
    for version in _versions:
        model_info.labels(version).set(version == champion)
        model_users.labels(version).set(shares.get(version, 0))
    model_created.set(created_at.timestamp())


@contextmanager
def scoring(task: str) -> Iterator[None]:
    """Time spent in the model, as a metric and, where the request is traced, as a span."""
    started = time.perf_counter()
    try:
        with tracing.span(f"score {task}"):
            yield
    finally:
        _scoring_seconds(task).observe(time.perf_counter() - started)


def watch_connections(engine: Engine, most: int) -> None:
    """Keep count of the engine's connections that are in use, of ``most``."""
    in_use: set[int] = set()  # not a number: a connection that breaks may come back twice

    @event.listens_for(engine, "checkout")
    def take(_connection: object, record: object, _proxy: object) -> None:
        in_use.add(id(record))
        connections.set(len(in_use))

    @event.listens_for(engine, "checkin")
    def give_back(_connection: object, record: object) -> None:
        in_use.discard(id(record))
        connections.set(len(in_use))

    most_connections.set(most)


def exposition() -> bytes:
    """All metrics in Prometheus' text format."""
    folder = os.environ.get(MULTIPROCESS)
    return generate_latest(registry_of_all(folder) if folder else REGISTRY)
