"""Score fragments with worker processes, each with one thread and one fragment at a time."""

import os
import queue
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Self

import msgspec

from packlight import errors
from packlight.errors import PacklightError
from packlight.measure.child_process import ChildProcess
from packlight.scoring.forked import ForkedWorker, ForkServer
from packlight.scoring.settings import Done, Fragment, Moved, Refused, Reply, Setup, Task

THREAD_COUNTS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS")
HEARTBEAT = 0.5
"""maximum seconds until a signal is noticed"""
FORKS = sys.platform == "linux"
"""whether workers are forked: macOS's libraries don't survive it, and Windows has no such call"""
Worker = ChildProcess | ForkedWorker


class Workers:
    """The workers of this machine; a context manager that ends them."""

    def __init__(self, most: int) -> None:
        """Begin to load what they need, so that it is loaded when there is work.

        Args:
            most: maximum number of workers.
        """
        self.most = most
        self._env = os.environ | dict.fromkeys(THREAD_COUNTS, "1") | {"TOKENIZERS_PARALLELISM": "false"}
        self._stack = ExitStack()
        self._server = self._stack.enter_context(ForkServer(most, self._env)) if FORKS else None

    def score_fragments(self, todo: Sequence[tuple[int, Fragment]], setup: Setup, count: int) -> Iterator[Moved | Done]:
        """Score fragments in several processes, and yield their messages as they arrive. Call this once.

        Args:
            todo: the fragments with their numbers.
            setup: what all workers need to know.
            count: number of workers, up to `most`.

        Raises:
            PacklightError: if a worker reports an error, with its class and message, or if a worker ends unexpectedly.
        """
        tasks: queue.SimpleQueue[tuple[int, Fragment]] = queue.SimpleQueue()
        for each in todo:
            tasks.put(each)
        events: queue.Queue[Moved | Done | Exception | None] = queue.Queue(1024)
        for worker in self._started(count):
            threading.Thread(target=_drive, args=(worker, setup, tasks, events), daemon=True).start()
        running = count
        while running:
            try:
                event = events.get(timeout=HEARTBEAT)
            except queue.Empty:
                continue
            if isinstance(event, Exception):
                raise event
            if event is None:
                running -= 1
            else:
                yield event

    def _started(self, count: int) -> Sequence[Worker]:
        if self._server is not None:
            return self._server.workers(count)
        module = "packlight.scoring.worker"
        return [self._stack.enter_context(ChildProcess(module, self._env)) for _ in range(count)]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, traceback)


def _drive(
    worker: Worker,
    setup: Setup,
    tasks: "queue.SimpleQueue[tuple[int, Fragment]]",
    events: "queue.Queue[Moved | Done | Exception | None]",
) -> None:
    """Give one worker fragments until there are no more."""
    try:
        worker.send(msgspec.json.encode(setup))
        _receive(worker)
        while True:
            try:
                number, fragment = tasks.get_nowait()
            except queue.Empty:
                break
            worker.send(msgspec.json.encode(Task(number=number, fragment=fragment)))
            while not isinstance(reply := _receive(worker), Done):
                events.put(reply)  # type: ignore[arg-type] # within a fragment there is nothing else
            events.put(reply)
        events.put(None)
    except Exception as error:  # noqa: BLE001 - raised again where the events are read
        events.put(error)


def _receive(worker: Worker) -> Reply:
    line = worker.receive()
    if line is None:
        raise PacklightError(f"a worker {worker.last_words()}\nRun the same command again to resume.")
    reply: Reply = msgspec.json.decode(line, type=Reply)
    if isinstance(reply, Refused):
        kind = getattr(errors, reply.kind, PacklightError)
        raise kind(reply.message)
    return reply
