"""A Python child process that exchanges lines, with its last output if it fails."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from types import TracebackType
from typing import BinaryIO, Self

STDERR_TAIL = 2000
"""bytes"""
PATIENCE = 5.0
"""seconds"""


class ChildProcess:
    """A running `python -m module`; a context manager that ends it."""

    def __init__(
        self, module: str, env: Mapping[str, str] | None = None, *, handles: Sequence[int] = (), forks: bool = False
    ) -> None:
        """Start the process. Its standard error is kept for `last_words`.

        Args:
            module: what to run.
            env: its environment variables. Defaults to those of this process.
            handles: open files that it inherits. Only on POSIX.
            forks: whether it has child processes, which then end with it. Only on POSIX.
        """
        self._forks = forks
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed in `close`
        self._process = subprocess.Popen(
            [sys.executable, "-m", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env=env,
            pass_fds=handles,
            process_group=0 if forks else None,
        )
        self.pid = self._process.pid

    def send(self, message: bytes) -> None:
        """Send a line. If the process has ended, the missing reply shows it."""
        assert self._process.stdin is not None  # piped above
        with suppress(OSError):  # a broken pipe
            self._process.stdin.write(message + b"\n")
            self._process.stdin.flush()

    def receive(self) -> bytes | None:
        """The next line, or None if the process ended before it was complete."""
        assert self._process.stdout is not None  # piped above
        line = self._process.stdout.readline()
        return line if line.endswith(b"\n") else None

    def last_words(self, status: int | None = None) -> str:
        """How the process ended, and the end of its standard error. Call this when there is no more output.

        Args:
            status: exit status of one of its own child processes, to say that instead.
        """
        if status is not None:
            return f"{ending(status)}:\n{tail(self._errors)}"
        try:
            status = self._process.wait(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            ended = "closed its output"
        else:
            ended = ending(status)
        return f"{ended}:\n{tail(self._errors)}"

    def finish(self) -> None:
        """End its input, and wait until it ends by itself, for a few seconds at most."""
        assert self._process.stdin is not None  # piped above
        with suppress(OSError):
            self._process.stdin.close()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=PATIENCE)

    def close(self) -> None:
        """End the process."""
        if self._forks and self._process.poll() is None:
            os.killpg(self.pid, signal.SIGKILL)
        self._process.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            # Input that an ended process did not read doesn't matter.
            with suppress(OSError):
                if pipe:
                    pipe.close()
        self._process.wait()
        self._errors.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def ending(status: int) -> str:
    """An exit status as text. A negative one is a POSIX signal."""
    if status >= 0:
        return f"ended with status {status}"
    name = signal.Signals(-status).name
    return f"was killed by {name}" + (", possibly because memory ran out" if name == "SIGKILL" else "")


def tail(log: BinaryIO) -> str:
    """The end of a process's log."""
    log.seek(0)
    return log.read()[-STDERR_TAIL:].decode(errors="replace").strip() or "(it wrote nothing)"
