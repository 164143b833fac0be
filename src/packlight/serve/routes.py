"""Map paths to handlers."""

from functools import lru_cache
from typing import NamedTuple

PAGE = ("/", "/page.js", "/page.css", "/icon.svg", "/docs", "/openapi.json")
"""documents for browsers"""
_CACHED_PATHS = 1024
_LONGEST_CACHED = 512
"""maximum length of a cached path, so that the cache stays below a megabyte"""


class Target(NamedTuple):
    """A handler, and the model that it is for."""

    route: str
    model: str | None = None
    version: str | None = None


_FIXED = {
    "/predict": Target("predict"),
    "/metrics": Target("metrics"),
    "/models": Target("models"),
    "/v2": Target("server"),
    "/v2/health/live": Target("live"),
    "/v2/health/ready": Target("ready"),
} | dict.fromkeys(PAGE, Target("document"))
_OF_A_MODEL = {(): "model", ("ready",): "model-ready", ("infer",): "infer"}


def target_of(path: str) -> Target:
    """The handler of a path; `other` if there is none.

    A slash at the end is ignored, as in KServe, which redirects to the path without it. Documents can't have one,
    because their links are relative.
    """
    return _cached(path) if len(path) <= _LONGEST_CACHED else _parse(path)


def below(root: str, path: str) -> str:
    """A path without the prefix at which a proxy publishes the server."""
    return path[len(root) :] if root and path.startswith(f"{root}/") else path


def _parse(path: str) -> Target:
    fixed = _FIXED.get(path)
    if fixed is not None:
        return fixed
    if path.endswith("/"):
        target = _parse(path[:-1]) if path[-2:-1] != "/" else Target("other")
        return Target("other") if target.route == "document" else target
    parts = path.split("/")
    if parts[:3] != ["", "v2", "models"] or len(parts) < 4 or not parts[3]:  # /v2/models/{m}
        return Target("other")
    rest = parts[4:]
    version = None
    if len(rest) >= 2 and rest[0] == "versions" and rest[1]:  # versions/{v}
        version, rest = rest[1], rest[2:]
    return Target(_OF_A_MODEL.get(tuple(rest), "other"), parts[3], version)


_cached = lru_cache(_CACHED_PATHS)(_parse)
