"""Every metric of the API, by the names of docs/metrics.md.

The hot route counts in plain lists; `Metrics.flush` moves them to prometheus_client twice a second and
before a scrape, so that a request pays nanoseconds. With several workers prometheus_client's files
(`PROMETHEUS_MULTIPROC_DIR`, set by BentoML) are added up, whichever worker answers the scrape.
"""

import os
import shutil
import time
from bisect import bisect_left
from collections import Counter as Tally
from collections.abc import Mapping, Sequence
from operator import add
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import prometheus_client as prometheus
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.multiprocess import MultiProcessCollector

from readmission import contract

#: 1 ms to 5 s: the objectives (100 ms, p99 10 ms) lie on a bound.
LATENCY = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
RISK = (0.02, 0.04, 0.06, 0.08, 0.1, 0.12, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.75, 1.0)
FIELDS = frozenset(contract.COLUMN_NAMES)
_POSITION = {name: position for position, name in enumerate(contract.CLASSES)}
_PAGE = os.sysconf("SC_PAGE_SIZE")


class BulkHistogram(Histogram):
    """Histogram that takes many observations at once, already sorted into buckets."""

    def add(self, counts: Sequence[int], total: float) -> None:
        """Add observations.

        Args:
            counts: One per bucket; the last is above every bound.
            total: Sum of the observations.
        """
        for bucket, count in zip(self._buckets, counts, strict=True):
            if count:
                bucket.inc(count)
        self._sum.inc(total)


requests = Counter("readmission_requests_total", "Answered requests.", ["endpoint", "method", "code"])
duration = BulkHistogram(
    "readmission_request_duration_seconds", "From first byte to last.", ["endpoint"], buckets=LATENCY
)
in_flight = Gauge("readmission_requests_in_flight", "Being answered.", multiprocess_mode="livesum")
rejected = Counter("readmission_requests_rejected_total", "Turned away unanswered.", ["reason"])
failed_attempts = Counter("readmission_failed_attempts_total", "Requests without a valid key or token.")
key_requests = Counter("readmission_key_requests_total", "Requests that a key opened.", ["key"])
predictions = Counter(
    "readmission_predictions_total", "Encounters scored.", ["model_version", "variant", "predicted_class"]
)
risk = BulkHistogram("readmission_risk_ratio", "Predicted P(<30 days).", ["model_version", "variant"], buckets=RISK)
missing = Counter("readmission_missing_fields_total", "Optional fields that were absent.", ["field"])
invalid = Counter("readmission_validation_failures_total", "Refused fields.", ["field", "problem"])
serving = Gauge(
    "readmission_model_info",
    "Workers that serve this model.",
    ["model_name", "model_version", "family", "engine", "variant", "synthetic"],
    multiprocess_mode="livesum",
)
loaded_at = Gauge(
    "readmission_model_loaded_timestamp_seconds", "When the champion was swapped in.", multiprocess_mode="livemax"
)
load_seconds = Gauge(
    "readmission_model_load_seconds", "Time to load and check the champion.", multiprocess_mode="livemax"
)
reloads = Counter("readmission_model_reloads_total", "Attempts to change the model.", ["result"])
log_written = Counter("readmission_log_written_total", "Predictions on disk.")
log_stored = Counter("readmission_log_stored_total", "Predictions in the database.")
log_dropped = Counter("readmission_log_dropped_total", "Predictions that were not logged.", ["reason"])
log_backlog = Gauge("readmission_log_backlog_bytes", "In the spool.", multiprocess_mode="livemax")
log_lag = Gauge("readmission_log_lag_seconds", "Age of the oldest segment in the spool.", multiprocess_mode="livemax")
# Not the least of all processes: a gauge is 0 in those that never set it, such as the sidecar.
disk_free = Gauge("readmission_disk_free_bytes", "Free where the state is.", multiprocess_mode="livemax")
registry_up = Gauge("readmission_registry_up", "The registry answered the last look.", multiprocess_mode="livemax")
feedback = Counter("readmission_feedback_total", "Outcomes received.", ["result"])
cpu = Counter("readmission_process_cpu_seconds_total", "CPU time of all workers and the sidecar.")
resident = Gauge("readmission_process_resident_memory_bytes", "Memory.", multiprocess_mode="liveall")
files = Gauge("readmission_process_open_fds_count", "Open files.", multiprocess_mode="liveall")
up_since = Gauge(
    "readmission_process_start_timestamp_seconds", "When the youngest worker started.", multiprocess_mode="livemax"
)


