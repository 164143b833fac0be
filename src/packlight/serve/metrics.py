"""A server's metrics for Prometheus: in base units, over all worker processes.

The time of a request is divided into parts:

    decode      body to texts: unpacking, JSON, checks
    tokenize    texts to token ids
    queue       from being queued to the start of inference
    infer       one micro-batch in the runtime
    encode      logits to labels to JSON
    request     all of it, from the headers to the finished response

The rest of `packlight_process_cpu_seconds` is HTTP itself.

A worker counts in plain lists, which costs a request next to nothing, and writes a snapshot to a shared folder every
second. The worker that gets a request for metrics sums all snapshots, with its own current values.
"""

import contextlib
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import accumulate
from pathlib import Path
from typing import TypeVar

import msgspec
import psutil
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from packlight.serve.answer_cache import AnswerCache

SECONDS = (
    *(50e-6, 100e-6, 150e-6, 200e-6, 300e-6, 500e-6, 750e-6),
    *(1e-3, 1.5e-3, 2e-3, 3e-3, 5e-3, 7.5e-3, 10e-3, 15e-3, 25e-3, 50e-3),
    *(0.1, 0.25, 0.5, 1.0),
)
TEXTS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
STAGES = {
    "decode": "Body to texts: unpacking, JSON, checks.",
    "tokenize": "Texts to token ids.",
    "queue": "From being queued to the start of inference.",
    "infer": "One micro-batch in the runtime.",
    "encode": "Logits to labels to the response's bytes.",
}
ROUTES = ("infer", "predict")
Label = TypeVar("Label", str, int)


