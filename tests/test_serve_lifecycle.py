"""Servers that are stopped, killed and given new versions, all under load: nothing that was accepted is lost."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time

import psutil
import pytest

from packlight.runtime.artifact import ONNX_INT8, finalize, read_manifest
from packlight.serve.loadtest.client import address_of, http_request, infer_body
from packlight.serve.loadtest.generator import Generator
from packlight.serve.loadtest.settings import Job
from packlight.serve.loadtest.target import free_port
from served import INFER, MODEL, Client, infer, serving

pytest_plugins = ["served"]
pytestmark = pytest.mark.alone
GONE = {"refused"}
"""what a client that comes after the end is told by the system; it was never accepted"""


def under_load(server, act, *, rate=150, seconds=3.0, after=1.0):
    """Run the generator against a server while `act` happens, and give what was observed."""
    address = address_of(server.url, MODEL)
    requests = [http_request(address, infer_body(text)) for text in ("wake me at seven", "play the song queen")]
    timer = threading.Timer(after, act)
    timer.start()
    observed = Generator(Job(address=address, requests=requests, rate=rate, seconds=seconds, connections=8)).run()
    timer.join()
    return observed


def worker_pids(server):
    """Worker processes, told apart from multiprocessing's own by what they answer for."""
    text = Client(server.url)("GET", "/metrics")[2].decode()
    lines = [line for line in text.splitlines() if line.startswith("packlight_process_resident_memory_bytes{")]
    return {int(line.split('"')[1]) for line in lines}


def waiting_texts(server):
    lines = Client(server.url)("GET", "/metrics")[2].decode().splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith("packlight_queue_texts"))


def listening(server):
    """Worker processes that have a listening socket; they show in the metrics a moment earlier."""
    children = psutil.Process(server.pid).children(recursive=True)
    return {
        child.pid
        for child in children
        if any(each.status == psutil.CONN_LISTEN for each in child.net_connections("tcp"))
    }


def until(condition, seconds=15.0):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.02)
    return False


def test_term_under_load_loses_nothing_and_ends_with_0(artifact):
    with serving(artifact, workers=2, grace_seconds=2.5) as server:
        process = psutil.Process(server.pid)
        seen = []

        def stop():
            process.terminate()
            until(lambda: Client(server.url).json("GET", "/v2/health/ready")[0] == 503, seconds=2)
            seen.append(Client(server.url).json("GET", "/v2/health/ready")[0])
            seen.append(Client(server.url)("POST", INFER, infer("a"))[:2])

        observed = under_load(server, stop, seconds=5.0)
        assert process.wait(15) == 0
    ready, (status, headers) = seen
    assert ready == 503
    assert status == 200, "requests are still answered while balancers turn away"
    assert headers["connection"] == "close"
    assert set(observed.errors) <= GONE, observed.errors
    assert len(observed.latency_us) > 100


def test_term_finishes_a_long_request(artifact):
    texts = ["play the song queen and then some more music by mozart"] * 4000
    limits = {"batch_tokens": 1, "texts": len(texts), "queue_texts": 2 * len(texts), "deadline_seconds": 60}
    with serving(artifact, limits=limits) as server:
        client = Client(server.url)
        client.connection.request("POST", INFER, json.dumps(infer(*texts)).encode())
        assert until(lambda: waiting_texts(server) > 0)
        psutil.Process(server.pid).terminate()
        response = client.connection.getresponse()
        assert (response.status, json.loads(response.read())["outputs"][0]["shape"]) == (200, [len(texts)])


def test_a_killed_worker_is_replaced_and_the_others_go_on(artifact):
    with serving(artifact, workers=2) as server:
        assert until(lambda: len(worker_pids(server)) == 2)
        before = worker_pids(server)
        victim = min(before)
        observed = under_load(server, lambda: os.kill(victim, signal.SIGKILL), seconds=4.0)
        # what the killed process held is lost: its open requests and the connections that had come to it
        assert sum(observed.errors.values()) <= 12, observed.errors
        assert set(observed.errors) <= {"lost", "refused"}
        assert len(observed.latency_us) > 500
        assert until(lambda: len(worker_pids(server) - {victim}) == 2)
        assert Client(server.url).json("POST", INFER, infer("a"))[0] == 200


def test_workers_end_with_the_process_above_them(artifact):
    with serving(artifact, workers=2) as server:
        assert until(lambda: len(listening(server)) == 2)
        workers = listening(server)
        os.kill(server.pid, signal.SIGKILL)
        assert until(lambda: not any(psutil.pid_exists(pid) for pid in workers))


