"""The queue of one model. It forms micro-batches of waiting texts, and never waits for more.

Inference runs in the event loop's thread. A worker has one core and one session, so another thread would only add
overhead. Between two micro-batches, the loop can respond, accept and reject.

A request runs in slices, each about one micro-batch. The first slices of new requests run together, sorted by length.
Then started requests take turns, one slice at a time. So a request waits for at most one slice of each other request,
however large that is. Each request gets a response at its deadline, started or not.

Predictions don't depend on the batch. If an artifact doesn't guarantee that, each text runs alone.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import numpy as np

from packlight.runtime.engine import Logits
from packlight.serve import micro_batches
from packlight.serve.http_errors import deadline_exceeded, overloaded
from packlight.serve.model import Encoded
from packlight.serve.settings import Limits

WINDOW = 4
"""number of micro-batches of new requests that are sorted together"""


LONG_SECONDS = 0.002
TURNS = 4
"""turns of the loop after a micro-batch that took longer than that: a new request needs several, from its connection to the queue"""


class Infers(Protocol):
    """The part of a model that a batcher needs."""

    labels: tuple[str, ...]
    batch_invariant: bool
    pads: bool
    """whether a batch is padded to its longest text"""

    def logits(self, encoded: list[Any]) -> Logits:
        """The logits of a micro-batch."""
        ...


class Job:
    """A request in the queue."""

    __slots__ = ("arrived", "deadline", "done", "encoded", "items", "left", "logits", "started", "taken")

    def __init__(self, encoded: Encoded, arrived: float, deadline: float, done: "asyncio.Future[Logits]") -> None:
        self.encoded = encoded
        self.items = micro_batches.by_length(self, encoded)
        self.taken = 0
        """number of texts, from the shortest, that are in micro-batches"""
        self.arrived = arrived
        self.deadline = deadline
        self.done = done
        self.left = len(encoded)
        """number of texts without logits"""
        self.logits: Logits | None = None
        self.started = False


Item = micro_batches.Item[Job]


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
            model: the model.
            limits: `queue_texts` and `batch_tokens` are used.
            on_batch: called with the number of texts and the seconds of each micro-batch.
            on_start: called with the seconds that each request waited for inference.
        """
        self._model = model
        self._limits = limits
        self._on_batch = on_batch
        self._on_start = on_start
        self._new: deque[Job] = deque()
        self._begun: deque[Job] = deque()
        """started requests with remaining slices"""
        self._batches: deque[list[Item]] = deque()
        self._scheduled = False
        self._alarm: asyncio.TimerHandle | None = None
        """the time of the earliest deadline"""
        self._alarm_at = float("inf")
        self.queued = 0
        """number of texts waiting for inference"""

    @property
    def full(self) -> bool:
        """Whether `submit` would reject a request."""
        return self.queued >= self._limits.queue_texts

    def submit(self, encoded: Encoded, arrived: float, timeout: float) -> "asyncio.Future[Logits]":
        """Queue encoded texts. The future returns logits of shape [texts, labels], or raises an error.

        Args:
            encoded: the texts of a request.
            arrived: the time when the request was complete, by `time.perf_counter`.
            timeout: seconds from then until the response 504.

        Raises:
            HTTPError: 429 if the queue is full. The size of the request doesn't matter, so batches and single texts are
                treated alike.
        """
        if self.full:
            raise overloaded()
        loop = asyncio.get_running_loop()
        job = Job(encoded, arrived, arrived + timeout, loop.create_future())
        self._new.append(job)
        self.queued += len(encoded)
        if job.deadline < self._alarm_at:
            self._set_alarm(loop, job.deadline)
        if not self._scheduled:
            self._scheduled = True
            loop.call_soon(self._step, loop)
        return job.done

    def _step(self, loop: asyncio.AbstractEventLoop) -> None:
        """Run a micro-batch, then let the loop do other work before the next one."""
        start = time.perf_counter()
        try:
            if not self._batches:
                self._fill()
            if self._batches:
                self._run(self._batches.popleft())
        finally:
            if self._batches or self._new or self._begun:
                self._after(loop, TURNS if time.perf_counter() - start > LONG_SECONDS else 0)
            else:
                self._scheduled = False

    def _after(self, loop: asyncio.AbstractEventLoop, turns: int) -> None:
        """Continue after this many turns of the loop."""
        if turns:
            loop.call_soon(self._after, loop, turns - 1)
        else:
            loop.call_soon(self._step, loop)

    def _fill(self) -> None:
        """Form micro-batches from the first slices of new requests, and from a slice of a started one."""
        budget = self._limits.batch_tokens
        if len(self._new) == 1 and not self._begun and len(self._new[0].encoded) == 1:
            job = self._new.popleft()
            job.taken = 1
            self._batches.append(job.items)
            return
        waiting = len(self._begun)
        self._take(self._new, WINDOW * budget, len(self._new))
        if waiting:
            self._take(self._begun, budget, waiting)

    def _take(self, jobs: deque[Job], budget: int, most: int) -> None:
        """Take one slice of each job from the front, up to a number of tokens and jobs; the rest of a job waits among the started ones."""
        slice_tokens, pads = self._limits.batch_tokens, self._model.pads and self._model.batch_invariant
        items: list[Item] = []
        tokens = 0
        while jobs and most and tokens < budget:
            job = jobs.popleft()
            most -= 1
            if job.done.done():
                self.queued -= len(job.items) - job.taken
                continue
            end = job.taken + micro_batches.slice_length(job.items, job.taken, slice_tokens, pads=pads)
            part = job.items[job.taken : end]
            job.taken = end
            tokens += sum(item.tokens for item in part)
            items += part
            if end < len(job.items):
                self._begun.append(job)
        self._batches.extend(
            micro_batches.cut(items, slice_tokens, pads=self._model.pads, together=self._model.batch_invariant)
        )

    def _run(self, batch: list[Item]) -> None:
        self.queued -= len(batch)
        try:
            self._infer(batch)
        except Exception as error:  # noqa: BLE001 - whatever the runtime raises belongs to these requests alone
            for item in batch:
                if not item.owner.done.done():
                    item.owner.done.set_exception(error)

    def _infer(self, batch: list[Item]) -> None:
        start = time.perf_counter()
        live = [item for item in batch if self._begin(item.owner, start)]
        if not live:
            return
        logits = self._model.logits([job.encoded[index] for _, job, index in live])
        self._on_batch(len(live), time.perf_counter() - start)
        for (_, job, index), row in zip(live, logits, strict=True):
            self._finish(job, index, row)

    def _begin(self, job: Job, now: float) -> bool:
        """Whether a job should run: not if its client is gone, or if it is late."""
        if job.done.done():
            return False
        if now > job.deadline:
            job.done.set_exception(deadline_exceeded())
            return False
        if not job.started:
            job.started = True
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

    def _set_alarm(self, loop: asyncio.AbstractEventLoop, deadline: float) -> None:
        """A single timer for the whole queue. With equal deadlines, a request costs one comparison."""
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm_at = deadline
        self._alarm = loop.call_later(max(0.0, deadline - time.perf_counter()), self._expire, loop)

    def _expire(self, loop: asyncio.AbstractEventLoop) -> None:
        """Respond to requests whose deadline has passed, and wait for the next deadline."""
        now = time.perf_counter()
        self._alarm, self._alarm_at = None, float("inf")
        earliest = float("inf")
        for job in self._jobs():
            if job.done.done():
                continue
            if now >= job.deadline:
                job.done.set_exception(deadline_exceeded())
            else:
                earliest = min(earliest, job.deadline)
        for jobs in (self._new, self._begun):
            over = [job for job in jobs if job.done.done()]
            self.queued -= sum(len(job.items) - job.taken for job in over)
            for job in over:
                jobs.remove(job)
        if earliest < self._alarm_at:
            self._set_alarm(loop, earliest)

    def _jobs(self) -> Iterator[Job]:
        """Every request that may not have a response yet."""
        yield from self._new
        yield from self._begun
        for batch in self._batches:
            for item in batch:
                yield item.owner
