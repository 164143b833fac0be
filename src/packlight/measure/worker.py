"""A process that runs one engine: requests and replies are JSON lines.

Each variant is measured in its own process, so that its memory is separate and its threads are set once.
Started by `worker_process` as `python -m packlight.measure.worker`.
"""

import os
import sys
import time
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
import numpy as np

from packlight.errors import PacklightError
from packlight.measure.peak_memory import peak_memory
from packlight.runtime.decision import probabilities
from packlight.runtime.engine import Engine
from packlight.runtime.engines import open_folder

DECIMALS = 5


class Open(msgspec.Struct, frozen=True, kw_only=True, tag="open"):
    """Open a folder on an engine."""

    folder: str
    engine: str
    threads: int
    oos_label: str | None
    abstain_below: float | None = None
    """the variant abstains from texts whose most likely label is less probable"""


class Use(msgspec.Struct, frozen=True, kw_only=True, tag="use"):
    """From now on, run the opened folder on another number of threads, in an engine of its own."""

    threads: int
    only: bool
    """whether to close the engines with other numbers"""


class Latency(msgspec.Struct, frozen=True, kw_only=True, tag="latency"):
    """Time each text alone, after some warm-up texts."""

    texts: list[str]
    warm: int


class Throughput(msgspec.Struct, frozen=True, kw_only=True, tag="throughput"):
    """Time one batch."""

    texts: list[str]


class Predict(msgspec.Struct, frozen=True, kw_only=True, tag="predict"):
    """Predict texts in batches of a given size, in order."""

    texts: list[str]
    batch: int


class Peak(msgspec.Struct, frozen=True, kw_only=True, tag="peak"):
    """The peak memory of this process."""


Request = Open | Use | Latency | Throughput | Predict | Peak


class Reply(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The reply to a request. The field that fits the request is set."""

    labels: list[str] | None = None
    milliseconds: list[float] | None = None
    cpu_milliseconds: list[float] | None = None
    """CPU time of each timed text, over all threads of the process"""
    texts_per_second: float | None = None
    predictions: list[int] | None = None
    confidences: list[float] | None = None
    scope_scores: list[float] | None = None
    abstained: list[bool] | None = None
    """for each text, whether the variant abstains; None if it never does"""
    peak_memory_mb: float | None = None
    refused: str | None = None
    """a user error, as text"""


def serve(requests: BinaryIO, replies: BinaryIO) -> None:
    """Process requests until there are no more."""
    opened: Open | None = None
    engines: dict[int, Engine[Any]] = {}
    """by their number of threads"""
    engine: Engine[Any] | None = None
    inside: list[int] = []
    threshold: float | None = None
    decoder = msgspec.json.Decoder(Request)
    for line in requests:
        request = decoder.decode(line)
        try:
            if isinstance(request, Open):
                opened = request
                engine = engines[request.threads] = _open(request, request.threads)
                inside = [index for index, label in enumerate(engine.labels) if label != request.oos_label]
                threshold = request.abstain_below
                reply = Reply(labels=list(engine.labels))
            elif isinstance(request, Use):
                assert opened is not None  # benchmark.process opens first
                if request.threads not in engines:
                    engines[request.threads] = _open(opened, request.threads)
                engine = engines[request.threads]
                engine.take_threads()
                engines = {request.threads: engine} if request.only else engines
                reply = Reply(labels=list(engine.labels))
            else:
                assert engine is not None  # benchmark.process opens first
                reply = _answer(engine, request, inside, threshold)
        except PacklightError as error:
            reply = Reply(refused=str(error))
        replies.write(msgspec.json.encode(reply) + b"\n")
        replies.flush()


def _open(request: Open, threads: int) -> Engine[Any]:
    return open_folder(Path(request.folder), engine=request.engine, threads=threads)


def _answer(
    engine: Engine[Any], request: Latency | Throughput | Predict | Peak, inside: list[int], threshold: float | None
) -> Reply:
    match request:
        case Latency():
            for text in request.texts[: request.warm]:
                engine.predict([text])
            taken = [_timed(engine, [text]) for text in request.texts]
            return Reply(
                milliseconds=[wall * 1e3 for wall, _ in taken], cpu_milliseconds=[cpu * 1e3 for _, cpu in taken]
            )
        case Throughput():
            return Reply(texts_per_second=len(request.texts) / _timed(engine, request.texts)[0])
        case Predict():
            return _predict(engine, request.texts, request.batch, inside, threshold)
        case Peak():
            return Reply(peak_memory_mb=peak_memory() / 1e6)


def _timed(engine: Engine[Any], texts: list[str]) -> tuple[float, float]:
    """Elapsed seconds, and seconds of CPU time of all threads."""
    cpu, start = time.process_time(), time.perf_counter()
    engine.predict(texts)
    return time.perf_counter() - start, time.process_time() - cpu


def _predict(engine: Engine[Any], texts: list[str], batch: int, inside: list[int], threshold: float | None) -> Reply:
    chunks = [engine.predict(texts[start : start + batch]) for start in range(0, len(texts), batch)]
    logits = np.concatenate(chunks)
    best = logits.argmax(axis=1)
    confidence = probabilities(logits).max(axis=1)
    return Reply(
        predictions=best.tolist(),
        confidences=confidence.round(DECIMALS).tolist(),
        scope_scores=logits[:, inside].max(axis=1).round(DECIMALS).tolist(),
        abstained=None if threshold is None else (confidence < threshold).tolist(),
    )


def main() -> None:
    """Reserve the channel for replies. Anything that a library prints goes to standard error."""
    replies: Any = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    serve(sys.stdin.buffer, replies)


if __name__ == "__main__":
    main()
