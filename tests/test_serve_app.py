"""A real server over real sockets: routes, limits, faults, keys, logs, metrics."""

import contextlib
import gzip
import json
import socket
import subprocess
import time
import zlib
from urllib.parse import urlsplit

import pytest

from packlight.runtime.predictor import Predictor
from served import INFER, MODEL, Client, all_of, answer_of, infer, raw, serving

pytest_plugins = ["served"]
TEXTS = ["wake me at seven", "play the song queen", "will it rain in oslo", "", "🙂 größer"]


def test_health_and_metadata(client):
    assert client.json("GET", "/v2/health/live") == (200, {"live": True})
    assert client.json("GET", "/v2/health/ready") == (200, {"ready": True})
    assert client.json("GET", f"/v2/models/{MODEL}/ready") == (200, {"name": MODEL, "ready": True})
    status, model = client.json("GET", f"/v2/models/{MODEL}/versions/1")
    assert (status, model["name"], model["versions"]) == (200, MODEL, ["1"])
    assert model["inputs"] == [{"name": "text", "datatype": "BYTES", "shape": [-1]}]
    assert [output["datatype"] for output in model["outputs"]] == ["BYTES", "FP32", "BOOL"]
    assert client.json("GET", "/v2")[1]["extensions"] == ["binary_tensor_data", "classification"]


def test_it_answers_as_the_offline_predictor_does(client, artifact):
    said = Predictor.open(artifact, threads=1).predict(TEXTS)
    status, answer = client.json("POST", INFER, infer(*TEXTS, id="42"))
    assert (status, answer["id"], answer["model_name"]) == (200, "42", MODEL)
    label, scores = answer["outputs"]
    assert label["data"] == [each.label for each in said]
    width = scores["shape"][1]
    for row, each in enumerate(said):
        assert max(scores["data"][row * width : (row + 1) * width]) == pytest.approx(each.score, abs=1e-5)
    for text, each in zip(TEXTS, said, strict=True):
        alone = client.json("POST", "/predict", {"text": text, "top_k": 2})[1]
        assert (alone["label"], alone["out_of_scope"]) == (each.label, each.out_of_scope)
        assert alone["score"] == pytest.approx(each.score, abs=1e-5)
        assert len(alone["top"]) == 2
    many = client.json("POST", "/predict", {"text": TEXTS, "model": MODEL, "version": "1"})[1]["predictions"]
    assert [each["label"] for each in many] == [each.label for each in said]


@pytest.mark.parametrize("pack", [gzip.compress, zlib.compress])
def test_compressed_bodies(client, pack):
    encoding = {"Content-Encoding": "gzip" if pack is gzip.compress else "deflate"}
    body = json.dumps(infer("play the song queen")).encode()
    assert client("POST", INFER, pack(body), encoding)[0] == 200


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"", {}, 400),
        (b"{", {}, 400),
        (b'{"inputs":' + b"[" * 100_000, {}, 400),
        (json.dumps(infer("a")).encode()[:-2], {}, 400),
        (b'{"inputs": [{"name": "text", "shape": [1], "datatype": "BYTES", "data": [NaN]}]}', {}, 400),
        (json.dumps(infer("a")).encode().replace(b'"a"', b'"\xff\xfe"'), {}, 400),
        (b"abc", {"Inference-Header-Content-Length": "99"}, 400),
        (infer("x" * 10_000_000), {}, 413),
        (infer("x" * 100_000), {}, 413),
        (infer(*["x"] * 257), {}, 413),
        (gzip.compress(bytes(32 << 20), mtime=0), {"Content-Encoding": "gzip"}, 413),
        (b"{}", {"Content-Encoding": "br"}, 415),
    ],
)
def test_what_cannot_be_read_is_refused_with_a_reason(server, body, headers, status):
    got, answer = Client(server.url).json("POST", INFER, body, headers)
    assert got == status
    assert set(answer) == {"error"}
    assert "/" not in answer["error"].replace("/docs", "")
    assert Client(server.url).json("GET", "/v2/health/live")[0] == 200


