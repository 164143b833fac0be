"""What a model says, as bytes: the protocol's responses in JSON and binary, and the plain form for people."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from packlight.serve.requests import LABEL, SCORES, InferRequest, RequestedOutput
from packlight.serve.tensors import pack

Scores = npt.NDArray[np.float32]
JSON = "application/json"
OCTETS = "application/octet-stream"
_encode = msgspec.json.Encoder().encode


class Predictions(NamedTuple):
    """A model's answers to the texts of one request."""

    labels: tuple[str, ...]
    """all of the model's, in the order of the scores"""
    chosen: list[str]
    """one label for each text"""
    confidence: list[float]
    """the chosen labels' scores"""
    out_of_scope: list[bool]
    scores: Scores
    """float32 of shape [texts, labels]"""


class Name(NamedTuple):
    """The model that answers."""

    model: str
    version: str


class Payload(NamedTuple):
    """A response's content."""

    body: bytes
    kind: str
    json_length: int | None = None
    """how much of the body is JSON, where binary tensors follow"""


def infer_response(name: Name, query: InferRequest, answers: Predictions) -> Payload:
    """The response to `…/infer`."""
    outputs = []
    tail = []
    for wanted in query.outputs:
        output, data = _output(wanted, answers)
        outputs.append(output)
        if data is not None:
            tail.append(data)
    head: dict[str, Any] = {"model_name": name.model, "model_version": name.version}
    if query.id is not None:
        head["id"] = query.id
    head["outputs"] = outputs
    json = _encode(head)
    if not tail:
        return Payload(json, JSON)
    return Payload(b"".join((json, *tail)), OCTETS, len(json))


def plain_response(answers: Predictions, top_k: int, *, single: bool) -> Payload:
    """The response to `/predict`: an object for one text, `{"predictions": […]}` for a list."""
    order = likeliest(answers.scores, top_k)
    items = [
        {
            "label": label,
            "score": score,
            "out_of_scope": out,
            "top": [{"label": answers.labels[index], "score": float(row[index])} for index in best],
        }
        for label, score, out, row, best in zip(
            answers.chosen, answers.confidence, answers.out_of_scope, answers.scores, order, strict=True
        )
    ]
    return Payload(_encode(items[0] if single else {"predictions": items}), JSON)


def likeliest(scores: Scores, count: int) -> list[list[int]]:
    """Indices of the so many highest scores of each row, the highest first, the lower index first among equals."""
    count = min(count, scores.shape[1])
    if count == 1:
        return [[index] for index in scores.argmax(axis=1).tolist()]
    order: list[list[int]] = np.argsort(-scores, axis=1, kind="stable")[:, :count].tolist()
    return order


def _output(wanted: RequestedOutput, answers: Predictions) -> tuple[dict[str, Any], bytes | None]:
    """One output's JSON, and its bytes where it was asked for in binary."""
    rows = len(answers.chosen)
    if wanted.classes:
        best = likeliest(answers.scores, wanted.classes)
        values = _classification(answers, best)
        return _bytes_output(wanted, [rows, len(best[0])], values)
    if wanted.name == LABEL:
        return _bytes_output(wanted, [rows], answers.chosen)
    if wanted.name == SCORES:
        scores = answers.scores
        output: dict[str, Any] = {"name": SCORES, "datatype": "FP32", "shape": list(scores.shape)}
        if not wanted.binary:
            output["data"] = scores.ravel().tolist()
            return output, None
        data = scores.astype("<f4", copy=False).tobytes()
        return _with_size(output, data)
    output = {"name": wanted.name, "datatype": "BOOL", "shape": [rows]}
    if not wanted.binary:
        output["data"] = answers.out_of_scope
        return output, None
    return _with_size(output, bytes(answers.out_of_scope))


def _classification(answers: Predictions, best: list[list[int]]) -> list[str]:
    return [
        f"{row[index]:.6f}:{index}:{answers.labels[index]}"
        for row, indices in zip(answers.scores, best, strict=True)
        for index in indices
    ]


def _bytes_output(
    wanted: RequestedOutput, shape: list[int], values: Sequence[str]
) -> tuple[dict[str, Any], bytes | None]:
    output: dict[str, Any] = {"name": wanted.name, "datatype": "BYTES", "shape": shape}
    if not wanted.binary:
        output["data"] = values
        return output, None
    return _with_size(output, pack(values))


def _with_size(output: dict[str, Any], data: bytes) -> tuple[dict[str, Any], bytes]:
    output["parameters"] = {"binary_data_size": len(data)}
    return output, data
