"""One ordinary client must not stop the others."""

import json
import os
import select
import time

import psutil
import pytest

from packlight.serve.tracing import open_tracing
from served import INFER, Client, infer, serving

pytest_plugins = ["served"]
TEXTS = ["play the song queen and then some more music by mozart"] * 4000
"""a third of a second of work, one text a slice"""


@pytest.fixture(scope="module")
def server(artifact):
    limits = {"batch_tokens": 1, "texts": len(TEXTS), "queue_texts": 2 * len(TEXTS), "deadline_seconds": 60}
    with serving(artifact, limits=limits) as process:
        yield process


def metric(client, name):
    lines = client("GET", "/metrics")[2].decode().splitlines()
    (line,) = [line for line in lines if line.startswith(f"{name} ")]
    return float(line.split()[1])


def until(condition):
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.1)


def answered_meanwhile(server, client):
    """how many single texts are answered between the first inference of a large request and its answer"""
    large = Client(server.url).connection
    large.request("POST", INFER, json.dumps(infer(*TEXTS)).encode())

    def runs():
        return not select.select([large.sock], [], [], 0)[0]

    while runs() and metric(client, "packlight_queue_texts") == 0:
        pass  # its texts are being tokenized
    singles = 0
    while runs():
        assert client.json("POST", INFER, infer("wake me at seven"))[0] == 200
        singles += 1
    response = large.getresponse()
    assert response.status == 200
    assert json.loads(response.read())["outputs"][0]["shape"] == [len(TEXTS)]
    return singles


def test_single_texts_are_answered_while_a_large_request_runs(server, client):
    # one after the other, it would be two at most; a machine that stops this process for a while spoils one round
    assert max(answered_meanwhile(server, client) for _ in range(4)) >= 20
    assert client.json("GET", "/v2/health/ready")[0] == 200


def test_a_large_request_is_answered_at_its_own_deadline(client):
    inferred, milliseconds = 0, 20
    while inferred == 0:  # it is late before its first inference
        before = metric(client, "packlight_batch_texts_sum")
        body = infer(*TEXTS, parameters={"timeout": 1000 * milliseconds})
        status, document = client.json("POST", INFER, body)
        assert (status, list(document)) == (504, ["error"])
        until(lambda: metric(client, "packlight_queue_texts") == 0)
        inferred = metric(client, "packlight_batch_texts_sum") - before
        milliseconds = int(1.5 * milliseconds)
    assert inferred < len(TEXTS), "what was late was not finished all the same"
    assert client.json("POST", INFER, infer("wake me at seven"))[0] == 200
    assert client.json("POST", INFER, infer(*TEXTS))[0] == 200


def test_the_deadline_counts_tokenizing_too(client):
    body = infer(*["a " * 20_000] * 60, parameters={"timeout": 1})
    assert client.json("POST", INFER, body)[0] == 504


def test_a_log_that_nobody_reads_stops_nobody(artifact):
    reader, writer = os.pipe()
    with os.fdopen(reader, "rb") as log, os.fdopen(writer, "wb") as errors:
        with serving(artifact, access_log=True, errors=errors) as server:
            client = Client(server.url)
            for _ in range(3000):
                assert client("GET", "/v2/health/live")[0] == 200
            # metrics take the count once a second
            until(lambda: metric(client, "packlight_log_lines_dropped_total") > 500)
            process = psutil.Process(server.pid)
            process.terminate()
            assert process.wait(30) == 0
        errors.close()
        assert all(line.startswith(b'{"time":') for line in log.read().splitlines())


def test_every_line_is_json_while_the_collector_of_spans_is_down(artifact, tmp_path, monkeypatch):
    pytest.importorskip("opentelemetry.sdk", reason="needs the extra otel")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "50")

    def messages():
        lines = (tmp_path / "log").read_bytes().splitlines(keepends=True)
        return [json.loads(line).get("message", "") for line in lines if line.endswith(b"\n")]

    def exporter_complains_after_one_more():
        assert client.json("POST", INFER, infer("a"))[0] == 200
        return any("127.0.0.1" in each for each in messages())

    with (tmp_path / "log").open("w+b") as log, serving(artifact, tracing=True, errors=log) as server:
        client = Client(server.url)
        until(exporter_complains_after_one_more)
    assert messages()
    assert (tmp_path / "log").read_bytes().endswith(b"\n"), "the last line is whole, too"


def test_the_service_is_called_what_opentelemetrys_variables_say(monkeypatch):
    pytest.importorskip("opentelemetry.sdk", reason="needs the extra otel")

    def name():
        spans = open_tracing()
        spans._provider._active_span_processor.shutdown()
        return spans._provider.resource.attributes["service.name"]

    monkeypatch.delenv("OTEL_SERVICE_NAME", raising=False)
    assert name() == "packlight"
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "service.name=from-attributes")
    assert name() == "from-attributes"
    monkeypatch.setenv("OTEL_SERVICE_NAME", "intent-router")
    assert name() == "intent-router"
