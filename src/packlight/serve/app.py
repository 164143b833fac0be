"""The ASGI application of one worker: routes to answers.

The lifespan's start comes before the worker listens, so that it has opened and warmed every model before its first
connection. Everything runs on one event loop in one thread; see `batcher` for why inference does too.
"""

import asyncio
import gc
import itertools
import os
import secrets
import string
import time
import traceback
import warnings
from collections.abc import Awaitable, Callable
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from packlight.errors import PacklightError
from packlight.runtime.engine import Logits
from packlight.serve import openapi, payloads
from packlight.serve.asgi import CONNECTION_CLOSE, ClientGoneError, Header, Message, Receive, Request, Scope, Send
from packlight.serve.batcher import Batcher
from packlight.serve.drain_flag import DrainFlag
from packlight.serve.http_errors import HTTPError, malformed, overloaded, unavailable
from packlight.serve.keys import Keys
from packlight.serve.logs import FLUSH_SECONDS, Log
from packlight.serve.metrics import Metrics
from packlight.serve.model import Model
from packlight.serve.repository import Repository, Served
from packlight.serve.request_body import BodyTimeouts, unpack
from packlight.serve.requests import read_infer, read_plain
from packlight.serve.responses import JSON, Name, Payload, infer_response, plain_response
from packlight.serve.settings import KEY_VARIABLE, METRICS_FOLDER, Settings, read_settings
from packlight.serve.startup import StartupState
from packlight.serve.tracing import Tracing, open_tracing

PROCESS_SECONDS = 1.0
LONG_CHARACTERS = 20_000
"""from so many characters on texts are tokenized on another thread, so that the loop stays free"""
DISCARDED = 8
"""times the largest body that are read before a connection is cut"""
REQUEST_ID = frozenset(string.ascii_letters + string.digits + "-_.:/+=")
LONGEST_REQUEST_ID = 128
MALFORMED = "the request is malformed"
CLIENT_GONE = 499
"""in the metrics, for a request that was never whole; nothing is sent"""
STATIC = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/page.js": ("page.js", "text/javascript; charset=utf-8"),
    "/page.css": ("page.css", "text/css; charset=utf-8"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}
GUARDED = (
    (b"content-security-policy", b"default-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-cache"),
)
HTML = "text/html; charset=utf-8"
perf_counter = time.perf_counter
_encode = msgspec.json.Encoder().encode


class Target(NamedTuple):
    """Which handler a path means, for which model."""

    route: str
    model: str | None = None
    version: str | None = None


class Reply(NamedTuple):
    """A response before its common headers."""

    payload: Payload
    status: int = 200
    headers: tuple[Header, ...] = ()


class Exchange:
    """One request while it is answered."""

    __slots__ = ("id", "request", "route", "start", "texts")

    def __init__(self, request: Request, request_id: str) -> None:
        self.request = request
        self.id = request_id
        self.start = perf_counter()
        self.texts = 0
        self.route = "other"


