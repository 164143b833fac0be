"""Responses as bytes: the protocol's in JSON and binary, and the simple form."""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt
from msgspec import UNSET

from packlight.serve import interface
from packlight.serve.interface import InferParameters, InferResponse, LabelScore, Output, Prediction
from packlight.serve.requests import LABEL, SCORES, InferRequest, RequestedOutput
from packlight.serve.tensors import pack

Scores = npt.NDArray[np.float32]
JSON = "application/json"
OCTETS = "application/octet-stream"
_encode = msgspec.json.Encoder().encode


class Predictions(NamedTuple):
    """A model's predictions for the texts of a request."""

    labels: tuple[str, ...]
    """all labels of the model, in the order of the scores"""
    chosen: list[str]
    """one label for each text"""
    confidence: list[float]
    """the chosen labels' scores"""
    out_of_scope: list[bool]
    scores: Scores
    """float32 of shape [texts, labels]"""


class Name(NamedTuple):
    """The model of a response."""

    model: str
    version: str


class Payload(NamedTuple):
    """A response's content."""

    body: bytes
    kind: str
    json_length: int | None = None
    """length of the JSON, if binary tensors follow"""


def infer_response(name: Name, query: InferRequest, answers: Predictions, *, truncated: Sequence[bool] = ()) -> Payload:
    """The response to `…/infer`. Its parameters have `truncated` if a text is longer than the model's maximum."""
    outputs = []
    tail = []
    for wanted in query.outputs:
        output, data = _output(wanted, answers)
        outputs.append(output)
        if data is not None:
            tail.append(data)
    head = InferResponse(
        name.model,
        name.version,
        outputs,
        UNSET if query.id is None else query.id,
        InferParameters(truncated=True) if any(truncated) else UNSET,
    )
    json = _encode(head)
    if not tail:
        return Payload(json, JSON)
    return Payload(b"".join((json, *tail)), OCTETS, len(json))


def plain_response(answers: Predictions, top_k: int, *, single: bool, truncated: Sequence[bool] = ()) -> Payload:
    """The response to `/predict`: an object for one text, `{"predictions": […]}` for a list.

    An object has `"truncated": true` if its text is longer than the model's maximum.
    """
    order = likeliest(answers.scores, top_k)
    marks = truncated or [False] * len(order)
    items = [
        Prediction(
            label,
            score,
            out,
            [LabelScore(answers.labels[index], float(row[index])) for index in best],
            truncated=True if cut else UNSET,
        )
        for label, score, out, row, best, cut in zip(
            answers.chosen, answers.confidence, answers.out_of_scope, answers.scores, order, marks, strict=True
        )
    ]
    return Payload(_encode(items[0] if single else interface.Predictions(items)), JSON)


def likeliest(scores: Scores, count: int) -> list[list[int]]:
    """Indices of the highest scores of each row, the highest first, the lower index first among equals."""
    count = min(count, scores.shape[1])
    if count == 1:
        return [[index] for index in scores.argmax(axis=1).tolist()]
    order: list[list[int]] = np.argsort(-scores, axis=1, kind="stable")[:, :count].tolist()
    return order


def _output(wanted: RequestedOutput, answers: Predictions) -> tuple[Output, bytes | None]:
    """An output's JSON, and its bytes if requested in binary form."""
    rows = len(answers.chosen)
    if wanted.classes:
        best = likeliest(answers.scores, wanted.classes)
        values = _classification(answers, best)
        return _bytes_output(wanted, [rows, len(best[0])], values)
    if wanted.name == LABEL:
        return _bytes_output(wanted, [rows], answers.chosen)
    if wanted.name == SCORES:
        scores = answers.scores
        shape = list(scores.shape)
        if not wanted.binary:
            return Output(SCORES, "FP32", shape, scores.ravel().tolist()), None
        return _in_binary(SCORES, "FP32", shape, scores.astype("<f4", copy=False).tobytes())
    if not wanted.binary:
        return Output(wanted.name, "BOOL", [rows], answers.out_of_scope), None
    return _in_binary(wanted.name, "BOOL", [rows], bytes(answers.out_of_scope))


def _classification(answers: Predictions, best: list[list[int]]) -> list[str]:
    return [
        f"{row[index]:.6f}:{index}:{answers.labels[index]}"
        for row, indices in zip(answers.scores, best, strict=True)
        for index in indices
    ]


def _bytes_output(wanted: RequestedOutput, shape: list[int], values: list[str]) -> tuple[Output, bytes | None]:
    if not wanted.binary:
        return Output(wanted.name, "BYTES", shape, values), None
    return _in_binary(wanted.name, "BYTES", shape, pack(values))


def _in_binary(name: str, datatype: str, shape: list[int], data: bytes) -> tuple[Output, bytes]:
    return Output(name, datatype, shape, parameters={"binary_data_size": len(data)}), data