def test_routes_that_are_not_there(client):
    for method, path, status in (
        ("GET", "/nope", 404),
        ("GET", "/v2/models/other", 404),
        ("POST", "/v2/models/other/infer", 404),
        ("POST", f"/v2/models/{MODEL}/versions/9/infer", 404),
        ("GET", f"/v2/models/{MODEL}/%2e%2e/packlight.json", 404),
        ("GET", "/page/../app.py", 404),
        ("POST", "/v2/health/live", 405),
        ("GET", INFER, 405),
        ("OPTIONS", INFER, 405),
        ("DELETE", f"/v2/models/{MODEL}", 405),
    ):
        got, headers, data = client(method, path, b"" if method != "GET" else None)
        assert (got, set(json.loads(data))) == (status, {"error"}), (method, path)
        assert "access-control-allow-origin" not in headers


def test_the_page_and_the_documents_need_no_other_host(client):
    for path in ("/", "/docs", "/page.js", "/page.css", "/openapi.json"):
        status, headers, data = client("GET", path)
        assert status == 200
        assert b"https://" not in data
        assert "default-src 'self'" in headers["content-security-policy"]
    assert client("HEAD", "/")[2] == b""
    model = client.json("GET", "/models")[1]["models"][0]
    assert model["name"] == MODEL
    assert model["figures"]["size_mb"] > 0


def test_request_ids(client):
    assert client("GET", "/v2", None, {"X-Request-Id": "abc-1"})[1]["x-request-id"] == "abc-1"
    first, second = (client("GET", "/v2", None, {"X-Request-Id": "a b\tc"})[1]["x-request-id"] for _ in range(2))
    assert first != second
    assert " " not in first


def test_chunked_bodies_are_read_and_capped(server):
    client = Client(server.url)
    body = json.dumps(infer("play the song queen")).encode()
    client.connection.request("POST", INFER, iter([body[:20], body[20:]]), encode_chunked=True)
    assert client.connection.getresponse().status == 200
    client = Client(server.url)
    try:
        client.connection.request("POST", INFER, (b" " * 65536 for _ in range(200)), encode_chunked=True)
    except (BrokenPipeError, ConnectionResetError):
        return  # refused while it was still being sent
    assert client.connection.getresponse().status == 413


def test_clients_that_vanish_do_no_harm(server):
    parts = urlsplit(server.url)
    body = json.dumps(infer(*["play the song queen"] * 50)).encode()
    head = f"POST {INFER} HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    for data in (head, head + body[:10], head + body, head[:9], b"\x00\x01nonsense\r\n\r\n"):
        for _ in range(5):
            with socket.create_connection((parts.hostname, parts.port)) as connection:
                connection.sendall(data)
    assert Client(server.url).json("POST", INFER, infer("a"))[0] == 200
    until = time.monotonic() + 30
    while "packlight_queue_texts 0.0" not in (metrics := Client(server.url)("GET", "/metrics")[2].decode()):
        assert time.monotonic() < until, metrics
        time.sleep(0.1)


def test_metrics_are_in_base_units_and_count(server):
    client = Client(server.url)
    client.json("POST", INFER, infer("a"))
    text = client("GET", "/metrics")[2].decode()
    for stage in ("decode", "tokenize", "queue", "infer", "encode"):
        assert f'packlight_{stage}_duration_seconds_bucket{{le="5e-05"}}' in text
        assert f'packlight_{stage}_duration_seconds_bucket{{le="1.0"}}' in text
    assert 'packlight_requests_total{route="infer",status="200"}' in text
    assert 'packlight_request_duration_seconds_count{route="infer"}' in text


def test_curl(server):
    body = json.dumps(infer("play the song queen"))
    said = subprocess.run(
        ["curl", "-sSf", "-d", body, server.url + INFER], capture_output=True, text=True, check=True, timeout=20
    )
    assert json.loads(said.stdout)["outputs"][0]["datatype"] == "BYTES"


def test_slow_bodies_are_cut_off(artifact):
    with serving(artifact, limits={"body_seconds": 0.5}) as server:
        parts = urlsplit(server.url)
        with socket.create_connection((parts.hostname, parts.port), timeout=10) as connection:
            connection.sendall(f"POST {INFER} HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n{{".encode())
            assert connection.recv(1000).startswith(b"HTTP/1.1 408")


def test_slow_heads_and_silent_connections_are_cut_off(artifact):
    with serving(artifact, limits={"head_seconds": 1, "keep_alive_seconds": 1}) as server:
        with raw(server) as silent, raw(server) as slow, raw(server) as idle:
            idle.sendall(b"GET /v2/health/live HTTP/1.1\r\nHost: a\r\n\r\n")
            slow.sendall(b"GET / HTTP/1.1\r\n")
            for letter in b"X-Slow":
                time.sleep(0.1)
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                    slow.sendall(bytes([letter]))
            assert all_of(slow).startswith(b"HTTP/1.1 408")
            assert all_of(silent) == b""
            assert all_of(idle).endswith(b'{"live":true}')
        assert Client(server.url).json("GET", "/v2/health/live")[0] == 200


