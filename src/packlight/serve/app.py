"""The ASGI application of one worker: a request goes to its route's handler, and the reply gets its common headers.

Everything runs on one event loop in one thread, including inference (see `batcher`).
"""

from collections.abc import Awaitable
from pathlib import Path

from packlight.serve.answer_cache import AnswerCache
from packlight.serve.asgi import CONNECTION_CLOSE, ClientGoneError, Message, Receive, Request, Scope, Send
from packlight.serve.batcher import Batcher
from packlight.serve.cors import Cors
from packlight.serve.documents import Documents
from packlight.serve.drain_flag import DrainFlag
from packlight.serve.exchange import Exchange, Handler, Reply, RequestIds, json_reply
from packlight.serve.http_errors import HTTPError
from packlight.serve.inference import Inference
from packlight.serve.interface import Error
from packlight.serve.keys import Keys, keys_here, needs_key
from packlight.serve.lifespan import Lifespan
from packlight.serve.logs import Log
from packlight.serve.metrics import Metrics
from packlight.serve.model import Model
from packlight.serve.observer import Observer
from packlight.serve.repository import Repository
from packlight.serve.request_body import BodyTimeouts
from packlight.serve.responses import JSON, Payload
from packlight.serve.routes import Target, below, target_of
from packlight.serve.settings import METRICS_FOLDER, Settings, read_settings
from packlight.serve.startup import StartupState
from packlight.serve.status import NO_ROUTE, Status
from packlight.serve.tracing import Tracing, open_tracing

MALFORMED = "the request is malformed"


class App:
    """One worker."""

    def __init__(self, settings: Settings, keys: Keys, tracing: Tracing | None = None) -> None:
        """Prepare a worker. Its lifespan opens the models."""
        runtime = Path(settings.runtime)
        self._settings = settings
        self._keys = keys
        self._cors = Cors(settings.cors_origins)
        self._ids = RequestIds()
        self._drain = DrainFlag(runtime)
        self._metrics = Metrics(runtime / METRICS_FOLDER if settings.runtime else None)
        log = Log(access=settings.access_log)
        timeouts = BodyTimeouts(settings.limits.body_seconds)
        self._observer = Observer(self._metrics, log, tracing)
        repository = Repository(
            Path(settings.path), settings.name, self._queue, self._observer, threads=settings.threads
        )
        self.lifespan = Lifespan(
            repository,
            StartupState(runtime),
            timeouts,
            log,
            self._metrics,
            self._observer,
            reload_seconds=settings.reload_seconds,
        )
        cache = AnswerCache(settings.cache_texts) if settings.cache_texts else None
        self._metrics.cache = cache
        inference = Inference(repository, settings.limits, timeouts, self._metrics, cache)
        status = Status(repository, settings, self._drain, self._metrics)
        self._handlers: dict[tuple[str, str], Handler] = {
            ("POST", "infer"): inference.infer,
            ("POST", "predict"): inference.predict,
            ("GET", "live"): status.live,
            ("GET", "ready"): status.ready,
            ("GET", "server"): status.server,
            ("GET", "model"): status.model,
            ("GET", "model-ready"): status.model_ready,
            ("GET", "models"): status.models,
            ("GET", "metrics"): status.metrics,
            ("GET", "document"): Documents(settings).document,
        }

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Handle a request, or the worker's lifespan (ASGI)."""
        if scope["type"] == "lifespan":
            return self.lifespan(receive, send)
        return self._answer(Request(scope, receive), send)

    async def _answer(self, request: Request, send: Send) -> None:
        path = below(self._settings.root_path, request.path)
        exchange = Exchange(request, path, self._ids.choose(request.header(b"x-request-id")))
        reason = None
        try:
            reply = await self._dispatch(exchange)
        except HTTPError as error:
            # A reason may quote the client's input, which must not be logged.
            reason = MALFORMED if error.status == 400 else error.reason  # bad request
            reply = json_reply(Error(error.reason), error.status, error.headers)
        except ClientGoneError:
            self._observer.client_gone(exchange)
            return
        except Exception as error:  # noqa: BLE001 - a bug answers 500
            reason = "internal error"
            reply = json_reply(Error(reason), 500)
            self._observer.fault(exchange, error)
        for message in self._messages(exchange, reply):
            await send(message)
        self._observer.answered(exchange, reply.status, reason)

    def _dispatch(self, exchange: Exchange) -> Awaitable[Reply]:
        request = exchange.request
        target = target_of(exchange.path)
        exchange.route = target.route
        handler = self._handlers.get(("GET" if request.method == "HEAD" else request.method, target.route))
        if handler is None:
            return self._no_handler(exchange, target)
        if self._keys and needs_key(target.route, self._settings):
            self._keys.check(request.header(b"x-api-key"), request.header(b"authorization"))
        return handler(exchange, target)

    async def _no_handler(self, exchange: Exchange, target: Target) -> Reply:
        allowed = sorted(method for method, route in self._handlers if route == target.route)
        if not allowed:
            root, path = self._settings.root_path, exchange.request.path
            if root and path == root:
                return json_reply({}, 308, ((b"location", f"{root}/".encode()),))  # the page's links are relative
            raise HTTPError(
                404, "there is no such route: its path has two slashes in a row" if "//" in path else NO_ROUTE
            )
        if exchange.request.method == "OPTIONS" and self._cors:
            return Reply(Payload(b"", JSON), 200, self._cors.preflight(allowed))
        raise HTTPError(
            405, "this route doesn't support that method", headers=((b"allow", ", ".join(allowed).encode()),)
        )

    def _messages(self, exchange: Exchange, reply: Reply) -> tuple[Message, Message]:
        kind, request_id = reply.payload.kind.encode(), exchange.id.encode()
        headers = [(b"content-type", kind), (b"x-request-id", request_id), *reply.headers]
        if self._drain.raised:
            headers.append(CONNECTION_CLOSE)
        if self._cors:
            headers += self._cors.headers(exchange.request.header(b"origin"))
        body = reply.payload.body
        headers.append((b"content-length", b"%d" % len(body)))
        return (
            {"type": "http.response.start", "status": reply.status, "headers": headers},
            {"type": "http.response.body", "body": b"" if exchange.request.method == "HEAD" else body},
        )

    def _queue(self, model: Model) -> Batcher:
        def on_batch(texts: int, seconds: float) -> None:
            self._metrics.batch.observe(texts)
            self._metrics.infer.observe(seconds)

        return Batcher(model, self._settings.limits, on_batch=on_batch, on_start=self._metrics.queue.observe)


def create() -> App:
    """The application of this process, from its server's settings."""
    settings = read_settings()
    return App(settings, keys_here(), open_tracing() if settings.tracing else None)
