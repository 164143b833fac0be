"""Report each event of a worker to the metrics, the log and the traces."""

import traceback
from time import perf_counter

from packlight.serve.exchange import Exchange
from packlight.serve.logs import Log
from packlight.serve.metrics import Metrics
from packlight.serve.repository import Repository
from packlight.serve.responses import Name
from packlight.serve.tracing import Tracing

_CLIENT_GONE = 499
"""status in the metrics of a request that was never complete; nothing is sent"""


class Observer:
    """Receives the events of a worker."""

    def __init__(self, metrics: Metrics, log: Log, tracing: Tracing | None) -> None:
        """Set the receivers."""
        self._metrics = metrics
        self._log = log
        self._tracing = tracing

    def cannot_start(self, reason: str) -> None:
        """No model could be opened."""
        self._log.event("error", "cannot start", reason=reason)

    def started(self, repository: Repository) -> None:
        """The worker is about to accept connections."""
        for name in repository.names:
            self._metrics.loads[name.model, "loaded"] += 1
        models = [name._asdict() for name in repository.names]
        if (reason := repository.untrusted()) is not None:
            self._log.event("error", "not ready", reason=reason, models=models)
        else:
            self._log.event("info", "ready", models=models)

    def stopped(self) -> None:
        """The worker has finished its last request."""
        self._log.event("info", "stopped")
        if self._tracing is not None:
            self._tracing.close()

    def answered(self, exchange: Exchange, status: int, reason: str | None) -> None:
        """A response was sent. The reason is for errors."""
        seconds = perf_counter() - exchange.start
        self._metrics.requests[exchange.route, status] += 1
        durations = self._metrics.request.get(exchange.route)
        if durations is not None:
            durations.observe(seconds)
        request = exchange.request
        self._log.request(exchange.id, request.method, request.path, status, seconds, exchange.texts, reason)
        if self._tracing is not None:
            parent = request.header(b"traceparent")
            self._tracing.request(exchange.route, exchange.id, status, seconds, exchange.texts, parent)

    def client_gone(self, exchange: Exchange) -> None:
        """The client closed the connection before its request was complete."""
        self._metrics.requests[exchange.route, _CLIENT_GONE] += 1

    def fault(self, exchange: Exchange, error: Exception) -> None:
        """A bug. Its location is logged, without values."""
        where = [f"{frame.name}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__)]
        self._log.event("error", "fault", request=exchange.id, kind=type(error).__name__, where=where)

    def loaded(self, name: Name) -> None:
        """A version is ready."""
        self._metrics.loads[name.model, "loaded"] += 1
        self._log.event("info", "model loaded", model=name.model, version=name.version)

    def refused(self, name: Name, reason: str) -> None:
        """A version was rejected. The previous one stays."""
        self._metrics.loads[name.model, "refused"] += 1
        self._log.event("error", "model refused", model=name.model, version=name.version, reason=reason)

    def removed(self, name: Name) -> None:
        """A version was removed with its folder."""
        self._log.event("info", "model removed", model=name.model, version=name.version)

    def reload_failed(self, error: Exception) -> None:
        """Looking for new versions failed. It will be tried again."""
        self._log.event("error", "reload failed", kind=type(error).__name__)
