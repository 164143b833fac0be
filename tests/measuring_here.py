"""Variants are measured by a thread of the tests' process, where the real thing starts an interpreter for each.

A new interpreter takes two seconds, and five if it loads PyTorch. Requests, replies and what the worker does with them are
the real ones. Real processes are measured in `test_measure_worker_process`, and by every test that runs the command itself.
"""

import os
import queue
import sys
import threading

from packlight.measure import worker


class WorkerThread:
    """What `ChildProcess` is to a `Process`: exchanges lines with a worker."""

    def __init__(self, module, env=None):  # noqa: ARG002 - as `ChildProcess` takes them
        assert module == worker.__name__
        self.pid = os.getpid()
        self._requests, self._replies = queue.SimpleQueue(), queue.SimpleQueue()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self):
        try:
            worker.serve(iter(self._requests.get, None), self)
        finally:
            self._replies.put(b"")  # as a pipe that was closed

    def write(self, line):
        """Take a reply from the worker."""
        self._replies.put(line)

    def flush(self):
        """Nothing is held back."""

    def send(self, message):
        self._requests.put(message)

    def receive(self):
        return self._replies.get() or None

    def last_words(self):
        return "ended: see the traceback above"

    def close(self):
        self._requests.put(None)
        self._thread.join()
        if "torch" in sys.modules:
            sys.modules["torch"].set_num_threads(1)  # an engine sets it for its whole process
