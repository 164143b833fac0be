"""The open-loop generator: a thread that sends requests when they are due and reads responses.

Between arrivals it sleeps, with the microsecond resolution of `select`, and only spins at the end of the wait. Two
processors are often two threads of one core, so a spinning generator would slow down the server. Even so, it should
have its own processor. Idle connections are used in turn, the longest idle first, so that all workers get their share.
If none is idle, another one is opened.
"""

import select
import selectors
import time
from collections import Counter, deque
from collections.abc import Sequence

import httptools
import numpy as np

from packlight.serve.loadtest.client import Connection
from packlight.serve.loadtest.rates import poisson
from packlight.serve.loadtest.settings import Job, Observed

NEAR = 0.0001
"""seconds before an arrival in which the generator spins, because a sleep ends about this much too late"""
LONGEST_WAIT = 0.001
"""seconds between two checks for timeouts"""
ANSWERED = 200


class Generator:
    """Carries out a job."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._poll = selectors.DefaultSelector()
        self._idle: deque[Connection] = deque()
        self._busy: dict[int, Connection] = {}
        self._errors: Counter[str] = Counter()
        self._latency: list[float] = []
        self._service: list[float] = []
        self._late: list[float] = []
        self._open = 0
        self._counted_from = 0.0

    def run(self) -> Observed:
        """Send every request at its time and wait for the last response.

        Raises:
            OSError: if the first connection cannot be opened.
        """
        job = self._job
        for _ in range(min(job.connections, job.most_connections)):
            self._idle.append(self._connect())
        offsets = poisson(job.rate, job.warm_seconds + job.seconds, job.seed)
        order = np.random.default_rng(job.seed + 1).integers(len(job.requests), size=len(offsets)).tolist()
        time.sleep(0.05)  # the connections come about
        start = time.perf_counter()
        self._counted_from = start + job.warm_seconds
        self._send_all([start + offset for offset in offsets.tolist()], order)
        ended = time.perf_counter()
        self._close()
        return Observed(
            due=int((offsets >= job.warm_seconds).sum()),
            latency_us=_microseconds(self._latency),
            service_us=_microseconds(self._service),
            errors=dict(self._errors),
            late_us=int(np.percentile(self._late, 99) * 1e6) if self._late else 0,
            seconds=ended - self._counted_from,
        )

    def _send_all(self, dues: list[float], order: list[int]) -> None:
        requests = self._job.requests
        at, count = 0, len(dues)
        clock = time.perf_counter
        while at < count or self._busy:
            now = clock()
            while at < count and dues[at] <= now:
                if not self._send(requests[order[at]], dues[at], now):
                    break
                at += 1
                now = clock()
            self._receive(min(LONGEST_WAIT, dues[at] - now - NEAR) if at < count else LONGEST_WAIT)
            if self._busy:
                at = self._give_up(at, dues, clock())

    def _send(self, request: bytes, due: float, now: float) -> bool:
        """Start a request. Returns False if every connection is busy and no more can be opened."""
        while True:
            if self._idle:
                connection = self._idle.popleft()
            elif self._open < self._job.most_connections:
                try:
                    connection = self._connect()
                except OSError:
                    self._fail(due, "refused")
                    return True
            else:
                return False
            try:
                whole = connection.start(request, due, now)
            except OSError:
                self._drop(connection)
                if connection.used > 1:  # the server closed it while it rested; nothing was sent
                    continue
                self._fail(due, "refused")
                return True
            if due >= self._counted_from:
                self._late.append(now - due)
            self._busy[connection.handle] = connection
            if not whole:
                self._poll.modify(connection.handle, selectors.EVENT_READ | selectors.EVENT_WRITE)
            return True

    def _receive(self, wait: float) -> None:
        for key, events in _ready(self._poll, wait):
            handle = key.fd
            connection = self._busy.get(handle)
            if connection is None:
                self._closed_idle(handle)
                continue
            try:
                if events & selectors.EVENT_WRITE and connection.flush():
                    self._poll.modify(handle, selectors.EVENT_READ)
                if events & selectors.EVENT_READ and connection.receive():
                    self._finish(connection)
            except ConnectionRefusedError:
                self._lose(connection, "refused")
            except (OSError, httptools.HttpParserError):
                self._lose(connection, "lost")

    def _finish(self, connection: Connection) -> None:
        now = time.perf_counter()
        del self._busy[connection.handle]
        if connection.due >= self._counted_from:
            if connection.status == ANSWERED:
                self._latency.append(now - connection.due)
                self._service.append(now - connection.sent)
            else:
                self._errors[str(connection.status)] += 1
        if connection.closing:
            self._drop(connection)
        else:
            self._idle.append(connection)

    def _closed_idle(self, handle: int) -> None:
        """The server closed an idle connection."""
        for connection in self._idle:
            if connection.handle == handle:
                self._idle.remove(connection)
                self._drop(connection)
                return

    def _give_up(self, at: int, dues: list[float], now: float) -> int:
        """Count timed-out and unsent requests as lost, the oldest first."""
        while self._busy:
            connection = next(iter(self._busy.values()))
            if now - connection.due < self._job.timeout:
                break
            self._lose(connection, "timeout")
        while at < len(dues) and now - dues[at] >= self._job.timeout:
            self._fail(dues[at], "timeout")
            at += 1
        return at

    def _lose(self, connection: Connection, kind: str) -> None:
        del self._busy[connection.handle]
        self._drop(connection)
        self._fail(connection.due, kind)

    def _fail(self, due: float, kind: str) -> None:
        if due >= self._counted_from:
            self._errors[kind] += 1

    def _connect(self) -> Connection:
        connection = Connection(self._job.address.host, self._job.address.port)
        self._open += 1
        self._poll.register(connection.handle, selectors.EVENT_READ)
        return connection

    def _drop(self, connection: Connection) -> None:
        self._open -= 1
        self._poll.unregister(connection.handle)
        connection.close()

    def _close(self) -> None:
        for connection in (*self._idle, *self._busy.values()):
            connection.close()
        self._poll.close()


def _ready(poll: selectors.BaseSelector, wait: float) -> list[tuple[selectors.SelectorKey, int]]:
    """The connections that can be read or written after at most `wait` seconds, with microsecond resolution."""
    if wait > 0 and not poll.get_map():
        time.sleep(wait)  # Windows cannot wait for nothing
    elif wait > 0 and hasattr(poll, "fileno"):  # epoll's own wait counts in milliseconds
        select.select((poll,), (), (), wait)
        wait = 0.0
    return poll.select(max(0.0, wait))


def _microseconds(seconds: Sequence[float]) -> list[int]:
    values: list[int] = np.rint(np.asarray(seconds) * 1e6).astype(int).tolist()
    return values
