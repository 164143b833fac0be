"""Which handler a path means."""

from functools import lru_cache
from typing import NamedTuple

PAGE = ("/", "/page.js", "/page.css", "/icon.svg", "/docs", "/openapi.json")
"""the documents that a browser asks for"""
_CACHED_PATHS = 1024
_LONGEST_CACHED = 512
"""characters of a path; a longer one is parsed each time, so that the cache stays under a megabyte"""


class Target(NamedTuple):
    """Which handler a path means, for which model."""

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
    """Which handler a path means; `other` for none.

    A slash at the end changes nothing, as with KServe, which redirects to the path without it; only the documents, whose
    links are relative, have none.
    """
    return _cached(path) if len(path) <= _LONGEST_CACHED else _parse(path)


def below(root: str, path: str) -> str:
    """A path as the routes know it: without the prefix under which a proxy publishes the server, if it has that."""
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
