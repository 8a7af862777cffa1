"""Metrics for Prometheus, over all worker processes.

Several processes share the folder in PROMETHEUS_MULTIPROC_DIR, which `app.server.run` sets.
"""

import math
import os

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

REGISTRY = CollectorRegistry()
MULTIPROCESS = "PROMETHEUS_MULTIPROC_DIR"

SECONDS = (0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)

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
scoring_seconds = Histogram(
    "seqrec_scoring_seconds", "Time spent in the model.", ["task"], buckets=SECONDS, registry=REGISTRY
)
catalogue_cache = Counter(
    "seqrec_catalogue_cache",
    "Requests that found the catalogue in memory (hit), or had to read it (miss).",
    ["result"],
    registry=REGISTRY,
)
user_cache = Counter(
    "seqrec_user_cache",
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
model_info = Gauge(
    "seqrec_model_info",
    "1 for the version of the model that is served.",
    ["version"],
    registry=REGISTRY,
    multiprocess_mode="mostrecent",
)

training_share = Gauge(
    "seqrec_training_share",
    "How much of the training of the next model is done, 0 to 1; not a number if none runs.",
    registry=REGISTRY,
    multiprocess_mode="mostrecent",
)


def record_training(share: float | None) -> None:
    """Record how far the training of the next model is; None if none runs."""
    training_share.set(math.nan if share is None else share)


def record_version(version: str, before: str | None = None) -> None:
    """Record that this version is served from now on, in place of ``before``."""
    if before is not None and before != version:
        model_info.labels(before).set(0)
    model_info.labels(version).set(1)


def exposition() -> bytes:
    """All metrics in Prometheus' text format."""
    if not os.environ.get(MULTIPROCESS):
        return generate_latest(REGISTRY)
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return generate_latest(registry)