class Histogram:
    """The number of values in each bucket, and their sum."""

    __slots__ = ("_bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        """Count a value. A bound belongs to the bucket below it."""
        self.counts[bisect_left(self._bounds, value)] += 1
        self.total += value


class Counts(msgspec.Struct):
    """A snapshot of a histogram."""

    counts: list[int]
    total: float


class Snapshot(msgspec.Struct):
    """All values of a worker."""

    pid: int
    stages: dict[str, Counts]
    routes: dict[str, Counts]
    batch: Counts
    requests: list[tuple[str, int, int]]
    """route, status, count"""
    loads: list[tuple[str, str, int]]
    """model, outcome, count"""
    queued: int
    taken: int
    truncated: int
    lines_dropped: int
    cache_hits: int
    cache_misses: int
    cache_texts: int
    cpu_seconds: float
    memory_bytes: int


class Metrics:
    """The metrics of a worker."""

    content_type = CONTENT_TYPE_LATEST

    def __init__(self, folder: Path | None = None) -> None:
        """Start at zero.

        Args:
            folder: shared folder for snapshots; None for a single worker.
        """
        self._process = psutil.Process()
        self._folder = folder
        stages = {name: Histogram(SECONDS) for name in STAGES}
        self._stages = stages
        self.decode, self.tokenize, self.queue = stages["decode"], stages["tokenize"], stages["queue"]
        self.infer, self.encode = stages["infer"], stages["encode"]
        self.request = {route: Histogram(SECONDS) for route in ROUTES}
        self.batch = Histogram(TEXTS)
        self.requests: Counter[tuple[str, int]] = Counter()
        """by route and status"""
        self.loads: Counter[tuple[str, str]] = Counter()
        """by model and outcome"""
        self.queued = 0
        """number of waiting texts"""
        self.taken = 0
        """inference requests"""
        self.cache: AnswerCache | None = None
        """the cache, if there is one"""
        self.truncated = 0
        """number of texts longer than the model's maximum"""
        self.lines_dropped = 0
        """number of log lines that were dropped because nobody read earlier ones"""

    def share(self) -> None:
        """Write a snapshot for the other workers. If the disk is full, they use the previous one."""
        if self._folder is not None:
            own = self._folder / f"{self._process.pid}.json"
            draft = own.with_suffix(".draft")
            with contextlib.suppress(OSError):
                draft.write_bytes(msgspec.json.encode(self._snapshot()))
                draft.replace(own)  # without fsync, so that the event loop doesn't wait for the disk

    def expose(self) -> bytes:
        """The values of all workers in Prometheus's text format."""
        snapshots = [self._snapshot()]
        if self._folder is not None:
            others = [file for file in sorted(self._folder.glob("*.json")) if file.stem != str(self._process.pid)]
            snapshots += [msgspec.json.decode(file.read_bytes(), type=Snapshot) for file in others]
        registry = CollectorRegistry()
        registry.register(_Families(snapshots))
        return generate_latest(registry)

    def _snapshot(self) -> Snapshot:
        times = self._process.cpu_times()
        return Snapshot(
            pid=self._process.pid,
            stages={name: _now(histogram) for name, histogram in self._stages.items()},
            routes={name: _now(histogram) for name, histogram in self.request.items()},
            batch=_now(self.batch),
            requests=[(*key, count) for key, count in self.requests.items()],
            loads=[(*key, count) for key, count in self.loads.items()],
            queued=self.queued,
            taken=self.taken,
            truncated=self.truncated,
            lines_dropped=self.lines_dropped,
            cache_hits=self.cache.hits if self.cache else 0,
            cache_misses=self.cache.misses if self.cache else 0,
            cache_texts=len(self.cache) if self.cache else 0,
            cpu_seconds=times.user + times.system,
            memory_bytes=self._process.memory_info().rss,
        )


class _Families(Collector):
    """The sum of all snapshots: counters of all workers, gauges of live ones only."""

    def __init__(self, snapshots: Sequence[Snapshot]) -> None:
        self._all = snapshots
        self._alive = [each for each in snapshots if psutil.pid_exists(each.pid)]

    def collect(self) -> Iterator[Metric]:
        """All families."""
        requests = CounterMetricFamily("packlight_requests", "Requests answered.", labels=["route", "status"])
        for (route, status), count in _added([each.requests for each in self._all]).items():
            requests.add_metric([route, str(status)], count)
        yield requests
        duration = HistogramMetricFamily(
            "packlight_request_duration_seconds", "From the headers to the finished response.", labels=["route"]
        )
        for route in ROUTES:
            duration.add_metric([route], *_histogram([each.routes[route] for each in self._all], SECONDS))
        yield duration
        for stage, words in STAGES.items():
            buckets, total = _histogram([each.stages[stage] for each in self._all], SECONDS)
            yield HistogramMetricFamily(f"packlight_{stage}_duration_seconds", words, buckets=buckets, sum_value=total)
        buckets, total = _histogram([each.batch for each in self._all], TEXTS)
        yield HistogramMetricFamily(
            "packlight_batch_texts", "Texts in a micro-batch.", buckets=buckets, sum_value=total
        )
        loads = CounterMetricFamily("packlight_model_loads", "Artifacts opened.", labels=["model", "outcome"])
        for (model, outcome), count in _added([each.loads for each in self._all]).items():
            loads.add_metric([model, outcome], count)
        yield loads
        dropped = sum(each.lines_dropped for each in self._all)
        yield CounterMetricFamily(
            "packlight_log_lines_dropped", "Log lines dropped because nobody read them.", value=dropped
        )
        hits, misses = sum(each.cache_hits for each in self._all), sum(each.cache_misses for each in self._all)
        yield CounterMetricFamily("packlight_cache_hits", "Texts found in the cache.", value=hits)
        yield CounterMetricFamily("packlight_cache_misses", "Texts not found in the cache.", value=misses)
        kept = sum(each.cache_texts for each in self._alive)
        yield GaugeMetricFamily("packlight_cache_texts", "Texts in the caches of all workers.", value=kept)
        cut = sum(each.truncated for each in self._all)
        yield CounterMetricFamily("packlight_truncated_texts", "Texts longer than the model's maximum.", value=cut)
        waiting = sum(each.queued for each in self._alive)
        yield GaugeMetricFamily("packlight_queue_texts", "Texts waiting.", value=waiting)
        yield self._of_each("process_cpu_seconds", "CPU time of a worker so far.", "cpu_seconds")
        yield self._of_each("process_resident_memory_bytes", "Memory of a worker.", "memory_bytes")
        yield self._of_each("worker_requests", "Inference requests accepted by a worker.", "taken")

    def _of_each(self, name: str, words: str, field: str) -> Metric:
        family = GaugeMetricFamily(f"packlight_{name}", words, labels=["pid"])
        for each in self._alive:
            family.add_metric([str(each.pid)], getattr(each, field))
        return family


def _now(histogram: Histogram) -> Counts:
    return Counts(list(histogram.counts), histogram.total)


def _added(rows: Sequence[Sequence[tuple[str, Label, int]]]) -> dict[tuple[str, Label], int]:
    """Counts by two labels, over all workers."""
    added: Counter[tuple[str, Label]] = Counter()
    for row in rows:
        for left, right, count in row:
            added[left, right] += count
    return dict(sorted(added.items(), key=str))


def _histogram(parts: Sequence[Counts], bounds: Sequence[float]) -> tuple[list[tuple[str, float]], float]:
    """Cumulative counts by upper bound, as in Prometheus, and the sum."""
    counts = [sum(column) for column in zip(*(part.counts for part in parts), strict=True)]
    names = [*(str(float(bound)) for bound in bounds), "+Inf"]
    return list(zip(names, map(float, accumulate(counts)), strict=True)), sum(part.total for part in parts)
