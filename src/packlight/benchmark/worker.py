"""The process that holds one engine and answers for it: JSON lines in, JSON lines out.

Each variant is measured in a process of its own, so that its memory is its own and its threads are set once.
Started by `benchmark.process` as `python -m packlight.benchmark.worker`.
"""

import os
import resource
import sys
import time
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from packlight.artifact import Artifact
from packlight.engines import Engine, open_engine
from packlight.errors import PacklightError

KIB_PER_UNIT = 1 if sys.platform.startswith("linux") else 1 / 1024
"""ru_maxrss counts KiB on Linux and bytes on macOS"""


class Open(msgspec.Struct, frozen=True, kw_only=True, tag="open"):
    """Open a folder on an engine."""

    folder: str
    engine: str
    threads: int


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
    texts_per_second: float | None = None
    predictions: list[int] | None = None
    peak_memory_mb: float | None = None
    refused: str | None = None
    """a user error, in words"""


def serve(requests: BinaryIO, replies: BinaryIO) -> None:
    """Answer requests until there are no more."""
    engine: Engine | None = None
    decoder = msgspec.json.Decoder(Request)
    for line in requests:
        request = decoder.decode(line)
        try:
            if isinstance(request, Open):
                engine = _open(request)
                reply = Reply(labels=list(engine.labels))
            else:
                assert engine is not None  # noqa: S101 - benchmark.process opens first
                reply = _answer(engine, request)
        except PacklightError as error:
            reply = Reply(refused=str(error))
        replies.write(msgspec.json.encode(reply) + b"\n")
        replies.flush()


def _open(request: Open) -> Engine:
    folder = Path(request.folder)
    if request.engine == "pipeline":
        from packlight.engines.torch import PipelineEngine  # noqa: PLC0415 - an ONNX engine's memory must not hold torch

        return PipelineEngine(folder, threads=request.threads)
    return open_engine(Artifact.open(folder), engine=request.engine, threads=request.threads)


def _answer(engine: Engine, request: Latency | Throughput | Predict | Peak) -> Reply:
    match request:
        case Latency():
            for text in request.texts[: request.warm]:
                engine.logits([text])
            return Reply(milliseconds=[_timed(engine, [text]) * 1e3 for text in request.texts])
        case Throughput():
            return Reply(texts_per_second=len(request.texts) / _timed(engine, request.texts))
        case Predict():
            return Reply(predictions=_predict(engine, request.texts, request.batch))
        case Peak():
            kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * KIB_PER_UNIT
            return Reply(peak_memory_mb=kib * 1024 / 1e6)


def _timed(engine: Engine, texts: list[str]) -> float:
    start = time.perf_counter()
    engine.logits(texts)
    return time.perf_counter() - start


def _predict(engine: Engine, texts: list[str], batch: int) -> list[int]:
    chunks = [texts[start : start + batch] for start in range(0, len(texts), batch)]
    return [int(best) for chunk in chunks for best in engine.logits(chunk).argmax(axis=1)]


def main() -> None:
    """Keep the replies' channel for replies alone: whatever a library prints goes to standard error."""
    replies: Any = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    serve(sys.stdin.buffer, replies)


if __name__ == "__main__":
    main()
