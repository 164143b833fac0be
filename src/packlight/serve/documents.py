"""The page for trying a model, and the API description: read once, with security headers."""

from importlib.resources import files

import msgspec

from packlight.serve import openapi
from packlight.serve.exchange import Exchange, Reply
from packlight.serve.http_errors import HTTPError
from packlight.serve.responses import JSON, Payload
from packlight.serve.routes import Target
from packlight.serve.settings import Settings

_STATIC = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/page.js": ("page.js", "text/javascript; charset=utf-8"),
    "/page.css": ("page.css", "text/css; charset=utf-8"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}
_HTML = "text/html; charset=utf-8"
_GUARDS = (
    (b"content-security-policy", b"default-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-cache"),
)


class Documents:
    """The documents of one worker."""

    def __init__(self, settings: Settings) -> None:
        """Read all documents. If the page is off, there are none."""
        self._payloads = _read(settings) if settings.page else {}

    async def document(self, exchange: Exchange, target: Target) -> Reply:
        """The document at the path.

        Raises:
            HTTPError: 404 if the page is off.
        """
        del target
        payload = self._payloads.get(exchange.path)
        if payload is None:
            raise HTTPError(404, "the page is off")
        return Reply(payload, 200, _GUARDS)


def _read(settings: Settings) -> dict[str, Payload]:
    described = openapi.document(settings.limits, settings.root_path)
    folder = files("packlight.serve").joinpath("page")
    static = {path: Payload(folder.joinpath(name).read_bytes(), kind) for path, (name, kind) in _STATIC.items()}
    return static | {
        "/docs": Payload(openapi.page(described), _HTML),
        "/openapi.json": Payload(msgspec.json.encode(described), JSON),
    }
