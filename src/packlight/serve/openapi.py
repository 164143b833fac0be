"""The OpenAPI document of the server, and its page: both are built here and need no network."""

import html
from typing import Any

import msgspec

from packlight import __version__
from packlight.serve.settings import Limits

Schema = dict[str, Any]


def document(limits: Limits, root_path: str = "") -> Schema:
    """The OpenAPI 3.1 description of every route, under the path at which a proxy publishes the server."""
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
            "/v2/health/live": {"get": _get("Whether the process answers.", "Live")},
            "/v2/health/ready": {"get": _get("Whether it takes requests.", "Ready", 503)},
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
    """The document as a page for people."""
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
        "content='width=device-width, initial-scale=1'><title>packlight: interface</title>"
        "<link rel='icon' href='icon.svg'><link rel='stylesheet' href='page.css'></head><body><main class='wide'><h1>Interface</h1>"
        "<p>The <a href='openapi.json'>OpenAPI document</a> of this server; <a href='./'>try it by hand</a>.</p>"
        f"<pre>{example}</pre><table><thead><tr><th></th><th>route</th><th>gives</th><th>status</th></tr></thead>"
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
        "description": "So many bytes of the body are JSON; binary tensors follow.",
        "schema": {"type": "string", "pattern": "^[0-9]{1,9}$"},
    }
    metadata = _get("A model's versions, inputs and outputs.", "Model", 404)
    ready = _get("Whether the model answers.", "ModelReady", 404, 503)
    infer = _post("Labels and scores of texts.", "InferRequest", "InferResponse", 404)
    infer["parameters"] = [*parameters, binary]
    infer["requestBody"]["content"]["application/octet-stream"] = {}
    return {
        base: {"get": metadata | {"parameters": parameters}},
        f"{base}/ready": {"get": ready | {"parameters": parameters}},
        f"{base}/infer": {"post": infer},
    }


def _predict() -> Schema:
    return _post("Labels of one text or several, for people.", "PredictRequest", "PredictResponse", 404)


def _get(summary: str, schema: str, *faults: int) -> Schema:
    return {"summary": summary, "responses": {"200": _response("As asked.", schema), **_faults(401, *faults)}}


def _post(summary: str, asked: str, given: str, *faults: int) -> Schema:
    return {
        "summary": summary,
        "requestBody": {"required": True, "content": {"application/json": {"schema": _ref(asked)}}},
        "responses": {
            "200": _response("As asked.", given),
            **_faults(400, 401, *faults, 408, 413, 415, 429, 500, 503, 504),
        },
    }


FAULTS = {
    400: "Malformed; the reason is given.",
    401: "The API key is missing or wrong.",
    404: "No such model or version.",
    408: "The body came too slowly.",
    413: "The body, a text or the batch is too large.",
    415: "An unknown content encoding.",
    429: "The queue is full; Retry-After says when to come back.",
    500: "A fault of the server.",
    503: "Not ready, or draining.",
    504: "The deadline passed before the texts were classified.",
}


def _faults(*statuses: int) -> Schema:
    return {str(status): _response(FAULTS[status], "Error") for status in statuses}


def _response(words: str, schema: str) -> Schema:
    return {"description": words, "content": {"application/json": {"schema": _ref(schema)}}}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _object(required: dict[str, Schema], optional: dict[str, Schema] | None = None, *, closed: bool = False) -> Schema:
    schema: Schema = {"type": "object", "properties": required | (optional or {}), "required": list(required)}
    return schema | ({"additionalProperties": False} if closed else {})


def _schemas(limits: Limits) -> Schema:
    string, number, boolean = {"type": "string"}, {"type": "number"}, {"type": "boolean"}
    text = {"type": "string", "maxLength": limits.text_bytes}
    texts = {"type": "array", "minItems": 1, "maxItems": limits.texts}
    shape = {"type": "array", "items": {"type": "integer", "minimum": -1}}
    top = {"type": "array", "items": _object({"label": string, "score": number})}
    one = _object({"label": string, "score": number, "out_of_scope": boolean, "top": top})
    tensor = _object({"name": string, "datatype": string, "shape": shape})
    parameters = {"type": ["object", "null"]}
    given: dict[str, Schema] = {
        "name": {"const": "text"},
        "shape": {"type": "array", "items": {"type": "integer", "minimum": 1}, "minItems": 1, "maxItems": 2},
        "datatype": {"const": "BYTES"},
    }
    data = texts | {"items": {"anyOf": [text, {"type": "array", "items": text, "minItems": 1, "maxItems": 1}]}}
    asked = _object(
        {"name": {"enum": ["label", "scores", "out_of_scope"]}},
        {
            "parameters": _object(
                {}, {"binary_data": boolean, "classification": {"type": "integer", "minimum": 0, "maximum": 10_000}}
            )
        },
    )
    return {
        "Error": _object({"error": string}),
        "Live": _object({"live": boolean}),
        "Ready": _object({"ready": boolean}),
        "ModelReady": _object({"name": string, "ready": boolean}),
        "Server": _object({"name": string, "version": string, "extensions": {"type": "array", "items": string}}),
        "Model": _object(
            {
                "name": string,
                "versions": {"type": "array", "items": string},
                "platform": string,
                "inputs": {"type": "array", "items": tensor},
                "outputs": {"type": "array", "items": tensor},
            }
        ),
        "Models": _object({"models": {"type": "array", "items": _object({"name": string, "version": string})}}),
        "InferRequest": _object(
            {
                "inputs": {
                    "type": "array",
                    "items": _object(given, {"data": data, "parameters": parameters}),
                    "minItems": 1,
                    "maxItems": 1,
                }
            },
            {
                "id": {"type": ["string", "null"]},
                "parameters": parameters,
                "outputs": {"type": ["array", "null"], "items": asked},
            },
        ),
        "InferResponse": _object(
            {
                "model_name": string,
                "model_version": string,
                "outputs": {"type": "array", "items": _object({"name": string, "datatype": string, "shape": shape})},
            },
            {"id": string},
        ),
        "PredictRequest": _object(
            {"text": {"anyOf": [text, texts | {"items": text}]}},
            {
                "top_k": {"type": "integer", "minimum": 1, "maximum": 1_000_000},
                "model": {"type": ["string", "null"]},
                "version": {"type": ["string", "null"]},
            },
            closed=True,
        ),
        "PredictResponse": {"anyOf": [one, _object({"predictions": {"type": "array", "items": one}})]},
    }
