"""The queue of one model: micro-batches of what is there, at once when idle, never waiting for more.

Inference runs in the event loop's own thread. A worker has one core and one session, so another thread could only add
hand-overs; between two micro-batches the loop is free to answer, admit and refuse.

A request runs in slices, each about one micro-batch. The first slices of new requests run together, sorted by length.
After them comes one slice of the requests that have begun, which take turns. So a request waits at most one slice for
each other request, however many texts that one has. Each request is answered at its deadline, begun or not.

A text's logits do not depend on its neighbours: where the artifact does not promise that, each text runs alone.
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
"""micro-batches' worth of tokens of new requests that are sorted together"""


LONG_SECONDS = 0.002
TURNS = 4
"""turns of the loop after a micro-batch that took longer than that: a new request needs several, from its connection to the queue"""


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

    __slots__ = ("arrived", "deadline", "done", "encoded", "items", "left", "logits", "started", "taken")

    def __init__(self, encoded: Encoded, arrived: float, deadline: float, done: "asyncio.Future[Logits]") -> None:
        self.encoded = encoded
        self.items = micro_batches.by_length(self, encoded)
        self.taken = 0
        """texts, from the shortest on, that have been put into micro-batches"""
        self.arrived = arrived
        self.deadline = deadline
        self.done = done
        self.left = len(encoded)
        """texts without logits"""
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
            model: what infers.
            limits: `queue_texts` and `batch_tokens` are used.
            on_batch: told the texts and the seconds of each micro-batch.
            on_start: told the seconds that each request waited before its inference began.
        """
        self._model = model
        self._limits = limits
        self._on_batch = on_batch
        self._on_start = on_start
        self._new: deque[Job] = deque()
        self._begun: deque[Job] = deque()
        """requests of which a slice was taken and more is left"""
        self._batches: deque[list[Item]] = deque()
        self._scheduled = False
        self._alarm: asyncio.TimerHandle | None = None
        """when the earliest deadline passes; later ones may be due after that"""
        self._alarm_at = float("inf")
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
            timeout: seconds from then after which the request is answered with 504.

        Raises:
            HTTPError: 429 if the queue is full. How much the request brings plays no part, so that batches and single
                texts are refused alike.
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
        """Run one micro-batch, then let the loop do its other work before the next."""
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
        """Go on after so many turns of the loop."""
        if turns:
            loop.call_soon(self._after, loop, turns - 1)
        else:
            loop.call_soon(self._step, loop)

    def _fill(self) -> None:
        """Turn the first slices of new requests, and one of those that have begun, into micro-batches."""
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
        """Whether a job is to be inferred: not if its client is gone, nor if it is late."""
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
        """One timer for the whole queue: with equal deadlines, a request costs a comparison."""
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm_at = deadline
        self._alarm = loop.call_later(max(0.0, deadline - time.perf_counter()), self._expire, loop)

    def _expire(self, loop: asyncio.AbstractEventLoop) -> None:
        """Answer requests whose deadline has passed, and wait for the next deadline."""
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
        """Every request that may not be answered yet."""
        yield from self._new
        yield from self._begun
        for batch in self._batches:
            for item in batch:
                yield item.owner
