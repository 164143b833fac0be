"""The generator's own process: one job a line in, one outcome a line out.

Started by `GeneratorProcess` as `python -m packlight.serve.loadtest.process`, on processors that the server does not use where
there are enough.
"""

import gc
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Collection
from contextlib import suppress
from types import TracebackType
from typing import BinaryIO, Self

import msgspec

from packlight.errors import MeasurementError
from packlight.serve.loadtest.generator import Generator
from packlight.serve.loadtest.settings import Job, Observed

STDERR_TAIL = 2000
PATIENCE = 5.0
"""seconds"""


class JobFailed(msgspec.Struct, frozen=True, tag=True):
    """Why a job came to nothing."""

    reason: str


class JobDone(msgspec.Struct, frozen=True, tag=True):
    """A job's outcome."""

    observed: Observed


class GeneratorProcess:
    """A running generator; a context manager."""

    def __init__(self, processors: Collection[int] | None = None) -> None:
        """Start it, on these processors where the system can bind it to them."""
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed in __exit__
        self._process = subprocess.Popen(
            [sys.executable, "-m", "packlight.serve.loadtest.process"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
        )
        if processors and hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(self._process.pid, processors)

    def run(self, job: Job) -> Observed:
        """Carry out one job.

        Raises:
            MeasurementError: when the server cannot be reached, or the process ends.
        """
        assert self._process.stdin is not None  # piped above
        assert self._process.stdout is not None  # piped above
        # A process that ended is found out when there is no answer.
        with suppress(BrokenPipeError):
            self._process.stdin.write(msgspec.json.encode(job) + b"\n")
            self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line.endswith(b"\n"):
            raise MeasurementError(f"the load generator's process {self._end()}; load again:\n{self._last_words()}")
        answer = msgspec.json.decode(line, type=JobDone | JobFailed)
        if isinstance(answer, JobFailed):
            raise MeasurementError(f"{job.address.host}:{job.address.port}: {answer.reason}")
        return answer.observed

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._process.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            # What a process that ended did not read any more is of no use.
            with suppress(BrokenPipeError):
                if pipe:
                    pipe.close()
        self._process.wait()
        self._errors.close()

    def _end(self) -> str:
        """How the process ended, once nothing more comes from it."""
        try:
            status = self._process.wait(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            return "closed its output"
        return f"ended with status {status}" if status >= 0 else f"was killed by {signal.Signals(-status).name}"

    def _last_words(self) -> str:
        self._errors.seek(0)
        return self._errors.read()[-STDERR_TAIL:].decode(errors="replace").strip() or "(it said nothing)"


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
