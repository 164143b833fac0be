"""The generator's process: it reads a job per line and writes an outcome per line.

Started by `GeneratorProcess` as `python -m packlight.serve.loadtest.process`, on processors that the server does not
use, if there are enough.
"""

import gc
import sys
from collections.abc import Collection
from types import TracebackType
from typing import BinaryIO, Self

import msgspec

from packlight.errors import MeasurementError
from packlight.measure.child_process import ChildProcess
from packlight.runtime.processor import bind_process
from packlight.serve.loadtest.generator import Generator
from packlight.serve.loadtest.settings import Job, Observed


class JobFailed(msgspec.Struct, frozen=True, tag=True):
    """Why a job failed."""

    reason: str


class JobDone(msgspec.Struct, frozen=True, tag=True):
    """A job's outcome."""

    observed: Observed


class GeneratorProcess:
    """A running generator; a context manager."""

    def __init__(self, processors: Collection[int] | None = None) -> None:
        """Start it, on these processors if the system can pin it."""
        self._child = ChildProcess("packlight.serve.loadtest.process")
        bind_process(self._child.pid, processors)

    def run(self, job: Job) -> Observed:
        """Carry out one job.

        Raises:
            MeasurementError: if the server cannot be reached, or if the process ends.
        """
        self._child.send(msgspec.json.encode(job))
        line = self._child.receive()
        if line is None:
            raise MeasurementError(f"the load generator's process {self._child.last_words()}\nRun the load test again.")
        answer = msgspec.json.decode(line, type=JobDone | JobFailed)
        if isinstance(answer, JobFailed):
            raise MeasurementError(f"{job.address.host}:{job.address.port}: {answer.reason}")
        return answer.observed

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._child.close()


def main(jobs: BinaryIO, outcomes: BinaryIO) -> None:
    """Carry out jobs until there are no more."""
    decoder = msgspec.json.Decoder(Job)
    for line in jobs:
        job = decoder.decode(line)
        gc.collect()
        gc.disable()  # a pause would be charged to the server
        try:
            answer: JobDone | JobFailed = JobDone(Generator(job).run())
        except OSError as error:
            answer = JobFailed(f"cannot connect ({error.strerror or error})")
        gc.enable()
        outcomes.write(msgspec.json.encode(answer) + b"\n")
        outcomes.flush()


if __name__ == "__main__":
    main(sys.stdin.buffer, sys.stdout.buffer)
