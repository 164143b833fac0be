import gzip
import json
import struct
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from packlight.serve.http_errors import HTTPError
from packlight.serve.request_body import unpack
from packlight.serve.requests import BINARY_DEFAULT, JSON_DEFAULT, RequestedOutput, read_infer, read_plain
from packlight.serve.settings import Limits
from packlight.serve.tensors import pack

LIMITS = Limits(body_bytes=100_000, unpacked_bytes=50_000, texts=8, text_bytes=1000)


def request(data, shape=None, **more):
    tensor = {"name": "text", "shape": shape or [len(data)], "datatype": "BYTES", "data": data}
    return json.dumps({"inputs": [tensor], **more}).encode()


def binary_request(texts, *, size=None, shape=None, cut=0):
    data = pack(texts)
    tensor = {
        "name": "text",
        "shape": shape or [len(texts)],
        "datatype": "BYTES",
        "parameters": {"binary_data_size": len(data) if size is None else size},
    }
    head = json.dumps({"inputs": [tensor]}).encode()
    body = head + data
    return body[: len(body) - cut], str(len(head))


def status_of(body, length=None, limits=LIMITS):
    with pytest.raises(HTTPError) as caught:
        read_infer(body, length, limits)
    assert caught.value.reason
    return caught.value.status


def test_json_of_each_shape_is_read():
    assert read_infer(request(["a", "b"], id="42"), None, LIMITS).id == "42"
    for data, shape in ((["a", "b"], [2]), (["a", "b"], [2, 1]), ([["a"], ["b"]], [2, 1])):
        query = read_infer(request(data, shape), None, LIMITS)
        assert query.texts == ["a", "b"]
        assert query.outputs == JSON_DEFAULT


def test_binary_is_read():
    body, length = binary_request(["book a table", "größer", ""])
    assert read_infer(body, length, LIMITS).texts == ["book a table", "größer", ""]


def test_outputs_are_read():
    outputs = [
        {"name": "scores", "parameters": {"binary_data": True}},
        {"name": "label", "parameters": {"classification": 3, "unknown": {"deep": [1]}}},
    ]
    query = read_infer(request(["a"], outputs=outputs, parameters={"other": 1, "timeout": 2500}), None, LIMITS)
    assert query.outputs == (RequestedOutput("scores", binary=True), RequestedOutput("label", classes=3))
    assert query.timeout == pytest.approx(0.0025)
    assert read_infer(request(["a"], parameters={"binary_data_output": True}), None, LIMITS).outputs == BINARY_DEFAULT


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b"{}",
        b'{"inputs": []}',
        b'{"inputs": 3}',
        b'\xff\xfe{"inputs": []}',
        request(["a"])[:-3],
        request(["a"]) + b"x",
        request(["a"]).replace(b'"a"', b'"\xff"'),
        request(["a"]).replace(b'"a"', b'"\\ud800"'),
        request(["a"]).replace(b'"a"', b"NaN"),
        request(["a"]).replace(b'"a"', b"1"),
        request([None]),
        request(["a"], [2]),
        request(["a", "b"], [1]),
        request(["a"], [-1]),
        request(["a"], [1, 2]),
        request(["a"], [1, 1, 1]),
        request(["a"], [10**30]),
        request(["a"], [1.5]),
        request([["a"]], [1]),
        request([["a", "b"]], [2, 1]),
        request([[["a"]]], [1, 1]),
        request([], [0]),
        request(["a"]).replace(b"BYTES", b"FP32"),
        request(["a"]).replace(b'"text"', b'"tokens"'),
        request(["a"], id=7),
        request(["a"], outputs=[{"name": "nothing"}]),
        request(["a"], outputs=[{"name": "label"}, {"name": "label"}]),
        request(["a"], outputs=[{"name": "label", "parameters": {"classification": -1}}]),
        request(["a"], outputs=[{"name": "label", "parameters": {"classification": "many"}}]),
        b"[" * 40_000,
        b'{"inputs":' + b"[" * 40_000,
        b'{"unknown":' + b"[" * 40_000,
        b'{"parameters":{"a":' + b'{"a":' * 9_000,
        json.dumps({"inputs": [{"name": "text", "shape": [1], "datatype": "BYTES"}]}).encode(),
    ],
)
def test_malformed_json_is_400(body):
    assert status_of(body) == 400


def test_malformed_binary_is_400():
    body, length = binary_request(["abc", "de"])
    for wrong in ("-1", "x", "", "1e3", "9" * 30, str(len(body) + 1), "³"):
        assert status_of(body, wrong) == 400
    assert status_of(body) == 400
    assert status_of(body + b"x", length) == 400
    for size in (0, 1, -1, True, "5", 1.5, 10**20):
        assert status_of(*binary_request(["abc", "de"], size=size)) == 400
    for count in (1, 3):
        assert status_of(*binary_request(["abc", "de"], shape=[count])) == 400
    assert status_of(*binary_request(["abc", "de"], cut=1)) == 400
    head, _ = body[: int(length)], None
    bad = head[:-1] + b" " * 0 + head[-1:]
    tail = struct.pack("<I", 0xFFFFFFFF) + b"abc" + pack(["de"])
    assert status_of(bad + tail, length) == 413
    assert status_of(head + struct.pack("<I", 3) + b"\xff\xff\xff" + pack(["de"]), length) == 400


