"""Server settings, and the limits that it enforces."""

import os
from typing import Annotated

import msgspec

Count = Annotated[int, msgspec.Meta(ge=1)]

Seconds = Annotated[float, msgspec.Meta(gt=0)]


class Limits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Bounds of one worker process."""

    body_bytes: Count = 4 << 20
    """a request's body as it is sent"""
    unpacked_bytes: Count = 8 << 20
    """a compressed body once unpacked"""
    texts: Count = 256
    """texts in one request"""
    text_bytes: Count = 64 << 10
    """one text, in UTF-8"""
    queue_texts: Count = 512
    """texts waiting for one model, beyond which requests are refused whatever their size"""
    batch_tokens: Count = 64
    """padded tokens of one micro-batch; a longer text is a batch of its own. A request yields to others after each slice of this size"""
    deadline_seconds: Seconds = 2.0
    """from a request's arrival to its answer: 504 after that, whether inference has begun or not"""
    head_seconds: Seconds = 60.0
    """for a connection's first byte, and for all headers of a request"""
    keep_alive_seconds: Seconds = 90.0
    """for a connection between two requests; longer than the proxies in front keep theirs, or they send to a closed one"""
    body_seconds: Seconds = 10.0
    """from the headers to the last byte of the body"""


VARIABLE = "PACKLIGHT_SERVE_SETTINGS"

KEY_VARIABLE = "PACKLIGHT_API_KEY"

METRICS_FOLDER = "metrics"
"""in the runtime folder"""


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that can be chosen about a server, but the API key, which only the environment carries."""

    path: str
    """an artifact, or a folder of models"""
    name: str | None = None
    """the model's name where the path is one artifact; by default the artifact's own"""
    host: str = "127.0.0.1"
    port: Annotated[int, msgspec.Meta(ge=1, le=65535)] = 8080
    uds: str | None = None
    """the path of a Unix socket to listen on instead of host and port"""
    root_path: str = ""
    """the path under which a proxy publishes the server, such as /models/intent; requests may carry it or not"""
    workers: Annotated[int, msgspec.Meta(ge=1)] = 1
    limits: Limits = Limits()
    reload_seconds: Annotated[float, msgspec.Meta(ge=0)] = 2.0
    """how often the path is looked at for new versions; 0 for never"""
    grace_seconds: Annotated[float, msgspec.Meta(ge=0)] = 1.0
    """after SIGTERM: readiness fails, requests are still taken, so that balancers can turn away"""
    drain_seconds: Seconds = 20.0
    """after the grace: running requests are finished within this bound"""
    protect_health: bool = False
    """whether health needs the API key too"""
    protect_metrics: bool = False
    """whether metrics need the API key too"""
    metrics: bool = True
    page: bool = True
    """whether the page, the documents and the list of models are shown"""
    access_log: bool = True
    cache_texts: Annotated[int, msgspec.Meta(ge=0, le=100_000_000)] = 0
    """texts whose answers each worker keeps; 0 for none"""
    cors_origins: tuple[str, ...] = ()
    """origins of pages that may call the server, as browsers send them; * for all"""
    tracing: bool = False
    runtime: str = ""
    """the folder that workers share: metrics and the drain flag"""


def write_settings(settings: Settings) -> None:
    """Put settings where worker processes find them."""
    os.environ[VARIABLE] = msgspec.json.encode(settings).decode()


def read_settings() -> Settings:
    """The settings of this worker's server."""
    return msgspec.json.decode(os.environ[VARIABLE], type=Settings)
