"""Keys, the drain flag, logs, tracing; and that a server needs no torch."""

import asyncio
import contextlib
import json
import logging
import os
import re
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from packlight.cli import app
from packlight.errors import PacklightError
from packlight.serve import server
from packlight.serve.app import create
from packlight.serve.drain_flag import DrainFlag
from packlight.serve.http_errors import HTTPError
from packlight.serve.interface import DESCRIBED
from packlight.serve.keys import Keys
from packlight.serve.lifespan import repeat
from packlight.serve.line_writer import WAITING_BYTES, LineWriter, write_all
from packlight.serve.logs import JsonLines, Log
from packlight.serve.openapi import document
from packlight.serve.routes import Target, target_of
from packlight.serve.server import serve
from packlight.serve.settings import Limits, Settings, read_settings, write_settings
from packlight.serve.startup import StartupState
from packlight.serve.tracing import Spans


def test_a_server_is_imported_without_torch():
    code = (
        "import sys\n"
        "class Block:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.partition('.')[0] in ('torch', 'transformers', 'onnx', 'matplotlib'): raise ImportError(name)\n"
        "sys.meta_path.insert(0, Block())\n"
        "import packlight.serve.app, packlight.serve.server, packlight.serve.loadtest.measure, packlight.serve.deploy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("/v2/models/a/infer", Target("infer", "a")),
        ("/v2/models/a/versions/1.2/infer", Target("infer", "a", "1.2")),
        ("/v2/models/a/versions/3", Target("model", "a", "3")),
        ("/v2/models/a/ready", Target("model-ready", "a")),
        ("/v2/models/versions/versions/1", Target("model", "versions", "1")),
        ("/v2/health/live", Target("live")),
        ("/v2/health/live/", Target("live")),
        ("/v2/", Target("server")),
        ("/v2/models/a/infer/", Target("infer", "a")),
        ("/predict/", Target("predict")),
        ("/v2/models/", Target("other")),
        ("/v2/models", Target("other")),
        ("/v3/models/a", Target("other")),
        ("", Target("other")),
    ],
)
def test_paths_have_their_handlers(path, target):
    assert target_of(path) == target


def test_paths_with_more_or_less_have_none():
    for path in (
        "/v2/models/a/infer//",
        "/v2/models/a/versions//infer",
        "/v2/models/a/b/infer",
        "//v2/health/live",
        "/docs/",
        "//",
    ):
        assert target_of(path).route == "other"


def test_keys_are_compared_as_bytes():
    keys = Keys(["one", "zwö", ""])
    assert keys
    assert not Keys([""])
    keys.check("one", None)
    keys.check(None, "Bearer " + "zwö".encode().decode("latin-1"))
    for given in (
        (None, None),
        ("", None),
        ("on", None),
        ("oneone", None),
        (None, "one"),
        (None, "Bearer "),
        (None, "Bearer zwö"),
    ):
        with pytest.raises(HTTPError) as caught:
            keys.check(*given)
        assert caught.value.status == 401


def test_the_drain_flag_is_seen_by_every_process(tmp_path):
    flag = DrainFlag(tmp_path)
    other = DrainFlag(tmp_path)
    assert not other.raised
    flag.raise_()
    assert other.raised
    assert DrainFlag(tmp_path).raised


def test_logs_are_gathered_and_never_hold_up(tmp_path):
    with (tmp_path / "log").open("wb") as stream:
        log = Log(access=True, writer=LineWriter(stream.fileno()))
        log.request("id", "POST", "/predict", 200, 0.00123456, 1, None)
        assert (tmp_path / "log").read_bytes() == b""
        log.event("info", "hello", model="a")
        log.drain()
    first, second = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    assert (first["request"], first["seconds"], "reason" in first) == ("id", 0.001235, False)
    assert (second["event"], second["model"]) == ("hello", "a")
    reader, writer = os.pipe()
    os.close(reader)
    write_all(writer, b"nobody reads this")
    os.close(writer)


def test_lines_that_nobody_reads_are_dropped_and_counted():
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    full = 0
    with contextlib.suppress(BlockingIOError):
        while True:
            full += os.write(writer, b" " * 1024)
    os.set_blocking(writer, True)
    log = Log(access=True, writer=LineWriter(writer))
    line = "x" * 1000
    for _ in range(1000):
        log.event("info", line)
    dropped = log.dropped
    held = 1000 - dropped
    assert 0 < 1000 * held <= WAITING_BYTES, "what waits is bounded"
    written = b""
    while written.count(b"\n") < held:
        written += os.read(reader, 1 << 16)
    written = written[full:]
    assert all(json.loads(each)["event"] == line for each in written.splitlines())
    log.event("info", "again")
    log.drain()
    told, again = (json.loads(each) for each in os.read(reader, 1 << 16).splitlines())
    assert (told["event"], told["lines"], again["event"]) == ("log lines dropped", dropped, "again")
    log.event("info", "and again")
    log.drain()
    assert json.loads(os.read(reader, 1 << 16))["event"] == "and again", "dropped lines are told of once"
    os.close(reader)
    os.close(writer)


def test_settings_travel(monkeypatch):
    monkeypatch.delenv("PACKLIGHT_SERVE_SETTINGS", raising=False)
    settings = Settings(path="a", workers=3, cors_origins=("http://a",))
    with monkeypatch.context() as patch:
        patch.setenv("PACKLIGHT_SERVE_SETTINGS", "")
        write_settings(settings)
        assert read_settings() == settings