def test_limits_are_413():
    assert status_of(request(["a"] * 9)) == 413
    assert status_of(request(["a"], [10_000_000])) == 413
    assert status_of(request(["x" * 1001])) == 413
    assert status_of(request(["ü" * 501])) == 413
    assert read_infer(request(["ü" * 500]), None, LIMITS).texts
    assert status_of(*binary_request(["x" * 1001])) == 413


def test_plain_requests():
    assert read_plain(b'{"text": "a"}', LIMITS).texts == ["a"]
    assert read_plain(b'{"text": ["a", "b"], "top_k": 3}', LIMITS).top_k == 3
    for body in (
        b'{"text": []}',
        b'{"text": 1}',
        b"{}",
        b'{"text": "a", "top_k": 0}',
        b'{"text": "a", "top_k": 1000001}',
        b'{"text": "a", "topk": 1}',
    ):
        with pytest.raises(HTTPError, match=r"."):
            read_plain(body, LIMITS)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=400), st.none() | st.text(max_size=6))
def test_any_bytes_are_read_or_refused(body, length):
    try:
        read_infer(body, length, LIMITS)
    except HTTPError as refusal:
        assert refusal.status in {400, 413}  # noqa: PT017 - a refusal is one of two outcomes


def requests():
    values = st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
        max_leaves=6,
    )
    tensor = st.fixed_dictionaries(
        {
            "name": st.just("text") | values,
            "shape": values | st.lists(st.integers(-1, 9)),
            "datatype": st.just("BYTES"),
        },
        optional={"data": values | st.lists(st.text(max_size=5)), "parameters": values, "other": values},
    )
    return st.fixed_dictionaries(
        {"inputs": st.lists(tensor, max_size=2) | values},
        optional={"id": values, "parameters": values, "outputs": values, "other": values},
    )


@settings(max_examples=300, deadline=None)
@given(requests())
def test_any_json_is_read_or_refused(document):
    try:
        query = read_infer(json.dumps(document).encode(), None, LIMITS)
    except HTTPError as refusal:
        assert refusal.status in {400, 413}  # noqa: PT017 - as above
    else:
        assert all(isinstance(text, str) for text in query.texts)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=20), min_size=1, max_size=8))
def test_binary_texts_survive(texts):
    assert read_infer(*binary_request(texts), LIMITS).texts == texts


def test_encodings():
    body = request(["a"] * 4)
    raw = zlib.compressobj(wbits=-15)
    for encoding, packed in (
        (None, body),
        ("identity", body),
        ("gzip", gzip.compress(body, mtime=0)),
        ("GZIP ", gzip.compress(body, mtime=0)),
        ("gzip", b"".join(gzip.compress(body[at : at + 7], mtime=0) for at in range(0, len(body), 7))),
        ("deflate", zlib.compress(body)),
        ("deflate", raw.compress(body) + raw.flush()),
    ):
        assert unpack(packed, encoding, LIMITS) == body


@pytest.mark.parametrize(
    ("packed", "encoding", "status"),
    [
        (gzip.compress(b"a" * 1000, mtime=0)[:-4], "gzip", 400),
        (gzip.compress(b"a", mtime=0) + b"more", "gzip", 400),
        (gzip.compress(b"a", mtime=0) + gzip.compress(b"b", mtime=0)[:-4], "gzip", 400),
        (zlib.compress(b"a") + zlib.compress(b"b"), "deflate", 400),
        (b"not gzip", "gzip", 400),
        (b"", "gzip", 400),
        (b"", "deflate", 400),
        (gzip.compress(bytes(50_001), mtime=0), "gzip", 413),
        (gzip.compress(bytes(10_000_000), mtime=0), "gzip", 413),
        (2 * gzip.compress(bytes(25_001), mtime=0), "gzip", 413),
        (zlib.compress(bytes(50_001)), "deflate", 413),
        (b"a", "br", 415),
        (b"a", "gzip, gzip", 415),
    ],
    ids=[
        "cut",
        "more",
        "second member cut",
        "two deflated",
        "no gzip",
        "no bytes",
        "no bytes deflated",
        "over",
        "bomb",
        "over in two members",
        "over deflated",
        "brotli",
        "twice",
    ],
)
def test_bad_encodings_are_refused(packed, encoding, status):
    with pytest.raises(HTTPError) as caught:
        unpack(packed, encoding, LIMITS)
    assert caught.value.status == status


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200), st.sampled_from(["gzip", "deflate"]))
def test_any_compressed_bytes_are_unpacked_or_refused(packed, encoding):
    try:
        unpack(packed, encoding, LIMITS)
    except HTTPError as refusal:
        assert refusal.status in {400, 413}  # noqa: PT017 - as above


def test_a_timeout_that_no_clock_counts_is_refused():
    assert status_of(request(["a"], parameters={"timeout": 10**400})) == 400
    assert read_infer(request(["a"], parameters={"timeout": 10**18}), None, LIMITS).timeout == 1e12
