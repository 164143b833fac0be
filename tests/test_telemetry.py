"""Nothing leaves the machine: commands are run under strace, with the usage reports off and, to see that this counts, on."""

import csv
import json
import subprocess
import sys

import pytest

from packlight.runtime.artifact import read_manifest
from watched import Watched, why_not

RECIPE = """
version: 1
name: tiny
steps:
  - {step: finetune, as: teacher, epochs: 1, min_updates: 0, batch_size: 16, max_length: 24, bf16: false, measured: false}
  - {step: export, as: teacher-onnx, measured: false}
  - {step: quantize-onnx, as: teacher-static, mode: static, min_agreement: 0.0}
"""
TEXTS = ["wake me at nine"] * 50
LINGER = 12
"""seconds that a server is watched; onnxruntime 1.32 sends its first report after ten"""
SERVE = """
import json, subprocess, sys, time, urllib.request
from packlight.serve.loadtest.target import free_port, wait_until_ready
port = free_port()
url = f"http://127.0.0.1:{port}"
server = subprocess.Popen([sys.executable, "-m", "packlight", "serve", sys.argv[1], "--port", str(port), "--workers", "1"])
try:
    assert wait_until_ready(url, server, 120)
    body = json.dumps({"text": "wake me at nine"}).encode()
    assert json.load(urllib.request.urlopen(urllib.request.Request(url + "/predict", body)))["label"]
    time.sleep(float(sys.argv[2]))
finally:
    server.terminate()
    server.wait()
"""
COMMANDS = """
import json, sys
from packlight.__main__ import main
for words in json.loads(sys.argv[1]):
    sys.argv = ["packlight", *words]
    try: main()
    except SystemExit as end: assert not end.code, words
"""
"""several commands in one process, which loads PyTorch once"""
needs_watching = pytest.mark.skipif(bool(why_not()), reason=why_not() or "-")


def packlight(folder, *words, **options):
    return Watched(folder, "-m", "packlight", *words, **options)


def assert_nothing_left(seen):
    assert seen.status == 0, seen.said
    assert not seen.contacts
    assert not seen.lookups
    assert not seen.files


@pytest.fixture(scope="module")
def data(tiny, tmp_path_factory):
    file = tmp_path_factory.mktemp("data") / "toy.csv"
    with file.open("w", newline="") as out:
        csv.writer(out).writerows([("text", "label"), *zip(*tiny.toy_texts(), strict=True)])
    return file


@pytest.fixture(scope="module")
def made(data, encoder_folder, tmp_path_factory):
    """What was seen of a run and of a comparison of engines, and the folder of the run's variants."""
    folder = tmp_path_factory.mktemp("watched") / "run"
    recipe = data.parent / "tiny.yaml"
    recipe.write_text(RECIPE)
    run = ("run", "--data", data, "--model", encoder_folder("bert"), "--recipe", recipe)
    engines = (
        "engines",
        "out/variants/teacher",
        "--data",
        data,
        "--rounds",
        2,
        "--texts",
        4,
        "--max-accuracy-loss",
        0.99,
    )
    quick = ("--threads", 1, "--seconds", 0, "--out")
    commands = [[str(word) for word in words] for words in ((*run, *quick, "out"), (*engines, *quick, "engines"))]
    seen = Watched(folder, "-c", COMMANDS, json.dumps(commands), may_write=("out", "engines")).end()
    return seen, folder / "work" / "out" / "variants"


@pytest.fixture(scope="module")
def servers(made, tmp_path_factory):
    """Two servers that are watched while other tests run: with the usage reports off, and on."""
    folder, (_, variants) = tmp_path_factory.mktemp("servers"), made
    words = ("-c", SERVE, variants / "teacher-static", LINGER)
    return Watched(folder / "off", *words), Watched(folder / "on", *words, switch=False)


@needs_watching
def test_the_watcher_sees_connections_names_and_files(tmp_path):
    code = """if True:
        import socket
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM).connect(("192.0.2.1", 9))
        open("left", "w").close()
        try: socket.getaddrinfo("packlight.invalid", 443)
        except OSError: pass"""
    seen = Watched(tmp_path / "watched", "-c", code).end()
    assert "192.0.2.1:9" in seen.contacts
    assert seen.lookups
    assert seen.files == {str(tmp_path / "watched" / "work" / "left")}


@needs_watching
def test_run_and_engines_keep_to_themselves(made):
    seen, variants = made
    assert_nothing_left(seen)
    assert "engine_selection" in read_manifest(variants.parents[1] / "engines").facts


@needs_watching
@pytest.mark.usefixtures("servers")
def test_predict_keeps_to_itself(made, tmp_path):
    _, variants = made
    assert_nothing_left(packlight(tmp_path / "watched", "predict", variants / "teacher-static", *TEXTS).end())


@needs_watching
@pytest.mark.usefixtures("servers")
def test_without_the_switch_predict_leaves_a_device_id(made, tmp_path):
    _, variants = made
    seen = packlight(tmp_path / "watched", "predict", variants / "teacher-static", *TEXTS, switch=False).end()
    assert seen.status == 0, seen.said
    assert any(file.endswith(".onnxruntime/deviceid") for file in seen.files)


@needs_watching
def test_serve_keeps_to_itself(servers):
    assert_nothing_left(servers[0].end())


@needs_watching
def test_without_the_switch_serve_leaves_a_device_id(servers):
    seen = servers[1].end()
    assert seen.status == 0, seen.said
    assert any(file.endswith(".onnxruntime/deviceid") for file in seen.files)


def printed(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()


@pytest.mark.parametrize("first", ["packlight", "huggingface_hub.constants"])
def test_the_hub_client_is_told_in_time_or_after(first, monkeypatch):
    monkeypatch.delenv("HF_HUB_DISABLE_TELEMETRY", raising=False)
    code = (
        f"import {first}, packlight; from huggingface_hub import constants; print(constants.HF_HUB_DISABLE_TELEMETRY)"
    )
    assert printed(code) == ["True"]


def test_openvino_finds_no_package_to_report_with():
    code = "import packlight\ntry: import openvino_telemetry\nexcept ImportError: print('stub')"
    assert printed(code) == ["stub"]


def test_what_was_loaded_before_is_told_directly():
    code = """if True:
        import sys, types
        runtime = types.ModuleType("onnxruntime")
        runtime.disable_telemetry_events = lambda: print("told")
        sender = types.ModuleType("openvino_telemetry.utils.sender")
        sender.TelemetrySender = type("TelemetrySender", (), {"send": lambda self, *_: print("sent")})
        sys.modules |= {each.__name__: each for each in (runtime, sender)}
        import packlight
        sender.TelemetrySender().send("backend", "message")"""
    assert printed(code) == ["told"]