class App:
    """One worker."""

    def __init__(self, settings: Settings, keys: Keys, tracing: Tracing | None = None) -> None:
        """Prepare a worker; `begin` opens the models."""
        self._settings = settings
        self._limits = settings.limits
        self._keys = keys
        self._metrics = Metrics(Path(settings.runtime) / METRICS_FOLDER if settings.runtime else None)
        self._log = Log(access=settings.access_log)
        self._reading = BodyTimeouts(self._limits.body_seconds)
        self._drain = DrainFlag(Path(settings.runtime))
        self._starting = StartupState(Path(settings.runtime))
        self._tracing = tracing
        self._repository = Repository(Path(settings.path), settings.name, self._queue, self)
        self._prefix = secrets.token_hex(4)
        self._numbers = itertools.count(1)
        self._targets: dict[str, Target] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._documents = _documents(settings) if settings.page else {}
        self._handlers: dict[tuple[str, str], Callable[[Exchange, Target], Awaitable[Reply]]] = {
            ("POST", "infer"): self._infer,
            ("POST", "predict"): self._predict,
            ("GET", "live"): self._live,
            ("GET", "ready"): self._ready,
            ("GET", "server"): self._server,
            ("GET", "model"): self._model,
            ("GET", "model-ready"): self._model_ready,
            ("GET", "models"): self._models,
            ("GET", "metrics"): self._expose,
            ("GET", "document"): self._document,
        }

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Answer one request, or begin and end with the worker (ASGI)."""
        if scope["type"] == "lifespan":
            return self._live_through(receive, send)
        return self._answer(Request(scope, receive), send)

    async def _live_through(self, receive: Receive, send: Send) -> None:
        """Begin before the first connection and end after the last."""
        await receive()
        try:
            self.begin(asyncio.get_running_loop())
        except Exception as error:  # noqa: BLE001 - whatever it is, the process above says it and ends the server
            reason = str(error) if isinstance(error, PacklightError) else f"{type(error).__name__}: {error}"
            self._log.event("error", "cannot start", reason=reason)
            self._starting.failed(reason)
            await send({"type": "lifespan.startup.failed", "message": reason})
            return
        self._starting.became_ready()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        self.end()
        await send({"type": "lifespan.shutdown.complete"})

    def begin(self, loop: asyncio.AbstractEventLoop) -> None:
        """Open and warm every model, then start the clockwork."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the server's own process has said them once
            self._repository.open_all()
        gc.collect()
        gc.freeze()  # what is loaded stays: no collection need look at it again
        for served in self._repository:
            self._metrics.loads[served.model.name.model, "loaded"] += 1
        models = [served.model.name._asdict() for served in self._repository]
        if (reason := self._repository.untrusted()) is not None:
            self._log.event("error", "not ready", reason=reason, models=models)
        else:
            self._log.event("info", "ready", models=models)
        self._reading.watch(loop)
        loop.call_soon(self._tick, loop, FLUSH_SECONDS, self._log.flush)
        loop.call_soon(self._tick, loop, PROCESS_SECONDS, self._sample)
        if self._settings.reload_seconds > 0:
            loop.call_later(self._settings.reload_seconds, self._look, loop)

    def end(self) -> None:
        """Write what is left to write."""
        self._sample()
        self._log.event("info", "stopped")
        if self._tracing is not None:
            self._tracing.close()

    async def _answer(self, request: Request, send: Send) -> None:
        exchange = Exchange(request, self._request_id(request.header(b"x-request-id")))
        reason = None
        try:
            reply = await self._dispatch(exchange)
        except HTTPError as refusal:
            # A reason may quote what the client wrote, which no log holds.
            reason = MALFORMED if refusal.status == 400 else refusal.reason  # bad request
            reply = Reply(Payload(_encode({"error": refusal.reason}), JSON), refusal.status, refusal.headers)
        except ClientGoneError:
            self._metrics.requests[exchange.route, CLIENT_GONE] += 1
            return
        except Exception as error:  # noqa: BLE001 - a bug answers 500, and its place is logged without its values
            reason = "internal error"
            reply = Reply(Payload(_encode({"error": reason}), JSON), 500)
            where = [f"{frame.name}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__)]
            self._log.event("error", "fault", request=exchange.id, kind=type(error).__name__, where=where)
        for message in self._messages(exchange, reply):
            await send(message)
        self._note(exchange, reply.status, reason)

    def _dispatch(self, exchange: Exchange) -> Awaitable[Reply]:
        path = exchange.request.path
        known = self._targets.get(path)
        target = known or target_of(path)
        exchange.route = target.route
        method = "GET" if exchange.request.method == "HEAD" else exchange.request.method
        handler = self._handlers.get((method, target.route))
        if handler is None:
            return self._no_handler(exchange, target)
        self._admit(exchange, target.route)
        if known is None and target.route == "infer" and target.model is not None:
            self._repository.get(target.model, target.version)
            self._targets[path] = target  # only of models that exist: others are without number
        return handler(exchange, target)

    async def _no_handler(self, exchange: Exchange, target: Target) -> Reply:
        allowed = sorted(method for method, route in self._handlers if route == target.route)
        if not allowed:
            raise HTTPError(404, "there is no such route; see /docs")
        if exchange.request.method == "OPTIONS" and self._settings.cors_origins:
            preflight = (
                (b"access-control-allow-methods", ", ".join(allowed).encode()),
                (b"access-control-allow-headers", b"content-type, x-api-key, authorization, x-request-id"),
            )
            return Reply(Payload(b"", JSON), 200, preflight)
        raise HTTPError(405, "this route does not take that method", headers=((b"allow", ", ".join(allowed).encode()),))

    def _admit(self, exchange: Exchange, route: str) -> None:
        if not self._keys or route == "document":
            return
        if route in ("live", "ready") and not self._settings.protect_health:
            return
        if route == "metrics" and not self._settings.protect_metrics:
            return
        self._keys.check(exchange.request.header(b"x-api-key"), exchange.request.header(b"authorization"))

    async def _infer(self, exchange: Exchange, target: Target) -> Reply:
        assert target.model is not None  # the route has one
        served = self._repository.get(target.model, target.version)
        body = await self._body(exchange)
        start = perf_counter()
        json_length = exchange.request.header(b"inference-header-content-length")
        query = read_infer(
            unpack(body, exchange.request.header(b"content-encoding"), self._limits), json_length, self._limits
        )
        self._metrics.decode.observe(perf_counter() - start)
        exchange.texts = len(query.texts)
        logits = await self._logits(served, query.texts, query.timeout)
        start = perf_counter()
        answers = served.model.answers(logits)
        payload = infer_response(served.model.name, query, answers)
        self._metrics.encode.observe(perf_counter() - start)
        if payload.json_length is None:
            return Reply(payload)
        return Reply(payload, 200, ((b"inference-header-content-length", b"%d" % payload.json_length),))

    async def _predict(self, exchange: Exchange, target: Target) -> Reply:
        del target
        body = await self._body(exchange)
        start = perf_counter()
        plain = read_plain(unpack(body, exchange.request.header(b"content-encoding"), self._limits), self._limits)
        self._metrics.decode.observe(perf_counter() - start)
        if plain.model is None:
            if plain.version is not None:
                raise malformed("a version needs its model")
            served = self._repository.only()
        else:
            served = self._repository.get(plain.model, plain.version)
        exchange.texts = len(plain.texts)
        logits = await self._logits(served, plain.texts, None)
        start = perf_counter()
        answers = served.model.answers(logits)
        payload = plain_response(answers, plain.top_k, single=isinstance(plain.text, str))
        self._metrics.encode.observe(perf_counter() - start)
        return Reply(payload)

    def _logits(self, served: Served, texts: list[str], own: float | None) -> Awaitable[Logits]:
        if served.batcher.full:
            raise overloaded()  # before the work of tokenizing
        self._metrics.taken += 1
        longest = self._limits.deadline_seconds
        within = longest if own is None else min(own, longest)
        start = perf_counter()
        if sum(map(len, texts)) > LONG_CHARACTERS:
            return self._logits_of_long(served, texts, start, within)
        encoded = served.model.encode(texts)
        self._metrics.tokenize.observe(perf_counter() - start)
        return served.batcher.submit(encoded, start, within)

    async def _logits_of_long(self, served: Served, texts: list[str], start: float, within: float) -> Logits:
        encoded = await asyncio.to_thread(served.model.encode, texts)
        self._metrics.tokenize.observe(perf_counter() - start)
        return await served.batcher.submit(encoded, start, within)

    async def _body(self, exchange: Exchange) -> bytes:
        """The body as sent, within its size and time."""
        cap = self._limits.body_bytes
        length = exchange.request.header(b"content-length")
        with self._reading:
            if length is not None and int(length) <= cap:
                return await exchange.request.body()
            return await _chunked(exchange.request, cap)

    async def _live(self, exchange: Exchange, target: Target) -> Reply:
        del exchange, target
        return _json({"live": True})

    async def _ready(self, exchange: Exchange, target: Target) -> Reply:
        del exchange, target
        if self._drain.raised:
            return _json({"ready": False, "error": "draining"}, 503)
        if (reason := self._repository.untrusted()) is not None:
            return _json({"ready": False, "error": reason}, 503)
        if not list(self._repository):
            return _json({"ready": False, "error": "no model is loaded"}, 503)
        return _json({"ready": True})

    async def _server(self, exchange: Exchange, target: Target) -> Reply:
        del exchange, target
        return _json(payloads.server())

    async def _model(self, exchange: Exchange, target: Target) -> Reply:
        del exchange
        assert target.model is not None  # the route has one
        served = self._repository.get(target.model, target.version)
        return _json(payloads.metadata(served, self._repository.versions(target.model)))

    async def _model_ready(self, exchange: Exchange, target: Target) -> Reply:
        del exchange
        assert target.model is not None  # the route has one
        if (reason := self._repository.untrusted(target.model)) is not None:
            raise unavailable(reason)
        self._repository.get(target.model, target.version)
        if self._drain.raised:
            raise unavailable("draining")
        return _json({"name": target.model, "ready": True})

    async def _models(self, exchange: Exchange, target: Target) -> Reply:
        del exchange, target
        if not self._settings.page:
            raise HTTPError(404, "there is no such route; see /docs")
        return _json(payloads.models(self._repository))

    async def _expose(self, exchange: Exchange, target: Target) -> Reply:
        del exchange, target
        if not self._settings.metrics:
            raise HTTPError(404, "metrics are off")
        self._metrics.queued = self._repository.queued
        return Reply(Payload(self._metrics.expose(), self._metrics.content_type))

    async def _document(self, exchange: Exchange, target: Target) -> Reply:
        del target
        payload = self._documents.get(exchange.request.path)
        if payload is None:
            raise HTTPError(404, "the page is off")
        return Reply(payload, 200, GUARDED)

    def _messages(self, exchange: Exchange, reply: Reply) -> tuple[Message, Message]:
        kind, request_id = reply.payload.kind.encode(), exchange.id.encode()
        headers = [(b"content-type", kind), (b"x-request-id", request_id), *reply.headers]
        if self._drain.raised:
            headers.append(CONNECTION_CLOSE)
        if self._settings.cors_origins:
            origin = exchange.request.header(b"origin")
            if origin in self._settings.cors_origins:
                headers += ((b"access-control-allow-origin", origin.encode()), (b"vary", b"origin"))
        body = reply.payload.body
        headers.append((b"content-length", b"%d" % len(body)))
        return (
            {"type": "http.response.start", "status": reply.status, "headers": headers},
            {"type": "http.response.body", "body": b"" if exchange.request.method == "HEAD" else body},
        )

    def _note(self, exchange: Exchange, status: int, reason: str | None) -> None:
        seconds = perf_counter() - exchange.start
        self._metrics.requests[exchange.route, status] += 1
        durations = self._metrics.request.get(exchange.route)
        if durations is not None:
            durations.observe(seconds)
        self._log.request(
            exchange.id, exchange.request.method, exchange.request.path, status, seconds, exchange.texts, reason
        )
        if self._tracing is not None:
            parent = exchange.request.header(b"traceparent")
            self._tracing.request(exchange.route, exchange.id, status, seconds, exchange.texts, parent)

    def _request_id(self, given: str | None) -> str:
        if given and len(given) <= LONGEST_REQUEST_ID and REQUEST_ID.issuperset(given):
            return given
        return f"{self._prefix}-{next(self._numbers):x}"

    def _queue(self, model: Model) -> Batcher:
        def on_batch(texts: int, seconds: float) -> None:
            self._metrics.batch.observe(texts)
            self._metrics.infer.observe(seconds)

        return Batcher(model, self._limits, on_batch=on_batch, on_start=self._metrics.queue.observe)

    def loaded(self, name: Name) -> None:
        """A version answers from now on."""
        self._metrics.loads[name.model, "loaded"] += 1
        self._log.event("info", "model loaded", model=name.model, version=name.version)

    def refused(self, name: Name, reason: str) -> None:
        """A version was refused; what was there before stays."""
        self._metrics.loads[name.model, "refused"] += 1
        self._log.event("error", "model refused", model=name.model, version=name.version, reason=reason)

    def removed(self, name: Name) -> None:
        """A version is gone with its folder."""
        self._targets.clear()
        self._log.event("info", "model removed", model=name.model, version=name.version)

    def _sample(self) -> None:
        self._metrics.queued = self._repository.queued
        self._metrics.share()

    def _tick(self, loop: asyncio.AbstractEventLoop, seconds: float, work: Callable[[], None]) -> None:
        try:
            work()
        finally:
            loop.call_later(seconds, self._tick, loop, seconds, work)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        task = loop.create_task(self._refresh(loop))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _refresh(self, loop: asyncio.AbstractEventLoop) -> None:
        try:
            await self._repository.refresh()
        except Exception as error:  # noqa: BLE001 - looking again later is all that can be done
            self._log.event("error", "reload failed", kind=type(error).__name__)
        loop.call_later(self._settings.reload_seconds, self._look, loop)


def target_of(path: str) -> Target:
    """Which handler a path means; `other` for none."""
    fixed = FIXED.get(path)
    if fixed is not None:
        return fixed
    parts = path.split("/")
    if parts[:3] != ["", "v2", "models"] or len(parts) < 4 or not parts[3]:  # /v2/models/{m}
        return Target("other")
    rest = parts[4:]
    version = None
    if len(rest) >= 2 and rest[0] == "versions" and rest[1]:  # versions/{v}
        version, rest = rest[1], rest[2:]
    routes = {(): "model", ("ready",): "model-ready", ("infer",): "infer"}
    return Target(routes.get(tuple(rest), "other"), parts[3], version)


FIXED = {
    "/predict": Target("predict"),
    "/metrics": Target("metrics"),
    "/models": Target("models"),
    "/v2": Target("server"),
    "/v2/": Target("server"),
    "/v2/health/live": Target("live"),
    "/v2/health/ready": Target("ready"),
} | dict.fromkeys((*STATIC, "/docs", "/openapi.json"), Target("document"))


def create() -> App:
    """The application of this process, as its server's settings say."""
    settings = read_settings()
    keys = Keys(key.strip() for key in os.environ.get(KEY_VARIABLE, "").split(","))
    return App(settings, keys, open_tracing() if settings.tracing else None)


async def _chunked(request: Request, cap: int) -> bytes:
    """A body whose size is not known, or known to be over the cap.

    What is over the cap is read and thrown away, up to a few times the cap: most clients look for the answer only
    when all is sent.
    """
    parts = []
    size = 0
    async for chunk in request.chunks():
        size += len(chunk)
        if size > DISCARDED * cap:
            break
        if size <= cap:
            parts.append(chunk)
        else:
            parts.clear()
    if size > cap:
        ending = (CONNECTION_CLOSE,) if size > DISCARDED * cap else ()
        raise HTTPError(413, f"the body is larger than {cap} bytes", headers=ending)
    return b"".join(parts)


def _json(document: dict[str, Any], status: int = 200) -> Reply:
    return Reply(Payload(_encode(document), JSON), status)


def _documents(settings: Settings) -> dict[str, Payload]:
    described = openapi.document(settings.limits)
    folder = files("packlight.serve").joinpath("page")
    documents = {path: Payload(folder.joinpath(name).read_bytes(), kind) for path, (name, kind) in STATIC.items()}
    return documents | {
        "/docs": Payload(openapi.page(described), HTML),
        "/openapi.json": Payload(_encode(described), JSON),
    }
