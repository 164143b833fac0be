"""Server settings and limits."""

import os
from typing import Annotated

import msgspec

Count = Annotated[int, msgspec.Meta(ge=1)]

Seconds = Annotated[float, msgspec.Meta(gt=0)]


class Limits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Limits of a worker process."""

    body_bytes: Count = 4 << 20
    """maximum size of a request's body as sent"""
    unpacked_bytes: Count = 8 << 20
    """maximum size of an unpacked body"""
    texts: Count = 256
    """maximum number of texts in a request"""
    text_bytes: Count = 64 << 10
    """maximum size of a text, in UTF-8"""
    queue_texts: Count = 512
    """number of texts waiting for a model, above which requests of any size are rejected"""
    batch_tokens: Count = 64
    """maximum padded tokens in a micro-batch.

    A longer text gets its own. A request yields to others after each slice of this size.
    """
    deadline_seconds: Seconds = 2.0
    """maximum seconds from a request's arrival to its response.

    After that, the response is 504, whether inference has started or not.
    """
    head_seconds: Seconds = 60.0
    """maximum seconds for a connection's first byte, and for all headers of a request"""
    keep_alive_seconds: Seconds = 90.0
    """maximum idle seconds of a connection.

    It must be longer than that of proxies in front, or they send to a closed connection.
    """
    body_seconds: Seconds = 10.0
    """maximum seconds from the headers to the last byte of the body"""


VARIABLE = "PACKLIGHT_SERVE_SETTINGS"

KEY_VARIABLE = "PACKLIGHT_API_KEY"

METRICS_FOLDER = "metrics"
"""in the runtime folder"""


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All settings of a server, except for the API key, which is only in the environment."""

    path: str
    """an artifact, or a folder of artifacts"""
    name: str | None = None
    """the model's name if the path is one artifact. Defaults to the artifact's name."""
    host: str = "127.0.0.1"
    port: Annotated[int, msgspec.Meta(ge=1, le=65535)] = 8080
    uds: str | None = None
    """the path of a Unix socket to listen on instead of host and port"""
    root_path: str = ""
    """the path at which a proxy publishes the server, such as /models/intent. Requests can have it or not."""
    workers: Annotated[int, msgspec.Meta(ge=1)] = 1
    threads: Annotated[int, msgspec.Meta(ge=1)] = 1
    """of each worker"""
    limits: Limits = Limits()
    reload_seconds: Annotated[float, msgspec.Meta(ge=0)] = 2.0
    """seconds between checks for new versions; 0 for never"""
    grace_seconds: Annotated[float, msgspec.Meta(ge=0)] = 1.0
    """seconds after SIGTERM in which readiness fails and requests are still accepted, for load balancers"""
    drain_seconds: Seconds = 20.0
    """maximum seconds for running requests after the grace period"""
    protect_health: bool = False
    """whether health routes require the API key"""
    protect_metrics: bool = False
    """whether metrics require the API key"""
    metrics: bool = True
    page: bool = True
    """whether to serve the page, the documents and the list of models"""
    access_log: bool = True
    cache_texts: Annotated[int, msgspec.Meta(ge=0, le=100_000_000)] = 0
    """number of texts in each worker's cache; 0 for none"""
    cors_origins: tuple[str, ...] = ()
    """allowed CORS origins, as browsers send them; * for all"""
    tracing: bool = False
    runtime: str = ""
    """the workers' shared folder for metrics and the drain flag"""


def write_settings(settings: Settings) -> None:
    """Pass settings to worker processes."""
    os.environ[VARIABLE] = msgspec.json.encode(settings).decode()


def read_settings() -> Settings:
    """The settings of this worker's server."""
    return msgspec.json.decode(os.environ[VARIABLE], type=Settings)
