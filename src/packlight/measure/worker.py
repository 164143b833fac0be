"""The process that holds one engine and answers for it: JSON lines in, JSON lines out.

Each variant is measured in a process of its own, so that its memory is its own and its threads are set once.
Started by `benchmark.process` as `python -m packlight.measure.worker`.
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
    """texts whose likeliest label is less probable are not answered"""


class Latency(msgspec.Struct, frozen=True, kw_only=True, tag="latency"):
    """Time each text alone, after answering some of them untimed."""

    texts: list[str]
    warm: int


class Throughput(msgspec.Struct, frozen=True, kw_only=True, tag="throughput"):
    """Time one batch."""

    texts: list[str]


class Predict(msgspec.Struct, frozen=True, kw_only=True, tag="predict"):
    """Answer texts in batches of a size, in the given order."""

    texts: list[str]
    batch: int


class Peak(msgspec.Struct, frozen=True, kw_only=True, tag="peak"):
    """The most memory that this process ever held."""


Request = Open | Latency | Throughput | Predict | Peak


class Reply(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The answer to any request: the field that fits it."""

    labels: list[str] | None = None
    milliseconds: list[float] | None = None
    cpu_milliseconds: list[float] | None = None
    """CPU time of all of the process's threads, for each timed text"""
    texts_per_second: float | None = None
    predictions: list[int] | None = None
    confidences: list[float] | None = None
    scope_scores: list[float] | None = None
    abstained: list[bool] | None = None
    """for each text, whether the variant gives no answer; None where it always does"""
    peak_memory_mb: float | None = None
    refused: str | None = None
    """a user error, in words"""


def serve(requests: BinaryIO, replies: BinaryIO) -> None:
    """Answer requests until there are no more."""
    engine: Engine[Any] | None = None
    inside: list[int] = []
    threshold: float | None = None
    decoder = msgspec.json.Decoder(Request)
    for line in requests:
        request = decoder.decode(line)
        try:
            if isinstance(request, Open):
                engine = open_folder(Path(request.folder), engine=request.engine, threads=request.threads)
                inside = [index for index, label in enumerate(engine.labels) if label != request.oos_label]
                threshold = request.abstain_below
                reply = Reply(labels=list(engine.labels))
            else:
                assert engine is not None  # benchmark.process opens first
                reply = _answer(engine, request, inside, threshold)
        except PacklightError as error:
            reply = Reply(refused=str(error))
        replies.write(msgspec.json.encode(reply) + b"\n")
        replies.flush()


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
    """Seconds on the wall, and seconds of CPU time of all threads."""
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
    """Keep the replies' channel for replies alone: whatever a library prints goes to standard error."""
    replies: Any = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    serve(sys.stdin.buffer, replies)


if __name__ == "__main__":
    main()
