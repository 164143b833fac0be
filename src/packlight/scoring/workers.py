"""Score fragments with worker processes, each with one thread and one fragment at a time."""

import os
import queue
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack

import msgspec

from packlight import errors
from packlight.errors import PacklightError
from packlight.measure.child_process import ChildProcess
from packlight.scoring.settings import Done, Fragment, Moved, Refused, Reply, Setup, Task

THREAD_COUNTS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS")
HEARTBEAT = 0.5
"""maximum seconds until a signal is noticed"""


def score_fragments(todo: Sequence[tuple[int, Fragment]], setup: Setup, workers: int) -> Iterator[Moved | Done]:
    """Score fragments in several processes, and yield their messages as they arrive.

    Raises:
        PacklightError: if a worker reports an error, with its class and message, or if a worker ends unexpectedly.
    """
    tasks: queue.SimpleQueue[tuple[int, Fragment]] = queue.SimpleQueue()
    for each in todo:
        tasks.put(each)
    events: queue.Queue[Moved | Done | Exception | None] = queue.Queue(1024)
    env = os.environ | dict.fromkeys(THREAD_COUNTS, "1") | {"TOKENIZERS_PARALLELISM": "false"}
    with ExitStack() as stack:
        children = [stack.enter_context(ChildProcess("packlight.scoring.worker", env)) for _ in range(workers)]
        for child in children:
            threading.Thread(target=_drive, args=(child, setup, tasks, events), daemon=True).start()
        running = workers
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


def _drive(
    child: ChildProcess,
    setup: Setup,
    tasks: "queue.SimpleQueue[tuple[int, Fragment]]",
    events: "queue.Queue[Moved | Done | Exception | None]",
) -> None:
    """Give one worker fragments until there are no more."""
    try:
        child.send(msgspec.json.encode(setup))
        _receive(child)
        while True:
            try:
                number, fragment = tasks.get_nowait()
            except queue.Empty:
                break
            child.send(msgspec.json.encode(Task(number=number, fragment=fragment)))
            while not isinstance(reply := _receive(child), Done):
                events.put(reply)  # type: ignore[arg-type] # within a fragment there is nothing else
            events.put(reply)
        events.put(None)
    except Exception as error:  # noqa: BLE001 - raised again where the events are read
        events.put(error)


def _receive(child: ChildProcess) -> Reply:
    line = child.receive()
    if line is None:
        raise PacklightError(f"a worker {child.last_words()}\nRun the same command again to resume.")
    reply: Reply = msgspec.json.decode(line, type=Reply)
    if isinstance(reply, Refused):
        kind = getattr(errors, reply.kind, PacklightError)
        raise kind(reply.message)
    return reply
