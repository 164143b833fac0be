import json
import struct

import numpy as np
import pytest

from packlight.serve.requests import InferRequest, RequestedOutput
from packlight.serve.responses import Name, Predictions, infer_response, likeliest, plain_response

SCORES = np.array([[0.1, 0.7, 0.2], [0.5, 0.25, 0.25]], dtype=np.float32)
ANSWERS = Predictions(("a", "b", "oos"), ["b", "a"], [0.7, 0.5], [False, True], SCORES)
NAME = Name("intent", "3")


def test_json_response_is_the_protocols():
    payload = infer_response(NAME, InferRequest(["x", "y"], "42"), ANSWERS)
    document = json.loads(payload.body)
    assert payload.kind == "application/json"
    assert (document["model_name"], document["model_version"], document["id"]) == ("intent", "3", "42")
    label, scores = document["outputs"]
    assert label == {"name": "label", "datatype": "BYTES", "shape": [2], "data": ["b", "a"]}
    assert scores["shape"] == [2, 3]
    assert np.asarray(scores["data"], dtype=np.float32).tobytes() == SCORES.tobytes()


def test_binary_response_splits_at_the_json_length():
    outputs = (
        RequestedOutput("label", binary=True),
        RequestedOutput("scores", binary=True),
        RequestedOutput("out_of_scope", binary=True),
    )
    payload = infer_response(NAME, InferRequest(["x", "y"], None, outputs), ANSWERS)
    document = json.loads(payload.body[: payload.json_length])
    assert "id" not in document
    sizes = [output["parameters"]["binary_data_size"] for output in document["outputs"]]
    tail = payload.body[payload.json_length :]
    assert len(tail) == sum(sizes)
    assert tail[: sizes[0]] == struct.pack("<I", 1) + b"b" + struct.pack("<I", 1) + b"a"
    assert tail[sizes[0] : sizes[0] + sizes[1]] == SCORES.tobytes()
    assert tail[-2:] == b"\x00\x01"


def test_classification_is_value_index_label():
    payload = infer_response(NAME, InferRequest(["x", "y"], None, (RequestedOutput("scores", classes=2),)), ANSWERS)
    (output,) = json.loads(payload.body)["outputs"]
    assert output["datatype"] == "BYTES"
    assert output["shape"] == [2, 2]
    assert output["data"] == ["0.700000:1:b", "0.200000:2:oos", "0.500000:0:a", "0.250000:1:b"]


def test_more_classes_than_labels_are_all_of_them():
    payload = infer_response(NAME, InferRequest(["x", "y"], None, (RequestedOutput("scores", classes=99),)), ANSWERS)
    assert json.loads(payload.body)["outputs"][0]["shape"] == [2, 3]


def test_a_text_that_was_cut_is_marked():
    many = json.loads(plain_response(ANSWERS, 1, single=False, truncated=[False, True]).body)["predictions"]
    assert ["truncated" in item for item in many] == [False, True]
    assert many[1]["truncated"] is True
    document = json.loads(infer_response(NAME, InferRequest(["x", "y"]), ANSWERS, truncated=[False, True]).body)
    assert document["parameters"] == {"truncated": True}
    assert "parameters" not in json.loads(infer_response(NAME, InferRequest(["x", "y"]), ANSWERS).body)


def test_plain_response():
    many = json.loads(plain_response(ANSWERS, 2, single=False).body)["predictions"]
    assert [item["label"] for item in many] == ["b", "a"]
    assert [item["out_of_scope"] for item in many] == [False, True]
    assert [top["label"] for top in many[0]["top"]] == ["b", "oos"]
    assert json.loads(plain_response(ANSWERS, 1, single=True).body)["score"] == pytest.approx(0.7)


def test_equal_scores_keep_the_order_of_the_labels():
    assert likeliest(SCORES, 3) == [[1, 2, 0], [0, 1, 2]]
    assert likeliest(SCORES, 1) == [[1], [0]]