class Process:
    """Resources that this process uses."""

    def __init__(self) -> None:
        self._cpu = 0.0

    def flush(self) -> None:
        """Set processor time, memory and open files."""
        spent = time.process_time()
        cpu.inc(max(0.0, spent - self._cpu))
        self._cpu = spent
        resident.set(int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE)
        with os.scandir("/proc/self/fd") as descriptors:
            files.set(sum(1 for _ in descriptors))


class Metrics:
    """Counts of one worker, kept apart from prometheus_client until the next flush."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._process = Process()
        self._latency = [0] * (len(LATENCY) + 1)
        self._latency_sum = 0.0
        self._scored: dict[tuple[str, str], tuple[list[int], list[int], list[float]]] = {}
        self._missing: Tally[tuple[str, ...]] = Tally()
        up_since.set(time.time())

    def answered(self, seconds: float) -> None:
        """Count one POST /predict answered with 200."""
        self._latency[bisect_left(LATENCY, seconds)] += 1
        self._latency_sum += seconds

    def scored(self, version: str, variant: str, prediction: str, early: float, absent: Sequence[str]) -> None:
        """Count one scored encounter.

        Args:
            version: Model version.
            variant: ``champion``, ``challenger`` or ``shadow``.
            prediction: Predicted class.
            early: P(<30).
            absent: Names of absent features.
        """
        classes, buckets, total = self._scored.get((version, variant)) or self._tally(version, variant)
        classes[_POSITION[prediction]] += 1
        buckets[bisect_left(RISK, early)] += 1
        total[0] += early
        if absent:
            self._missing[tuple(absent)] += 1

    def _tally(self, version: str, variant: str) -> tuple[list[int], list[int], list[float]]:
        return self._scored.setdefault((version, variant), ([0] * 3, [0] * (len(RISK) + 1), [0.0]))

    def scored_many(
        self,
        version: str,
        positions: npt.NDArray[np.int64],
        early: npt.NDArray[np.float64],
        absent: Mapping[tuple[str, ...], int],
    ) -> None:
        """Count many encounters that the champion scored.

        Args:
            version: Model version.
            positions: Predicted classes, as positions in `contract.CLASSES`, shape (n,).
            early: P(<30), shape (n,).
            absent: Number of encounters that lack these features.
        """
        classes, buckets, total = self._tally(version, "champion")
        by_risk = np.bincount(np.searchsorted(RISK, early), minlength=len(RISK) + 1)
        for counts, more in ((classes, np.bincount(positions, minlength=len(classes))), (buckets, by_risk)):
            counts[:] = map(add, counts, more.tolist())
        total[0] += float(early.sum())
        self._missing.update(absent)

    def request(self, endpoint: str, method: str, code: int, seconds: float) -> None:
        """Count one request of any other kind; the endpoint is the route's path, never the URL."""
        requests.labels(endpoint, method, str(code)).inc()
        duration.labels(endpoint).observe(seconds)

    def refused(self, problems: Sequence[Any]) -> None:
        """Count the problems of a refused encounter; unknown fields share one label."""
        for problem in problems:
            field = problem.field if problem.field in FIELDS else "other"
            invalid.labels(field, problem.problem).inc()

    def flush(self) -> None:
        """Move the counts to prometheus_client; to be called from the event loop only."""
        count = sum(self._latency)
        if count:
            requests.labels("/predict", "POST", "200").inc(count)
            child: Any = duration.labels("/predict")
            child.add(self._latency, self._latency_sum)
            self._latency, self._latency_sum = [0] * (len(LATENCY) + 1), 0.0
        for (version, variant), (classes, buckets, total) in self._scored.items():
            for name, number in zip(contract.CLASSES, classes, strict=True):
                predictions.labels(version, variant, name).inc(number)
            histogram: Any = risk.labels(version, variant)
            histogram.add(buckets, total[0])
        self._scored = {}
        for fields, number in self._missing.items():
            for field in fields:
                missing.labels(field).inc(number)
        self._missing = Tally()
        self._process.flush()
        disk_free.set(shutil.disk_usage(self._home).free)


def exposition() -> tuple[bytes, str]:
    """Return the page of all workers and its content type."""
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return prometheus.generate_latest(), prometheus.CONTENT_TYPE_LATEST
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return prometheus.generate_latest(registry), prometheus.CONTENT_TYPE_LATEST
