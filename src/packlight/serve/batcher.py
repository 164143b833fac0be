"""The queue of one model: micro-batches of what is there, at once when idle, never waiting for more.

Inference runs in the event loop's own thread. A worker has one core and one session, so another thread could
only add hand-overs; between two micro-batches the loop is free to answer, admit and refuse.

A window of what is queued is sorted by length and cut into micro-batches of at most `batch_tokens` padded
tokens, in which no text is padded for more than a call of the runtime costs. A text's logits do not depend on its neighbours: where the
artifact does not promise that, each text is a micro-batch of its own.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from packlight.runtime.engine import Logits
from packlight.serve.http_errors import deadline_exceeded, overloaded
from packlight.serve.model import Encoded
from packlight.serve.settings import Limits

WINDOW = 4
"""micro-batches' worth of tokens that are sorted together"""
CALL_TOKENS = 4
"""what a call of the runtime costs beside its tokens, in tokens: a text joins a batch where that adds less padding"""


class Infers(Protocol):
    """What a batcher needs of a model."""

    labels: tuple[str, ...]
    batch_invariant: bool
    pads: bool
    """whether a batch is padded to its longest text"""

    def logits(self, encoded: list[Any]) -> Logits:
        """Logits of one micro-batch."""
        ...


class Job:
    """One request in the queue."""

    __slots__ = ("arrived", "deadline", "done", "encoded", "left", "logits", "started")

    def __init__(self, encoded: Encoded, deadline: float, done: "asyncio.Future[Logits]") -> None:
        self.encoded = encoded
        self.arrived = time.perf_counter()
        self.deadline = deadline
        self.done = done
        self.left = len(encoded)
        self.logits: Logits | None = None
        self.started: float | None = None


Item = tuple[int, Job, int]
"""tokens, job, index of the text in the job"""


class Batcher:
    """Runs one model's queue on the event loop."""

    def __init__(
        self,
        model: Infers,
        limits: Limits,
        *,
        on_batch: Callable[[int, float], None] = lambda texts, seconds: None,  # noqa: ARG005 - names say what comes
        on_start: Callable[[float], None] = lambda seconds: None,  # noqa: ARG005 - as above
    ) -> None:
        """Make an empty queue.

        Args:
            model: what infers.
            limits: `queue_texts` and `batch_tokens` are used.
            on_batch: told the texts and the seconds of each micro-batch.
            on_start: told the seconds that each request waited before its inference began.
        """
        self._model = model
        self._limits = limits
        self._on_batch = on_batch
        self._on_start = on_start
        self._waiting: deque[Job] = deque()
        self._batches: deque[list[Item]] = deque()
        self._scheduled = False
        self.queued = 0
        """texts that are not inferred yet"""

    @property
    def full(self) -> bool:
        """Whether `submit` would refuse."""
        return self.queued >= self._limits.queue_texts

    def submit(self, encoded: Encoded, arrived: float, timeout: float) -> "asyncio.Future[Logits]":
        """Queue encoded texts; the future gives logits of shape [texts, labels], or the reason why not.

        Args:
            encoded: the texts of one request.
            arrived: when the request was whole, on `time.perf_counter`'s clock.
            timeout: seconds from then within which inference must begin.

        Raises:
            HTTPError: 429 when the queue is full. How much the request brings plays no part, so that batches and
                single texts are refused alike.
        """
        if self.full:
            raise overloaded()
        loop = asyncio.get_running_loop()
        job = Job(encoded, arrived + timeout, loop.create_future())
        self._waiting.append(job)
        self.queued += len(encoded)
        if not self._scheduled:
            self._scheduled = True
            loop.call_soon(self._step, loop)
        return job.done

    def _step(self, loop: asyncio.AbstractEventLoop) -> None:
        """Run one micro-batch, then let the loop do its other work before the next."""
        try:
            if not self._batches:
                self._cut()
            if self._batches:
                self._run(self._batches.popleft())
        finally:
            if self._batches or self._waiting:
                loop.call_soon(self._step, loop)
            else:
                self._scheduled = False

    def _cut(self) -> None:
        """Turn the head of the queue into micro-batches."""
        if len(self._waiting) == 1 and len(self._waiting[0].encoded) == 1:
            job = self._waiting.popleft()
            self._batches.append([(len(job.encoded[0]), job, 0)])
            return
        budget = self._limits.batch_tokens
        items: list[Item] = []
        tokens = 0
        while self._waiting and tokens < WINDOW * budget:
            job = self._waiting.popleft()
            for index, text in enumerate(job.encoded):
                items.append((len(text), job, index))
                tokens += len(text)
        if not self._model.batch_invariant:
            self._batches.extend([item] for item in items)
            return
        items.sort(key=_length)
        batch: list[Item] = []
        for item in items:
            longest = batch[-1][0] if self._model.pads and batch else item[0]
            if batch and not _joins(item[0], len(batch), longest, budget):
                self._batches.append(batch)
                batch = []
            batch.append(item)
        if batch:
            self._batches.append(batch)

    def _run(self, batch: list[Item]) -> None:
        self.queued -= len(batch)
        try:
            self._infer(batch)
        except Exception as error:  # noqa: BLE001 - whatever the runtime raises belongs to these requests alone
            for _, job, _ in batch:
                if not job.done.done():
                    job.done.set_exception(error)

    def _infer(self, batch: list[Item]) -> None:
        start = time.perf_counter()
        live = [item for item in batch if self._begin(item[1], start)]
        if not live:
            return
        logits = self._model.logits([job.encoded[index] for _, job, index in live])
        self._on_batch(len(live), time.perf_counter() - start)
        for (_, job, index), row in zip(live, logits, strict=True):
            self._finish(job, index, row)

    def _begin(self, job: Job, now: float) -> bool:
        """Whether a job is to be inferred: not when its client is gone, nor when it is late and nothing was done."""
        if job.done.done():
            return False
        if job.started is None:
            if now > job.deadline:
                job.done.set_exception(deadline_exceeded())
                return False
            job.started = now
            self._on_start(now - job.arrived)
        return True

    def _finish(self, job: Job, index: int, row: Logits) -> None:
        if job.done.done():
            return
        if len(job.encoded) == 1:
            job.done.set_result(row[None])
            return
        if job.logits is None:
            job.logits = np.empty((len(job.encoded), len(self._model.labels)), dtype=np.float32)
        job.logits[index] = row
        job.left -= 1
        if job.left == 0:
            job.done.set_result(job.logits)


def _joins(length: int, texts: int, longest: int, budget: int) -> bool:
    """Whether a text, no shorter than a batch's longest, costs less in it than in a call of its own."""
    return length * (texts + 1) <= budget and (length - longest) * texts <= CALL_TOKENS


def _length(item: Item) -> int:
    return item[0]
