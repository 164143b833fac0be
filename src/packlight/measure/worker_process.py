"""A variant's process, from the measuring side."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import msgspec

from packlight.errors import MeasurementError
from packlight.measure.child_process import ChildProcess
from packlight.measure.worker import Latency, Open, Peak, Predict, Reply, Request, Throughput, Use

T = TypeVar("T")


@dataclass(frozen=True)
class BenchmarkTarget:
    """A target to measure."""

    variant: str
    folder: Path
    engine: str
    batch_invariant: bool
    oos_label: str | None
    abstain_below: float | None = None


class Process:
    """A running worker with an open engine. A context manager."""

    def __init__(self, subject: BenchmarkTarget, threads: int) -> None:
        """Start the process and let it open the target. Several can do so at the same time: see `labels`."""
        self.subject = subject
        self._child = ChildProcess("packlight.measure.worker", _environment(threads))
        self._send(
            Open(
                folder=str(subject.folder),
                engine=subject.engine,
                threads=threads,
                oos_label=subject.oos_label,
                abstain_below=subject.abstain_below,
            )
        )

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """The engine's labels in the order of its logits, once it is open. Request these first.

        Raises:
            MeasurementError: if the engine cannot be opened, or if the process ends.
        """
        return tuple(_present(self._reply().labels))

    def use(self, threads: int, *, only: bool = False) -> None:
        """Run on another number of threads from now on. The first time, the process opens the target once more.

        Args:
            threads: threads per inference.
            only: whether to free the memory of the engines with other numbers.

        Raises:
            MeasurementError: if the engine cannot be opened, or if the process ends.
        """
        self._ask(Use(threads=threads, only=only))

    def latency(self, texts: Sequence[str], *, warm: int) -> tuple[list[float], list[float]]:
        """Time texts one at a time, after `warm` warm-up texts.

        Returns:
            Elapsed milliseconds of each text, and milliseconds of CPU time over all threads of the process.
        """
        reply = self._ask(Latency(texts=list(texts), warm=warm))
        return _present(reply.milliseconds), _present(reply.cpu_milliseconds)

    def throughput(self, texts: Sequence[str]) -> float:
        """Texts per second of one batch."""
        return _present(self._ask(Throughput(texts=list(texts))).texts_per_second)

    def predict(self, texts: Sequence[str], *, batch: int) -> Reply:
        """Label indices in the engine's own order, with the confidence and the scope score of each text."""
        return self._ask(Predict(texts=list(texts), batch=batch))

    def peak_memory_mb(self) -> float:
        """The peak memory of the process, in MB."""
        return _present(self._ask(Peak()).peak_memory_mb)

    def close(self) -> None:
        """End the process."""
        self._child.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _ask(self, request: Request) -> Reply:
        self._send(request)
        return self._reply()

    def _send(self, request: Request) -> None:
        self._child.send(msgspec.json.encode(request))

    def _reply(self) -> Reply:
        line = self._child.receive()
        if line is None:
            raise MeasurementError(f"{self.subject.variant}: the measured process {self._child.last_words()}")
        reply = msgspec.json.decode(line, type=Reply)
        if reply.refused is not None:
            raise MeasurementError(f"{self.subject.variant}: {reply.refused}")
        return reply


def _environment(threads: int) -> dict[str, str]:
    """Give every library that has its own threads the same number."""
    count = str(threads)
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS")
    return os.environ | dict.fromkeys(names, count) | {"TOKENIZERS_PARALLELISM": "false"}


def _present(value: T | None) -> T:
    assert value is not None  # each request has its field in the reply
    return value