def test_connections_that_bring_no_request_are_cut_off(artifact):
    with (
        serving(artifact, limits={"head_seconds": 1, "keep_alive_seconds": 1}) as server,
        contextlib.ExitStack() as stack,
    ):
        empty, after, answered, slow = (stack.enter_context(raw(server)) for _ in range(4))
        empty.sendall(b"\r\n")
        after.sendall(b"GET /v2/health/live HTTP/1.1\r\nHost: a\r\n\r\n")
        answered.sendall(b"POST /nope HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n")
        body = json.dumps(infer("a")).encode()
        slow.sendall(f"POST {INFER} HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n\r\n".encode())
        assert answer_of(after).endswith(b'{"live":true}')
        assert b"404" in answer_of(answered)
        after.sendall(b"\r\n")
        for number in range(16):
            time.sleep(0.1)
            slow.sendall(body[number : number + 1])
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                answered.sendall(b"a")
        slow.sendall(body[16:])
        assert answer_of(slow).startswith(b"HTTP/1.1 200"), "a body has a bound of its own"
        assert all_of(empty).startswith(b"HTTP/1.1 408")
        assert all_of(after).startswith(b"HTTP/1.1 408")
        assert all_of(answered) == b""


def test_a_body_that_comes_after_its_answer_is_let_pass(server):
    with raw(server) as connection:
        connection.sendall(b"POST /nope HTTP/1.1\r\nHost: a\r\nContent-Length: 400000\r\n\r\n")
        assert b"404" in answer_of(connection)
        for _ in range(4):
            connection.sendall(b"a" * 100_000)
            time.sleep(0.02)
        connection.sendall(b"GET /v2/health/live HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        assert all_of(connection).endswith(b'{"live":true}')


def test_heads_without_end_are_cut_off(server):
    with raw(server) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nX-Long: ")
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            for _ in range(1000):
                connection.sendall(b"a" * 4096)
        connection.settimeout(5)
        assert all_of(connection)[:12] in (b"", b"HTTP/1.1 431")
    with raw(server) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\n")
        for number in range(9):
            time.sleep(0.02)
            connection.sendall(f"X-{number}: {'a' * 8000}\r\n".encode())
        assert all_of(connection).startswith(b"HTTP/1.1 431")


@pytest.mark.parametrize(("size", "status"), [(63 << 10, b"200"), (65 << 10, b"431"), (300 << 10, b"431")])
def test_a_large_head_in_one_piece_is_counted_too(server, size, status):
    with raw(server) as connection:
        connection.settimeout(5)
        head = b"POST /predict HTTP/1.1\r\nHost: x\r\nX-Long: %s\r\nConnection: close\r\nContent-Length: 13\r\n\r\n" % (
            b"a" * size
        )
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            connection.sendall(head + b'{"text":"hi"}')
        answer = all_of(connection)
        assert answer[9:12] == status or (status == b"431" and not answer), answer[:80]
        assert answer.count(b"HTTP/1.1") <= 1


def test_what_is_not_http_is_refused_in_json(server):
    with raw(server) as connection:
        connection.sendall(b"hello?\r\n\r\n")
        head, body = all_of(connection).split(b"\r\n\r\n", 1)
    assert head.startswith(b"HTTP/1.1 400")
    assert "error" in json.loads(body)


def test_requests_in_a_row_on_one_connection_are_answered_in_order(server):
    with raw(server) as connection:
        connection.sendall(
            b"GET /v2/health/live HTTP/1.1\r\nHost: a\r\n\r\n"
            b"GET /v2/health/ready HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
        )
        said = all_of(connection)
    assert said.index(b'{"live":true}') < said.index(b'{"ready":true}')


def test_a_body_without_end_is_cut_off(server):
    with raw(server) as connection:
        connection.sendall(f"POST {INFER} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
        sent = 0
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            while sent < 200 << 20:
                connection.sendall(b"10000\r\n" + b"a" * 0x10000 + b"\r\n")
                sent += 0x10000
        assert sent < 100 << 20
    assert Client(server.url).json("GET", "/v2/health/live")[0] == 200


def test_keys(artifact, monkeypatch):
    monkeypatch.setenv("PACKLIGHT_API_KEY", "first, second")
    with serving(artifact) as server:
        client = Client(server.url)
        for headers in ({}, {"X-API-Key": "wrong"}, {"Authorization": "Bearer"}, {"Authorization": "Basic first"}):
            status, answer = client.json("POST", INFER, infer("a"), headers)
            assert (status, set(answer)) == (401, {"error"})
        for headers in ({"X-API-Key": "first"}, {"Authorization": "Bearer second"}, {"Authorization": "bearer first"}):
            assert client.json("POST", INFER, infer("a"), headers)[0] == 200
        assert client.json("GET", "/models")[0] == 401
        for path in (f"/v2/models/other{tail}" for tail in ("", "/ready", "/infer", "/versions/9/infer")):
            method = "POST" if path.endswith("infer") else "GET"
            assert client(method, path)[0] == 401, "who has no key learns nothing of which models there are"
            assert client(method, path, None, {"X-API-Key": "first"})[0] == 404
        for path in ("/v2/health/live", "/v2/health/ready", "/metrics", "/"):
            assert client("GET", path)[0] == 200
    with serving(artifact, protect_health=True, protect_metrics=True) as server:
        client = Client(server.url)
        for path in ("/v2/health/live", "/v2/health/ready", "/metrics"):
            assert client("GET", path)[0] == 401
            assert client("GET", path, None, {"X-API-Key": "first"})[0] == 200


def test_other_origins_only_when_asked(artifact):
    with serving(artifact, cors_origins=("http://app.example",), page=False, metrics=False) as server:
        client = Client(server.url)
        asked = {"Origin": "http://app.example"}
        assert client("POST", INFER, infer("a"), asked)[1]["access-control-allow-origin"] == "http://app.example"
        assert "access-control-allow-origin" not in client("POST", INFER, infer("a"), {"Origin": "http://b.example"})[1]
        status, headers, _ = client("OPTIONS", INFER, b"", asked)
        assert (status, headers["access-control-allow-methods"]) == (200, "POST")
        for path in ("/", "/docs", "/models", "/metrics"):
            assert client("GET", path)[0] == 404


def test_a_full_queue_is_429_and_a_passed_deadline_504(artifact):
    with serving(artifact, limits={"queue_texts": 1, "batch_tokens": 1}) as server:
        clients = [Client(server.url) for _ in range(12)]
        body = json.dumps(infer(*["play the song queen"] * 200)).encode()
        for client in clients:
            client.connection.request("POST", INFER, body)
        responses = [client.connection.getresponse() for client in clients]
        statuses = sorted(response.status for response in responses)
        assert set(statuses) == {200, 429}
        shed = next(response for response in responses if response.status == 429)
        assert shed.getheader("retry-after") == "1"
    with serving(artifact, limits={"deadline_seconds": 1e-6}) as server:
        client = Client(server.url)
        assert client.json("POST", INFER, infer("a"))[0] == 504
        assert "packlight_infer_duration_seconds_count 0.0" in client("GET", "/metrics")[2].decode()


def test_logs_are_json_lines_without_texts(artifact, tmp_path):
    secret = "the song of my secret garden"
    with (tmp_path / "log").open("w+b") as log, serving(artifact, access_log=True, errors=log) as server:
        client = Client(server.url)
        client("POST", INFER, infer(secret), {"X-Request-Id": "mine"})
        client("POST", INFER, json.dumps(infer(secret)).encode()[:-1])
        client("POST", INFER, infer(secret, secret, outputs=[{"name": "nothing"}]))
        told = client.json("POST", "/predict", {"text": "a", secret: "a"})
    assert told[0] == 400
    assert secret in told[1]["error"], "who wrote it may read it"
    lines = [json.loads(line) for line in (tmp_path / "log").read_bytes().splitlines()]
    assert "secret" not in (tmp_path / "log").read_text()
    requests = [line for line in lines if line["event"] == "request" and line["path"] == INFER]
    assert [line["status"] for line in requests] == [200, 400, 400]
    assert requests[0]["request"] == "mine"
    assert requests[0]["texts"] == 1
    assert requests[1]["reason"]
    assert {"listening", "ready", "stopped"} <= {line["event"] for line in lines}
