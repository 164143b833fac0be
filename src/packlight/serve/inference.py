"""The routes that classify texts: `/v2/models/…/infer` and `/predict`."""

import asyncio
from collections.abc import Awaitable
from time import perf_counter

from packlight.serve.answer_cache import AnswerCache, Inferred
from packlight.serve.exchange import Exchange, Reply
from packlight.serve.http_errors import deadline_exceeded, malformed, overloaded
from packlight.serve.metrics import Metrics
from packlight.serve.model import Encoded, Model
from packlight.serve.repository import Repository, Served
from packlight.serve.request_body import BodyTimeouts, read_body, unpack
from packlight.serve.requests import read_infer, read_plain
from packlight.serve.responses import infer_response, plain_response
from packlight.serve.routes import Target
from packlight.serve.settings import Limits

LONG_CHARACTERS = 20_000
"""texts of at least this many characters are tokenized on another thread, to keep the event loop free"""


class Inference:
    """From bodies to texts, to logits, to responses."""

    def __init__(
        self,
        repository: Repository,
        limits: Limits,
        timeouts: BodyTimeouts,
        metrics: Metrics,
        cache: AnswerCache | None = None,
    ) -> None:
        """Set the models, the limits, the metrics and the cache."""
        self._repository = repository
        self._limits = limits
        self._timeouts = timeouts
        self._metrics = metrics
        self._cache = cache

    async def infer(self, exchange: Exchange, target: Target) -> Reply:
        """`POST /v2/models/{model}/infer`, of the Open Inference Protocol."""
        assert target.model is not None  # the route has one
        served = self._repository.get(target.model, target.version)
        body = await self._body(exchange)
        start = perf_counter()
        json_length = exchange.request.header(b"inference-header-content-length")
        query = read_infer(self._unpacked(exchange, body), json_length, self._limits)
        self._metrics.decode.observe(perf_counter() - start)
        exchange.texts = len(query.texts)
        logits, cut = await self._inferred(served, query.texts, query.timeout)
        self._metrics.truncated += sum(cut)
        start = perf_counter()
        answers = served.model.answers(logits)
        payload = infer_response(served.model.name, query, answers, truncated=cut)
        self._metrics.encode.observe(perf_counter() - start)
        if payload.json_length is None:
            return Reply(payload)
        return Reply(payload, 200, ((b"inference-header-content-length", b"%d" % payload.json_length),))

    async def predict(self, exchange: Exchange, target: Target) -> Reply:
        """`POST /predict`, the simple route."""
        del target
        body = await self._body(exchange)
        start = perf_counter()
        plain = read_plain(self._unpacked(exchange, body), self._limits)
        self._metrics.decode.observe(perf_counter() - start)
        served = self._named(plain.model, plain.version)
        exchange.texts = len(plain.texts)
        logits, cut = await self._inferred(served, plain.texts, None)
        self._metrics.truncated += sum(cut)
        start = perf_counter()
        answers = served.model.answers(logits)
        payload = plain_response(answers, plain.top_k, single=isinstance(plain.text, str), truncated=cut)
        self._metrics.encode.observe(perf_counter() - start)
        return Reply(payload)

    def _named(self, model: str | None, version: str | None) -> Served:
        """The model of a plain request: the one that it names, or the only one."""
        if model is not None:
            return self._repository.get(model, version)
        if version is not None:
            raise malformed("a version needs its model")
        return self._repository.only()

    async def _body(self, exchange: Exchange) -> bytes:
        with self._timeouts:
            return await read_body(exchange.request, self._limits.body_bytes)

    def _unpacked(self, exchange: Exchange, body: bytes) -> bytes:
        return unpack(body, exchange.request.header(b"content-encoding"), self._limits)

    def _inferred(self, served: Served, texts: list[str], own: float | None) -> Awaitable[Inferred]:
        self._metrics.taken += 1
        if self._cache is None:
            return self._fresh(served, texts, own)
        return self._cache.inferred(served.model.sha256, texts, lambda missing: self._fresh(served, missing, own))

    async def _fresh(self, served: Served, texts: list[str], own: float | None) -> Inferred:
        if served.batcher.full:
            raise overloaded()  # before the work of tokenizing
        longest = self._limits.deadline_seconds
        within = longest if own is None else min(own, longest)
        start = perf_counter()
        if sum(map(len, texts)) > LONG_CHARACTERS:
            try:
                async with asyncio.timeout(within):
                    encoded, truncated = await asyncio.to_thread(_encoded, served.model, texts)
            except TimeoutError as error:
                raise deadline_exceeded() from error
        else:
            encoded, truncated = _encoded(served.model, texts)
        self._metrics.tokenize.observe(perf_counter() - start)
        return Inferred(await served.batcher.submit(encoded, start, within), truncated)


def _encoded(model: Model, texts: list[str]) -> tuple[Encoded, list[bool]]:
    encoded = model.encode(texts)
    return encoded, model.truncated(texts, encoded)