def test_workers_share_the_load_evenly(artifact):
    with serving(artifact, workers=2) as server:
        # Connections opened before the second worker listens stay with the first.
        assert until(lambda: len(listening(server)) == 2)
        address = address_of(server.url, MODEL)
        requests = [http_request(address, infer_body("wake me at seven"))]
        observed = Generator(Job(address=address, requests=requests, rate=300, seconds=3, connections=64)).run()
        assert observed.errors == {}

        def shares():
            text = Client(server.url)("GET", "/metrics")[2].decode()
            lines = [line for line in text.splitlines() if line.startswith("packlight_worker_requests{")]
            return [float(line.rsplit(" ", 1)[1]) for line in lines]

        assert until(lambda: sum(shares()) == observed.due)
        # 64 connections fall on two workers as 64 coins do: 1 in 10,000 is more than 49 to 15
        assert min(shares()) >= 0.2 * observed.due, shares()


def test_a_new_version_drops_no_request(artifact, tiny_run, tmp_path):
    shutil.copytree(artifact, tmp_path / MODEL / "1")
    with serving(tmp_path, reload_seconds=0.2) as server:
        observed = under_load(
            server, lambda: shutil.copytree(tiny_run / "variants/teacher-onnx", tmp_path / MODEL / "2")
        )
        assert observed.errors == {}
        client = Client(server.url)
        assert until(lambda: client.json("GET", f"/v2/models/{MODEL}")[1]["versions"] == ["1", "2"])
        assert client.json("POST", INFER, infer("a"))[1]["model_version"] == "2"

        def break_it():
            broken = shutil.copytree(artifact, tmp_path / MODEL / ".3")
            (broken / "config.json").write_text("{}")
            broken.rename(tmp_path / MODEL / "3")

        assert under_load(server, break_it).errors == {}
        assert until(lambda: b'outcome="refused"' in client("GET", "/metrics")[2])
        assert client.json("POST", INFER, infer("a"))[1]["model_version"] == "2"
        assert client.json("GET", "/v2/health/ready")[0] == 200


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (lambda folder: (folder / "tokenizer.json").write_text("{}"), "altered"),
        (lambda folder: (folder / "onnx/model_quantized.onnx").unlink(), "missing"),
        (shutil.rmtree, "no artifact in it"),
    ],
)
def test_the_start_is_refused_in_words(artifact, tmp_path, harm, words):
    folder = shutil.copytree(artifact, tmp_path / "artifact")
    harm(folder)
    command = [sys.executable, "-m", "packlight", "serve", str(folder), "--port", "1"]
    said = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert said.returncode == 2
    assert words in said.stderr
    assert "Traceback" not in said.stderr


def test_a_taken_port_is_refused_in_words(artifact, server):
    port = server.url.rsplit(":", 1)[1]
    command = [sys.executable, "-m", "packlight", "serve", str(artifact), "--port", port]
    said = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert said.returncode == 2
    assert f"port {port}" in said.stderr


def that_does_not_open(artifact, place):
    """An artifact whose hashes are right and whose graph is none."""
    shutil.copytree(artifact, place)
    (place / ONNX_INT8).write_bytes(b"no graph")
    finalize(place, read_manifest(place))
    return place


def test_a_model_that_does_not_open_ends_the_server_with_its_reason(artifact, tmp_path):
    place = that_does_not_open(artifact, tmp_path / "artifact")
    command = [sys.executable, "-m", "packlight", "serve", str(place), "--port", str(free_port()), "--workers", "2"]
    said = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert said.returncode == 2
    *lines, last = said.stderr.splitlines()
    assert "ONNX Runtime cannot open it" in last
    events = [json.loads(line) for line in lines if line.startswith("{")]
    (reason,) = {event["reason"] for event in events if event["event"] == "cannot start"}
    assert reason in last
    assert "Traceback" not in said.stderr


def test_a_name_that_no_url_can_hold_is_refused_in_words(artifact):
    command = [sys.executable, "-m", "packlight", "serve", str(artifact), "--port", "1", "--name", "a/b"]
    said = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert said.returncode == 2
    assert "'a/b' cannot be a model's name" in said.stderr


def test_a_worker_is_replaced_beside_a_broken_version(artifact, tmp_path):
    shutil.copytree(artifact, tmp_path / "models" / MODEL / "1")
    with serving(tmp_path / "models", reload_seconds=0.2) as server:
        that_does_not_open(artifact, tmp_path / "draft").rename(tmp_path / "models" / MODEL / "2")
        (victim,) = worker_pids(server)
        os.kill(victim, signal.SIGKILL)

        def answers():
            try:
                return Client(server.url).json("POST", INFER, infer("a"))
            except OSError:
                return None

        assert until(answers)
        assert answers()[1]["model_version"] == "1"
        assert b'outcome="refused"' in Client(server.url)("GET", "/metrics")[2]
