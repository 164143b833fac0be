"""The status routes: health, metadata, the list of models, metrics."""

from packlight.serve import payloads
from packlight.serve.drain_flag import DrainFlag
from packlight.serve.exchange import Exchange, Reply, json_reply
from packlight.serve.http_errors import HTTPError, unavailable
from packlight.serve.interface import Live, ModelReady, Ready
from packlight.serve.metrics import Metrics
from packlight.serve.repository import Repository
from packlight.serve.responses import Payload
from packlight.serve.routes import Target
from packlight.serve.settings import Settings

NO_ROUTE = "there is no such route; see /docs"


class Status:
    """A worker's status."""

    def __init__(self, repository: Repository, settings: Settings, drain: DrainFlag, metrics: Metrics) -> None:
        """Set the models and the settings."""
        self._repository = repository
        self._settings = settings
        self._drain = drain
        self._metrics = metrics

    async def live(self, exchange: Exchange, target: Target) -> Reply:
        """`GET /v2/health/live`."""
        del exchange, target
        return json_reply(Live(live=True))

    async def ready(self, exchange: Exchange, target: Target) -> Reply:
        """`GET /v2/health/ready`."""
        del exchange, target
        reason = self._not_ready()
        return json_reply(Ready(ready=True)) if reason is None else json_reply(Ready(ready=False, error=reason), 503)

    async def server(self, exchange: Exchange, target: Target) -> Reply:
        """`GET /v2`."""
        del exchange, target
        return json_reply(payloads.server())

    async def model(self, exchange: Exchange, target: Target) -> Reply:
        """`GET /v2/models/{model}`."""
        del exchange
        assert target.model is not None  # the route has one
        served = self._repository.get(target.model, target.version)
        return json_reply(payloads.metadata(served, self._repository.versions(target.model)))

    async def model_ready(self, exchange: Exchange, target: Target) -> Reply:
        """`GET /v2/models/{model}/ready`."""
        del exchange
        assert target.model is not None  # the route has one
        if (reason := self._repository.untrusted(target.model)) is not None:
            raise unavailable(reason)
        self._repository.get(target.model, target.version)
        if self._drain.raised:
            raise unavailable("draining")
        return json_reply(ModelReady(target.model, ready=True))

    async def models(self, exchange: Exchange, target: Target) -> Reply:
        """`GET /models`."""
        del exchange, target
        if not self._settings.page:
            raise HTTPError(404, NO_ROUTE)
        return json_reply(payloads.models(self._repository))

    async def metrics(self, exchange: Exchange, target: Target) -> Reply:
        """`GET /metrics`."""
        del exchange, target
        if not self._settings.metrics:
            raise HTTPError(404, "metrics are off")
        self._metrics.queued = self._repository.queued
        return Reply(Payload(self._metrics.expose(), self._metrics.content_type))

    def _not_ready(self) -> str | None:
        if self._drain.raised:
            return "draining"
        if (reason := self._repository.untrusted()) is not None:
            return reason
        return None if list(self._repository) else "no model is loaded"
