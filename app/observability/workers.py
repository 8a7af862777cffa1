"""Metrics of several worker processes together.

Each worker writes its own files into the folder that PROMETHEUS_MULTIPROC_DIR names, and any of them answers for all.
"""

from collections.abc import Iterable
from pathlib import Path

from prometheus_client import CollectorRegistry, Metric, PlatformCollector, ProcessCollector
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import Collector

MULTIPROCESS = "PROMETHEUS_MULTIPROC_DIR"
PROCESSES = Path("/proc")
NEWEST = "process_start_time_seconds"
"""Of all workers the latest, so that it shows when one is started anew; of all else, the sum."""


def registry_of_all(folder: str) -> CollectorRegistry:
    """What all workers have counted, and what they use."""
    living = _forget_the_dead(folder)
    registry = CollectorRegistry()
    MultiProcessCollector(registry, folder)  # type: ignore[no-untyped-call]
    registry.register(ProcessesCollector(living))
    PlatformCollector(registry)
    return registry


def _forget_the_dead(folder: str) -> list[int]:
    """Take what workers that are gone had in use out of the sums; returns the ids of the others."""
    workers = {int(path.stem.rpartition("_")[2]) for path in Path(folder).glob("gauge_*.db")}
    living = sorted(worker for worker in workers if (PROCESSES / str(worker)).exists())
    for worker in workers.difference(living):
        mark_process_dead(worker, folder)  # type: ignore[no-untyped-call]
    return living


class ProcessesCollector(Collector):
    """The metrics of a process, over several: processor time, memory, open files."""

    def __init__(self, processes: Iterable[int]) -> None:
        self._processes = processes

    def collect(self) -> Iterable[Metric]:
        together: dict[str, Metric] = {}
        for process in self._processes:
            for metric in ProcessCollector(pid=lambda: process, registry=None).collect():  # noqa: B023 - called at once
                before = together.get(metric.name)
                if before is not None:
                    combine = max if metric.name == NEWEST else sum
                    pair = zip(before.samples, metric.samples, strict=True)
                    metric.samples = [new._replace(value=combine((old.value, new.value))) for old, new in pair]
                together[metric.name] = metric
        return together.values()
