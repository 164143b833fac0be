"""OpenTelemetry spans, one per request, if the extra `otel` is installed and tracing is on.

OpenTelemetry's variables set the destination, such as OTEL_EXPORTER_OTLP_ENDPOINT, and the service name: `packlight`
unless OTEL_SERVICE_NAME or OTEL_RESOURCE_ATTRIBUTES sets it.
"""

import time
from typing import Any, Protocol

from packlight import __version__
from packlight.extras import load

NANOSECONDS = 1_000_000_000
SERVER_FAULT = 500
PURPOSE = "tracing"


class Tracing(Protocol):
    """Receives finished requests."""

    def request(self, route: str, request: str, status: int, seconds: float, texts: int, parent: str | None) -> None:
        """Note one answered request; `parent` is its traceparent header."""

    def close(self) -> None:
        """Send what is left to send."""


class Spans:
    """Finished requests as OpenTelemetry spans."""

    def __init__(self, provider: Any) -> None:
        """Write to a TracerProvider of the OpenTelemetry SDK."""
        self._provider = provider
        self._trace = load("opentelemetry.trace", PURPOSE)
        propagation = load("opentelemetry.trace.propagation.tracecontext", PURPOSE)
        self._propagator = propagation.TraceContextTextMapPropagator()
        self._tracer = provider.get_tracer("packlight.serve", __version__)

    def request(self, route: str, request: str, status: int, seconds: float, texts: int, parent: str | None) -> None:
        """Note one answered request, which ends now."""
        end = time.time_ns()
        context = self._propagator.extract({"traceparent": parent}) if parent else None
        span = self._tracer.start_span(
            f"packlight {route}",
            context=context,
            kind=self._trace.SpanKind.SERVER,
            start_time=end - int(seconds * NANOSECONDS),
            attributes={
                "http.response.status_code": status,
                "packlight.request": request,
                "packlight.texts": texts,
            },
        )
        if status >= SERVER_FAULT:
            span.set_status(self._trace.StatusCode.ERROR)
        span.end(end_time=end)

    def close(self) -> None:
        """Send what is left to send."""
        self._provider.shutdown()


def open_tracing() -> Spans:
    """Send spans in batches over OTLP.

    Raises:
        MissingExtraError: if the extra `otel` is not installed.
    """
    sdk = load("opentelemetry.sdk.trace", PURPOSE)
    export = load("opentelemetry.sdk.trace.export", PURPOSE)
    resources = load("opentelemetry.sdk.resources", PURPOSE)
    otlp = load("opentelemetry.exporter.otlp.proto.http.trace_exporter", PURPOSE)
    own = resources.Resource.create({"service.name": "packlight"})
    stated = resources.OTELResourceDetector().detect()  # OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES
    provider = sdk.TracerProvider(resource=own.merge(stated))
    provider.add_span_processor(export.BatchSpanProcessor(otlp.OTLPSpanExporter()))
    return Spans(provider)
