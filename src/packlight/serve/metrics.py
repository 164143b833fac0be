"""What a server counts, for Prometheus: base units, shared by all worker processes.

The time of a request is split so that each part can be read for itself:

    decode      body to texts: unpacking, JSON, checks
    tokenize    texts to token ids
    queue       from being queued to the start of inference
    infer       one micro-batch in the runtime
    encode      logits to labels to JSON
    request     all of it, from the headers to the finished response

What remains of `packlight_process_cpu_seconds` after these is HTTP itself. In a server of several processes
prometheus-client keeps the values in files that all of them map (PROMETHEUS_MULTIPROC_DIR).
"""

import os
import re
from pathlib import Path

import psutil
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

MULTIPROCESS = "PROMETHEUS_MULTIPROC_DIR"
SECONDS = (
    *(50e-6, 100e-6, 150e-6, 200e-6, 300e-6, 500e-6, 750e-6),
    *(1e-3, 1.5e-3, 2e-3, 3e-3, 5e-3, 7.5e-3, 10e-3, 15e-3, 25e-3, 50e-3),
    *(0.1, 0.25, 0.5, 1.0),
)
TEXTS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
PROCESS_ID = re.compile(r"_(\d+)\.db$")


class Metrics:
    """The metrics of one worker."""

    content_type = CONTENT_TYPE_LATEST

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        self._process = psutil.Process()
        self._requests = Counter("packlight_requests", "Requests answered.", ["route", "status"], registry=registry)
        duration = Histogram(
            "packlight_request_duration_seconds",
            "From the headers to the finished response.",
            ["route"],
            buckets=SECONDS,
            registry=registry,
        )
        self.request = {route: duration.labels(route) for route in ("infer", "predict")}
        self.decode = self._seconds("decode", "Body to texts: unpacking, JSON, checks.")
        self.tokenize = self._seconds("tokenize", "Texts to token ids.")
        self.queue = self._seconds("queue", "From being queued to the start of inference.")
        self.infer = self._seconds("infer", "One micro-batch in the runtime.")
        self.encode = self._seconds("encode", "Logits to labels to the response's bytes.")
        self.batch = Histogram("packlight_batch_texts", "Texts of a micro-batch.", buckets=TEXTS, registry=registry)
        self.queued = Gauge("packlight_queue_texts", "Texts waiting.", multiprocess_mode="livesum", registry=registry)
        self.loads = Counter("packlight_model_loads", "Artifacts opened.", ["model", "outcome"], registry=registry)
        self._cpu = self._gauge("packlight_process_cpu_seconds", "CPU time of a worker so far.")
        self._memory = self._gauge("packlight_process_resident_memory_bytes", "Memory of a worker.")
        self.worker_requests = self._gauge("packlight_worker_requests", "Inference requests taken by a worker.")
        self._children: dict[tuple[str, int], Counter] = {}

    def count(self, route: str, status: int) -> None:
        """Count one answered request."""
        child = self._children.get((route, status))
        if child is None:
            child = self._children[route, status] = self._requests.labels(route, str(status))
        child.inc()

    def sample_process(self) -> None:
        """Note the CPU time and memory of this worker."""
        times = self._process.cpu_times()
        self._cpu.set(times.user + times.system)
        self._memory.set(self._process.memory_info().rss)

    def expose(self) -> bytes:
        """The text form of the values of all workers."""
        self.sample_process()
        folder = os.environ.get(MULTIPROCESS)
        if not folder:
            return generate_latest(self._registry)
        _forget_the_dead(Path(folder))
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return generate_latest(registry)

    def _seconds(self, stage: str, words: str) -> Histogram:
        return Histogram(f"packlight_{stage}_duration_seconds", words, buckets=SECONDS, registry=self._registry)

    def _gauge(self, name: str, words: str) -> Gauge:
        return Gauge(name, words, multiprocess_mode="liveall", registry=self._registry)


def _forget_the_dead(folder: Path) -> None:
    """Drop the live values of workers that were killed; their counts remain."""
    for file in folder.glob("gauge_live*.db"):
        found = PROCESS_ID.search(file.name)
        if found and not psutil.pid_exists(int(found[1])):
            mark_process_dead(int(found[1]))  # type: ignore[no-untyped-call]
