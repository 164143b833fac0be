"""The OpenAPI document of the server, and its page. Neither needs a network."""

import html
from typing import Any

import msgspec

from packlight import __version__
from packlight.serve.interface import DESCRIBED
from packlight.serve.settings import Limits

Schema = dict[str, Any]
REF = "#/components/schemas/{name}"
BOUNDS = ("maxLength", "maxItems")


def document(limits: Limits, root_path: str = "") -> Schema:
    """The OpenAPI 3.1 description of every route, with the path at which a proxy publishes the server."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "packlight",
            "version": __version__,
            "summary": "Text classification on the Open Inference Protocol v2.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": root_path or "/"}],
        "paths": {
            "/predict": {"post": _predict()},
            "/models": {"get": _get("The models with their labels and measured figures.", "Models")},
            "/v2": {"get": _get("The server's name, version and extensions.", "Server")},
            "/v2/health/live": {"get": _get("Whether the process is alive.", "Live")},
            "/v2/health/ready": {"get": _get("Whether it accepts requests.", "Ready", 503)},
            **_model_paths("/v2/models/{model}", ["model"]),
            **_model_paths("/v2/models/{model}/versions/{version}", ["model", "version"]),
        },
        "components": {
            "schemas": _schemas(limits),
            "securitySchemes": {
                "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
                "bearer": {"type": "http", "scheme": "bearer"},
            },
        },
        "security": [{}, {"key": []}, {"bearer": []}],
    }


def page(described: Schema) -> bytes:
    """The document as a web page."""
    rows = []
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            answers = ", ".join(operation["responses"])
            rows.append(
                f"<tr><td><code>{method.upper()}</code></td><td><code>{html.escape(path)}</code></td>"
                f"<td>{html.escape(operation['summary'])}</td><td>{answers}</td></tr>"
            )
    schemas = "".join(
        f"<h3 id='{name}'>{name}</h3><pre>{html.escape(_pretty(schema))}</pre>"
        for name, schema in described["components"]["schemas"].items()
    )
    example = html.escape(
        'curl -d \'{"text": "book a table for two"}\' http://127.0.0.1:8080/predict\n\n'
        'curl -d \'{"inputs": [{"name": "text", "shape": [1], "datatype": "BYTES", '
        '"data": ["book a table for two"]}]}\' \\\n  http://127.0.0.1:8080/v2/models/intent/infer'
    )
    return (
        "<!doctype html><html lang='en'><head><meta charset='utf-8'><meta name='viewport' "
        "content='width=device-width, initial-scale=1'><title>packlight: API</title>"
        "<link rel='icon' href='icon.svg'><link rel='stylesheet' href='page.css'></head><body><main class='wide'><h1>API</h1>"
        "<p>The <a href='openapi.json'>OpenAPI document</a> of this server; <a href='./'>try it by hand</a>.</p>"
        f"<pre>{example}</pre><table><thead><tr><th></th><th>route</th><th>returns</th><th>status</th></tr></thead>"
        f"<tbody>{''.join(rows)}</tbody></table><h2>Schemas</h2>{schemas}</main></body></html>"
    ).encode()


def _pretty(schema: Schema) -> str:
    return msgspec.json.format(msgspec.json.encode(schema), indent=2).decode()


def _model_paths(base: str, names: list[str]) -> Schema:
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}} for name in names
    ]
    binary = {
        "name": "Inference-Header-Content-Length",
        "in": "header",
        "description": "Number of bytes of JSON in the body, before the binary tensors.",
        "schema": {"type": "string", "pattern": "^[0-9]{1,9}$"},
    }
    metadata = _get("A model's versions, inputs and outputs.", "Model", 404)
    ready = _get("Whether the model is ready.", "ModelReady", 404, 503)
    infer = _post("Labels and scores of texts.", "InferRequest", ("InferResponse",), 404)
    infer["parameters"] = [*parameters, binary]
    infer["requestBody"]["content"]["application/octet-stream"] = {}
    return {
        base: {"get": metadata | {"parameters": parameters}},
        f"{base}/ready": {"get": ready | {"parameters": parameters}},
        f"{base}/infer": {"post": infer},
    }


def _predict() -> Schema:
    return _post("Labels of one or more texts, in simple JSON.", "PredictRequest", ("Prediction", "Predictions"), 404)


def _get(summary: str, schema: str, *statuses: int) -> Schema:
    return {
        "summary": summary,
        "responses": {"200": _response("As asked.", schema), **_error_responses(401, *statuses)},
    }


def _post(summary: str, asked: str, given: tuple[str, ...], *statuses: int) -> Schema:
    return {
        "summary": summary,
        "requestBody": {"required": True, "content": {"application/json": {"schema": _ref(asked)}}},
        "responses": {
            "200": _response("As asked.", *given),
            **_error_responses(400, 401, *statuses, 408, 413, 415, 429, 500, 503, 504),
        },
    }


FAULTS = {
    400: "Malformed. The reason is in `error`.",
    401: "The API key is missing or wrong.",
    404: "No such model or version.",
    408: "The body came too slowly.",
    413: "The body, a text or the batch is too large.",
    415: "An unknown content encoding.",
    429: "The queue is full. Retry-After says when to retry.",
    500: "A server error.",
    503: "Not ready, or draining.",
    504: "The deadline passed before the texts were classified.",
}


def _error_responses(*statuses: int) -> Schema:
    return {str(status): _response(FAULTS[status], "Error") for status in statuses}


def _response(words: str, *schemas: str) -> Schema:
    every = [_ref(each) for each in schemas]
    return {
        "description": words,
        "content": {"application/json": {"schema": every[0] if len(every) == 1 else {"anyOf": every}}},
    }


def _ref(name: str) -> Schema:
    return {"$ref": REF.format(name=name)}


def _schemas(limits: Limits) -> Schema:
    _, found = msgspec.json.schema_components(DESCRIBED, ref_template=REF)
    return {name: _bounded(schema, limits) for name, schema in sorted(found.items())}


def _bounded(schema: Any, limits: Limits) -> Any:
    """A schema with the limits filled in that the records name."""
    if isinstance(schema, list):
        return [_bounded(each, limits) for each in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: getattr(limits, value) if key in BOUNDS and isinstance(value, str) else _bounded(value, limits)
        for key, value in schema.items()
    }
