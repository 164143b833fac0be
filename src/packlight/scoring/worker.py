"""The process that scores fragments on one thread. Orders and replies are JSON lines.

On Linux, `scoring.fork_server` forks it. Elsewhere, `scoring.workers` starts it as `python -m packlight.scoring.worker`. It ends when
its input ends, even within a fragment, because then the process that it works for is gone.
"""

import os
import queue
import sys
import threading
import warnings
from typing import BinaryIO

import msgspec

from packlight.errors import ArtifactError, PacklightError
from packlight.files import sha256_of
from packlight.runtime.artifact import MANIFEST
from packlight.scoring.settings import Ended, Moved, Order, Ready, Refused, Reply, Setup, Task


def main() -> None:
    """Work for the process at the other end of the standard streams."""
    replies = own_output()
    load()
    work(sys.stdin.buffer, replies)


def load() -> None:
    """Import what every worker needs, whatever its artifact."""
    import safetensors.numpy  # noqa: F401

    import packlight.scoring.fragment_job  # noqa: F401
    from packlight.scoring.without_pandas import look_for_pandas_in_vain

    look_for_pandas_in_vain()


def work(given: BinaryIO, replies: BinaryIO) -> None:
    """Carry out one order after the other. This returns after an error that the user can fix."""
    orders: queue.Queue[bytes] = queue.Queue()
    threading.Thread(target=_listen, args=(given, orders), daemon=True).start()
    try:
        _work(orders, replies)
    except PacklightError as error:
        reply(replies, Refused(kind=type(error).__name__, message=str(error)))


def _work(orders: "queue.Queue[bytes]", replies: BinaryIO) -> None:
    import pyarrow as pa

    from packlight.scoring.fragment_job import run_fragment
    from packlight.scoring.scorer import BatchDependenceWarning, Scorer

    pa.set_cpu_count(1)
    setup = msgspec.json.decode(orders.get(), type=Order)
    assert isinstance(setup, Setup)  # the first
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BatchDependenceWarning)  # the command has said it
        scorer = Scorer(setup.artifact, setup.scorer)
    if sha256_of(scorer.artifact.path / MANIFEST) != setup.sha256:
        raise ArtifactError(f"{setup.artifact}: changed while it was in use; start again with another --out")
    reply(replies, Ready())
    while True:
        task = msgspec.json.decode(orders.get(), type=Order)
        assert isinstance(task, Task)  # all but the first
        moved = lambda rows: reply(replies, Moved(rows=rows))  # noqa: E731 - it is short
        reply(replies, run_fragment(task.number, task.fragment, scorer, setup, moved))


def _listen(given: BinaryIO, orders: "queue.Queue[bytes]") -> None:
    try:
        for line in given:
            orders.put(line)
    finally:  # also if a socket says that its other end went away
        os._exit(0)


def own_output() -> BinaryIO:
    """Reserve standard output for replies. Whatever libraries print goes to standard error."""
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return replies


def reply(stream: BinaryIO, message: Reply | Ended) -> None:
    """Send a line."""
    stream.write(msgspec.json.encode(message) + b"\n")
    stream.flush()


if __name__ == "__main__":
    main()
