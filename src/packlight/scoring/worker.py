"""The process that scores fragments on one thread. Requests and replies are JSON lines.

Started by `scoring.workers` as `python -m packlight.scoring.worker`. It ends when its input ends, even within a
fragment, because then its parent process is gone.
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
from packlight.scoring.settings import Moved, Order, Ready, Refused, Reply, Setup, Task


def main() -> None:
    """Answer one line at a time, until there are no more."""
    replies = _own_output()
    orders: queue.Queue[bytes] = queue.Queue()
    threading.Thread(target=_listen, args=(orders,), daemon=True).start()
    try:
        _work(orders, replies)
    except PacklightError as error:
        _reply(replies, Refused(kind=type(error).__name__, message=str(error)))


def _work(orders: "queue.Queue[bytes]", replies: BinaryIO) -> None:
    import pyarrow as pa

    from packlight.scoring.fragment_job import run_fragment
    from packlight.scoring.scorer import BatchDependenceWarning, Scorer
    from packlight.scoring.without_pandas import look_for_pandas_in_vain

    look_for_pandas_in_vain()
    pa.set_cpu_count(1)
    setup = msgspec.json.decode(orders.get(), type=Order)
    assert isinstance(setup, Setup)  # the first
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BatchDependenceWarning)  # said once, by the process that started this one
        scorer = Scorer(setup.artifact, setup.scorer)
    if sha256_of(scorer.artifact.path / MANIFEST) != setup.sha256:
        raise ArtifactError(f"{setup.artifact}: changed while it was in use; start again with another --out")
    _reply(replies, Ready())
    while True:
        task = msgspec.json.decode(orders.get(), type=Order)
        assert isinstance(task, Task)  # all but the first
        moved = lambda rows: _reply(replies, Moved(rows=rows))  # noqa: E731 - it is short
        _reply(replies, run_fragment(task.number, task.fragment, scorer, setup, moved))


def _listen(orders: "queue.Queue[bytes]") -> None:
    for line in sys.stdin.buffer:
        orders.put(line)
    os._exit(0)


def _own_output() -> BinaryIO:
    """Reserve standard output for replies. Whatever libraries print goes to standard error."""
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return replies


def _reply(stream: BinaryIO, reply: Reply) -> None:
    stream.write(msgspec.json.encode(reply) + b"\n")
    stream.flush()


if __name__ == "__main__":
    main()
