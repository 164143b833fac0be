"""`packlight loadtest`: from a target, texts and a limit to a result."""

import hashlib
import json
from collections.abc import Callable, Collection, Sequence
from typing import Any

from packlight import __version__
from packlight.errors import PacklightError
from packlight.measure.environment import describe
from packlight.serve.loadtest.client import address_of, check_answer, http_request, infer_body
from packlight.serve.loadtest.process import GeneratorProcess
from packlight.serve.loadtest.ramp import confirm_rate, raise_rate
from packlight.serve.loadtest.rates import Ramp, check_rates
from packlight.serve.loadtest.result import Bound, Level, LoadResult, Source
from packlight.serve.loadtest.target import Target

TEXT = "{text}"


def measure_load(
    target: Target,
    texts: Sequence[str],
    *,
    model: str,
    source: str,
    ramp: Ramp,
    bound: Bound,
    rates: Sequence[float] = (),
    generator_processors: Collection[int] | None = None,
    server_processors: int | None = None,
    path: str | None = None,
    template: str | None = None,
    headers: Sequence[tuple[str, str]] = (),
    report: Callable[[Level], None] = lambda level: None,  # noqa: ARG005 - the name says what comes
) -> LoadResult:
    """Load a target and find the highest rate within the limit.

    Args:
        target: a running server.
        texts: the texts to send, one per request, in random order.
        model: the target's model.
        source: where the texts come from, for the record.
        ramp: how to choose rates.
        bound: the limit of a level.
        rates: exact rates that replace the ramp.
        generator_processors: processors for the generator.
        server_processors: number of the server's processors, for the record.
        path: a route that replaces the protocol's.
        template: a JSON body that replaces the protocol's. "{text}" in its strings stands for the text.
        headers: additional headers, such as an API key.
        report: called after each level.

    Raises:
        MeasurementError: if the server cannot be reached, or rejects the first request.
        PacklightError: if a rate, the URL or the template cannot be used.
    """
    check_rates(ramp, rates)
    address = address_of(target.url, model, path)
    bodies = [infer_body(text) if template is None else fill(template, text) for text in texts]
    requests = [http_request(address, body, headers) for body in bodies]
    check_answer(address, requests[0])
    cached = target.cached_texts()
    with GeneratorProcess(generator_processors) as generator:
        run = confirm_rate(generator, target, address, requests, bound, ramp.seconds)
        if rates:
            levels = []
            for rate in rates:
                levels.append(run(rate, 1))
                report(levels[-1])
        else:
            levels = list(raise_rate(run, ramp, report))
    return LoadResult(
        packlight=__version__,
        target=target.url,
        model=model,
        workers=target.workers,
        server_processors=server_processors,
        bound=bound,
        source=Source(name=source, sha256=_hash(texts), texts=len(texts)),
        environment=describe(),
        levels=tuple(levels),
        memory_mb=target.memory_mb(),
        cache_hit_rate=_hit_rate(cached, target.cached_texts()),
    )


def _hit_rate(before: tuple[float, float] | None, after: tuple[float, float] | None) -> float | None:
    """The share of the test's texts that were answered from the server's cache."""
    if after is None:
        return None
    hits, misses = (now - earlier for now, earlier in zip(after, before or (0.0, 0.0), strict=True))
    return hits / (hits + misses) if hits + misses > 0 else None


def fill(template: str, text: str) -> bytes:
    """A JSON body with the text instead of "{text}", which can be a whole string or a part of one.

    Raises:
        PacklightError: if the template is not JSON, or if none of its strings has the placeholder.
    """
    try:
        document = json.loads(template)
    except (ValueError, RecursionError) as error:
        raise PacklightError(f"the template is not JSON ({error})") from error
    if _put(document, "") == document:
        raise PacklightError(f'the template has no "{TEXT}" in any of its strings; keys do not count')
    return json.dumps(_put(document, text)).encode()


def _put(document: Any, text: str) -> Any:
    if isinstance(document, str):
        return document.replace(TEXT, text)
    if isinstance(document, dict):
        return {key: _put(value, text) for key, value in document.items()}
    return [_put(value, text) for value in document] if isinstance(document, list) else document


def _hash(texts: Sequence[str]) -> str:
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()
