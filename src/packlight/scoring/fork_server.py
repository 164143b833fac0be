"""The process that workers are forked from: it loads what all of them need, once.

Started by `scoring.forked` as `python -m packlight.scoring.fork_server`. It gets one line, `Fork`. Each worker then exchanges lines
with the command over its own socket. This process has one thread when it forks, and afterwards only reports how each worker ended.
"""

import gc
import os
import socket
import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress

import msgspec

from packlight.scoring.settings import Ended, Fork
from packlight.scoring.worker import load, own_output, reply, work


def main() -> None:
    """Fork the workers, and report their ends until there are none."""
    messages = own_output()
    load()
    gc.freeze()  # else the first collection would copy every page
    line = sys.stdin.buffer.readline()
    if not line:
        os._exit(0)  # the command has ended, or has nothing to score
    fork = msgspec.json.decode(line, type=Fork)
    numbers = {
        _forked(handle, (*fork.handles, messages.fileno())): number
        for number, handle in enumerate(fork.handles[: fork.workers])
    }
    for handle in fork.handles:
        os.close(handle)
    while numbers:
        pid, status = os.wait()
        with suppress(BrokenPipeError):  # the command has ended
            reply(messages, Ended(worker=numbers.pop(pid), status=os.waitstatus_to_exitcode(status)))
    os._exit(0)  # there is nothing to tidy up, and somebody waits


def _forked(handle: int, handles: Sequence[int]) -> int:
    """Start a worker that uses one of the open files, a socket, and closes the others. Returns its process id."""
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        for other in handles:
            if other != handle:
                os.close(other)  # the command must notice when the process that uses it ends
        with socket.socket(fileno=handle) as line:
            work(line.makefile("rb"), line.makefile("wb"))
        status = 0
    except BaseException:  # noqa: BLE001 - a worker never returns to the code above
        traceback.print_exc()
    finally:
        os._exit(status)


if __name__ == "__main__":
    main()