def test_spans():
    pytest.importorskip("opentelemetry.sdk", reason="needs the extra otel")
    from opentelemetry.sdk.trace import TracerProvider  # as above
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    kept = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(kept))
    spans = Spans(provider)
    trace = "0af7651916cd43dd8448eb211c80319c"
    spans.request("infer", "id-1", 200, 0.25, 3, f"00-{trace}-b7ad6b7169203331-01")
    spans.request("infer", "id-2", 500, 0.25, 3, None)
    first, second = kept.get_finished_spans()
    assert f"{first.context.trace_id:032x}" == trace
    assert first.end_time - first.start_time == 250_000_000
    assert dict(first.attributes) == {
        "http.response.status_code": 200,
        "packlight.request": "id-1",
        "packlight.texts": 3,
    }
    assert second.parent is None
    assert not second.status.is_ok
    spans.close()


def test_keys_of_the_environment_may_have_spaces_between(monkeypatch, tmp_path):
    monkeypatch.setenv("PACKLIGHT_API_KEY", "first, zwö ,")
    monkeypatch.setenv("PACKLIGHT_SERVE_SETTINGS", json.dumps({"path": "a", "runtime": str(tmp_path)}))
    keys = create()._keys
    keys.check("first", None)
    keys.check("zwö".encode().decode("latin-1"), None)
    for given in ("", " ", " zwö", "zwö "):
        with pytest.raises(HTTPError):
            keys.check(given, None)


def test_a_path_too_long_for_the_cache_has_its_handler_too():
    name = "a" * 600
    assert target_of(f"/v2/models/{name}/infer") == Target("infer", name)


def test_the_clockwork_goes_on_after_a_fault():
    done = []
    thrice = asyncio.Event()

    def work():
        done.append(True)
        if len(done) == 3:
            thrice.set()
        if len(done) == 1:
            raise OSError("no space left on device")

    async def scenario():
        loop = asyncio.get_running_loop()
        faults = []
        loop.set_exception_handler(lambda _, context: faults.append(context["exception"]))
        loop.call_soon(repeat, loop, 0.001, work)
        async with asyncio.timeout(5):
            await thrice.wait()
        return faults

    assert len(asyncio.run(scenario())) == 1


def test_lines_of_libraries_say_what_went_wrong():
    error = ValueError("the model is gone")
    record = logging.makeLogRecord({"msg": "failed", "exc_info": (ValueError, error, None)})
    line = json.loads(JsonLines().format(record))
    assert (line["message"], line["kind"], line["reason"]) == ("failed", "ValueError", "the model is gone")
    assert "kind" not in json.loads(JsonLines().format(logging.makeLogRecord({"msg": "well"})))


def test_a_start_fails_only_where_none_became_ready(tmp_path):
    starting = StartupState(tmp_path)
    assert starting.failure is None
    starting.failed("no größe")
    assert StartupState(tmp_path).failure == "no größe"
    starting.became_ready()
    assert StartupState(tmp_path).failure is None


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"workers": 0}, "workers"),
        ({"workers": 10_000}, "workers=10000: give a whole number from 1 to"),
        ({"port": 70_000}, "port"),
        ({"limits": Limits(queue_texts=0)}, "queue_texts"),
        ({"limits": Limits(deadline_seconds=0)}, "deadline_seconds"),
    ],
)
def test_settings_made_in_python_have_bounds_too(wrong, said):
    with pytest.raises(PacklightError, match=said):
        serve(Settings(path="nowhere", **wrong))


def test_protection_without_a_key_is_refused(monkeypatch):
    for keys in ("", " , "):
        monkeypatch.setenv("PACKLIGHT_API_KEY", keys)
        with pytest.raises(
            PacklightError, match="--protect-health and --protect-metrics: PACKLIGHT_API_KEY has no key"
        ):
            serve(Settings(path="nowhere", protect_health=True, protect_metrics=True))
    monkeypatch.setenv("PACKLIGHT_API_KEY", "first,second")
    with pytest.raises(PacklightError, match="no artifact in it"):
        serve(Settings(path="nowhere", protect_metrics=True))


def test_a_name_for_a_folder_of_models_is_refused(tmp_path):
    for place in ("intent", "topic/1"):
        (tmp_path / place).mkdir(parents=True)
        (tmp_path / place / "packlight.json").write_text("{}")
    with pytest.raises(
        PacklightError, match=r"--name mine: .* is a folder of artifacts, which have the names of their folders"
    ):
        serve(Settings(path=str(tmp_path), name="mine"))


def test_the_description_follows_from_the_records_and_the_limits():
    described = document(Limits(texts=7, text_bytes=99))
    schemas = described["components"]["schemas"]
    one, several = schemas["PredictRequest"]["properties"]["text"]["anyOf"]
    assert (one["maxLength"], several["maxItems"], several["items"]["maxLength"]) == (99, 7, 99)
    assert schemas["TextInput"]["properties"]["data"]["maxItems"] == 7
    assert {each.__name__ for each in DESCRIBED} <= schemas.keys()
    text = json.dumps(described)
    named = set(re.findall(r"#/components/schemas/(\w+)", text))
    assert named <= schemas.keys()
    assert set(schemas) - named == set(), "described, but nothing refers to it"
    for name in ("text_bytes", '"texts"'):
        assert name not in text, "a limit that was not filled in"


@pytest.mark.parametrize(("threads", "workers"), [(1, 8), (2, 4), (3, 2), (16, 1)])
def test_there_are_as_many_workers_as_have_processors_for_their_threads(monkeypatch, threads, workers):
    monkeypatch.setattr(server.sys, "platform", "linux")
    monkeypatch.setattr(server, "cpu_budget", lambda: 8)
    asked = []
    monkeypatch.setattr(server, "serve", asked.append)
    said = CliRunner().invoke(app, ["serve", "artifact", "--threads", str(threads)])
    assert said.exit_code == 0, said.output
    assert [(each.threads, each.workers) for each in asked] == [(threads, workers)]
