"""The generator against small servers that are known to answer, to stall and to fail."""

import json
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager

import msgspec
import numpy as np
import psutil
import pytest

from packlight.errors import MeasurementError, PacklightError
from packlight.serve.loadtest.client import Address, address_of, http_request, infer_body
from packlight.serve.loadtest.generator import Generator
from packlight.serve.loadtest.measure import fill, measure_load
from packlight.serve.loadtest.plot import draw
from packlight.serve.loadtest.process import GeneratorProcess
from packlight.serve.loadtest.ramp import raise_rate
from packlight.serve.loadtest.rates import Ramp, poisson
from packlight.serve.loadtest.result import Bound, Level, LoadResult, level_of, times_of, write_result
from packlight.serve.loadtest.settings import Job, Observed
from packlight.serve.loadtest.target import Process, Running, free_port, model_of
from served import MODEL, serving

pytest_plugins = ["command", "served"]
pytestmark = pytest.mark.alone
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
BUSY = b"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 2\r\n\r\n{}"
CLOSING = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}"


@contextmanager
def answering(answer):
    """A server on threads: `answer(number)` gives the bytes for the so-manyth request, or None to hang up."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=256)
    numbers = iter(range(10**9))
    requests = []

    def talk(connection):
        with connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while data := connection.recv(65536):
                requests.append(data)
                said = answer(next(numbers))
                if said is None:
                    return
                connection.sendall(said)
                if b"close" in said:
                    return

    def accept():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=talk, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    yield Address("127.0.0.1", listener.getsockname()[1], "/infer"), requests
    listener.close()


def run(address, **more):
    fields = {"rate": 200.0, "seconds": 1.0, "connections": 4} | more
    return Generator(Job(address=address, requests=[http_request(address, infer_body("a"))], **fields)).run()


def test_arrivals_are_a_poisson_process():
    times = poisson(500, 40, seed=3)
    gaps = np.diff(times)
    assert len(times) == pytest.approx(20_000, rel=0.03)
    assert gaps.mean() == pytest.approx(1 / 500, rel=0.03)
    assert gaps.std() == pytest.approx(gaps.mean(), rel=0.05)
    assert times[-1] < 40
    assert (poisson(500, 40, seed=3) == times).all()


def test_requests_are_whole():
    address = address_of("http://127.0.0.1:8080/base/", "intent")
    assert address.path == "/base/v2/models/intent/infer"
    assert address_of("http://host", "my ärtifact/1").path == "/v2/models/my%20%C3%A4rtifact%2F1/infer"
    head, _, body = http_request(address, infer_body("größer"), [("X-API-Key", "k")]).partition(b"\r\n\r\n")
    assert head.startswith(b"POST /base/v2/models/intent/infer HTTP/1.1\r\nHost: 127.0.0.1:8080")
    assert f"Content-Length: {len(body)}".encode() in head
    assert json.loads(body)["inputs"][0]["data"] == ["größer"]
    with pytest.raises(PacklightError, match="plain http"):
        address_of("https://127.0.0.1", "m")


def test_every_request_is_sent_and_counted():
    with answering(lambda _: OK) as (address, requests):
        observed = run(address)
    assert observed.due == len(observed.latency_us) == len(requests)
    assert observed.errors == {}
    assert len(observed.service_us) == observed.due


def test_a_stall_is_charged_to_every_request_that_fell_due_in_it():
    def answer(number):
        if number == 60:
            time.sleep(0.5)
        return OK

    with answering(answer) as (address, _):
        observed = run(address, most_connections=1, connections=1, rate=200.0)
    late = sum(latency > 100_000 for latency in observed.latency_us)
    assert late >= 60, "about 80 of the 100 requests that fell due in the stall waited over 0.1 s"
    assert sum(service > 100_000 for service in observed.service_us) <= 3, "closed-loop timing sees one"
    assert observed.errors == {}


def test_arrivals_do_not_wait_for_answers():
    def answer(_):
        time.sleep(0.3)
        return OK

    with answering(answer) as (address, _):
        observed = run(address, rate=100.0)
    assert observed.due == len(observed.latency_us)
    assert np.median(observed.latency_us) < 600_000, "all are under way at once, on more connections"


def test_statuses_and_lost_connections_are_errors():
    with answering(lambda number: BUSY if number % 2 else OK) as (address, _):
        observed = run(address)
    assert observed.errors["429"] + len(observed.latency_us) == observed.due
    with answering(lambda number: None if number == 20 else OK) as (address, _):
        assert run(address).errors == {"lost": 1}
    with answering(lambda number: b"nonsense\r\n\r\n" if number == 20 else OK) as (address, _):
        assert run(address).errors == {"lost": 1}


def test_connections_that_the_server_closes_are_no_error():
    with answering(lambda _: CLOSING) as (address, _):
        observed = run(address)
    assert observed.errors == {}
    assert len(observed.latency_us) == observed.due


def test_what_takes_too_long_is_given_up():
    def answer(number):
        time.sleep(6 if number == 5 else 0)
        return OK

    with answering(answer) as (address, _):
        observed = run(address, timeout=3, seconds=0.6)
    assert observed.errors == {"timeout": 1}


def test_the_warm_up_is_not_counted():
    with answering(lambda _: OK) as (address, requests):
        observed = run(address, warm_seconds=1.0)
    assert observed.due == len(observed.latency_us)
    assert len(requests) > 1.5 * observed.due


def test_the_generators_own_process():
    with answering(lambda _: OK) as (address, _), GeneratorProcess() as generator:
        requests = [http_request(address, infer_body("a"))]
        for _ in range(2):
            assert generator.run(Job(address=address, requests=requests, rate=100, seconds=0.5)).errors == {}
        nowhere = Address("127.0.0.1", 1, "/")
        observed = generator.run(Job(address=nowhere, requests=requests, rate=50, seconds=0.3))
        assert set(observed.errors) == {"refused"}


def test_a_generator_that_died_is_told_and_cleared_away():
    before = set(psutil.Process().children())
    with GeneratorProcess() as generator:
        (child,) = set(psutil.Process().children()) - before
        child.kill()
        more_than_a_pipe_holds = [b"x" * 1_000_000]
        with pytest.raises(MeasurementError, match="was killed by SIGKILL"):
            generator.run(Job(address=Address("127.0.0.1", 1, "/"), requests=more_than_a_pipe_holds, rate=1, seconds=1))
    assert not child.is_running()


def test_a_generator_that_fails_says_why():
    requests = [http_request(Address("127.0.0.1", 1, "/"), b"{}")]
    with GeneratorProcess() as generator, pytest.raises(MeasurementError, match=r"status 1(.|\n)*ZeroDivisionError"):
        generator.run(Job(address=Address("127.0.0.1", 1, "/"), requests=requests, rate=0, seconds=1))


def test_processor_time_counts_processes_that_ended():
    code = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'sum(range(10**7))']); print(flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        target = Process("http://127.0.0.1:1", process, 1)
        process.stdout.readline()
        alone = psutil.Process(process.pid).cpu_times()
        assert target.cpu_seconds() > alone.user + alone.system + 0.03
        assert target.memory_mb() > 1
        process.stdin.close()
    assert target.cpu_seconds() is None
    assert target.memory_mb() is None


def fake_level(rate, *, carried, attempt=1):
    return Level(
        rate=rate,
        seconds=1,
        due=1,
        answered=1,
        errors={},
        latency_ms=None,
        service_ms=None,
        generator_late_ms=0,
        cpu_ms_per_request=None,
        carried=carried,
        attempt=attempt,
    )


@pytest.mark.parametrize("limit", [50, 130, 700, 1234])
def test_the_ramp_closes_in_on_the_limit(limit):
    told = []
    levels = raise_rate(
        lambda rate, attempt: fake_level(rate, carried=rate <= limit, attempt=attempt),
        Ramp(start=100, factor=1.5, refine=6, attempts=2),
        told.append,
    )
    assert list(levels) == told
    carried = [level.rate for level in levels if level.carried]
    broken = [level.rate for level in levels if not level.carried]
    assert min(broken) > limit
    assert all(broken.count(rate) == 2 for rate in broken), "each is tried again before it counts"
    if limit >= 100:
        assert limit / 1.02 < max(carried) <= limit


def test_a_level_that_holds_at_the_second_attempt_is_carried():
    levels = raise_rate(
        lambda rate, attempt: fake_level(rate, carried=rate <= 150 and attempt == 2, attempt=attempt),
        Ramp(start=100, refine=0),
        lambda _: None,
    )
    assert [(level.rate, level.carried) for level in levels][:2] == [(100, False), (100, True)]


def test_levels_judge_the_bound():
    fast = Observed(due=3, latency_us=[1000, 2000, 3000], service_us=[900, 1900, 2900], errors={}, late_us=5, seconds=1)
    bound = Bound(p99_ms=10)
    level = level_of(fast, rate=3, seconds=1, bound=bound, cpu_seconds=0.003, attempt=1)
    assert level.carried
    assert level.cpu_ms_per_request == pytest.approx(1)
    assert level.latency_ms.p50 == 2
    assert level.latency_ms.max == 3
    failed = Observed(due=4, latency_us=[1000], service_us=[900], errors={"429": 3}, late_us=5, seconds=1)
    assert not level_of(failed, rate=3, seconds=1, bound=bound, cpu_seconds=None, attempt=1).carried
    assert not level_of(fast, rate=3, seconds=1, bound=Bound(p99_ms=2), cpu_seconds=None, attempt=1).carried
    assert times_of([]) is None


def test_a_whole_measurement_is_written_read_and_drawn(tmp_path):
    with answering(lambda _: OK) as (address, requests):
        result = measure_load(
            Running(f"http://127.0.0.1:{address.port}"),
            ["one", "two"],
            model="peer",
            source="invented",
            ramp=Ramp(seconds=0.5),
            bound=Bound(p99_ms=10_000),
            rates=[50, 100],
            path="/classify",
            template='{"input": ["{text}"], "model": "m"}',
        )
    assert [level.rate for level in result.levels] == [50, 100]
    assert result.sustained.rate == 100
    assert any(request.startswith(b"POST /classify") for request in requests)
    assert any(b'{"input": ["two"], "model": "m"}' in request for request in requests)
    write_result(result, tmp_path / "load.json")
    assert msgspec.json.decode((tmp_path / "load.json").read_bytes(), type=LoadResult) == result
    assert json.loads((tmp_path / "load.json").read_text())["sustained_rate"] == 100
    draw(result, tmp_path / "load.png")
    assert (tmp_path / "load.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("template", "text", "body"),
    [
        ('{"q": "{text}"}', "a {text}", {"q": "a {text}"}),
        ('{"q": ["say {text}", 3], "{text}": null}', 'a "b"', {"q": ['say a "b"', 3], "{text}": None}),
    ],
)
def test_a_template_is_filled_inside_its_strings(template, text, body):
    assert json.loads(fill(template, text)) == body


def test_a_server_that_speaks_no_http_is_told_apart():
    with answering(lambda _: b"nonsense\r\n\r\n") as (address, _):
        url = f"http://127.0.0.1:{address.port}"
        with pytest.raises(PacklightError, match="--model"):
            model_of(url, None)
        assert Running(url).cpu_seconds() is None


def test_addresses_are_ascii_on_the_wire():
    address = address_of("http://Bücher.example:81/a/", "m", "/größe und €?x=1%20")
    assert address == Address("xn--bcher-kva.example", 81, "/gr%C3%B6%C3%9Fe%20und%20%E2%82%AC?x=1%20")
    assert address_of("http://[::1]", "m").host == "::1"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["http://localhost:80a"], "http://localhost:80a: not a URL"),
        (["http://[::1", "--model", "m"], "http://[::1: not a URL"),
        (["http://a..b"], "http://a..b: not a URL"),
        (["SERVER", "--rate", "0"], "rate 0 "),
        (["SERVER", "--rate", "50", "--rate", "nan"], "rate nan "),
        (["SERVER", "--rate", "-3"], "rate -3 "),
        (["SERVER", "--initial-rate", "inf"], "start inf "),
        (["SERVER", "--seconds", "inf"], "seconds inf "),
        (["SERVER", "--workers", "4"], "--workers is for an artifact's folder, but http://127.0.0.1:1 is a server"),
        (["SERVER", "--rate", "50", "--attempts", "2"], "--attempts is for the ramp, which --rate replaces; omit one"),
        (["SERVER", "--rate", "50", "--initial-rate", "9"], "--initial-rate is for the ramp, which --rate replaces"),
        (["SERVER", "--rate", "1e9"], "at most 10,000,000 requests"),
        (["SERVER", "--p99", "inf"], "p99 inf "),
        (["SERVER", "--header", "X: €"], "'€', which is not Latin-1"),
        (["SERVER", "--template", '{"{text}": 1}'], 'no "{text}" in any of its strings'),
        (["SERVER", "--out", "folder"], "--out folder is a folder; name a file in it, such as folder/load.json"),
        (["SERVER", "--out", "x.PNG"], "x.json"),
        (["SERVER", "--out", "taken.json"], "taken.png, which is a folder"),
        (["SERVER", "--out", "file/below/x.json"], "file is not a writable folder"),
    ],
)
def test_a_users_error_is_one_line_before_any_load(packlight, tmp_path, monkeypatch, words, said):
    monkeypatch.chdir(tmp_path)
    for folder in ("folder", "taken.png"):
        (tmp_path / folder).mkdir()
    (tmp_path / "file").touch()
    server = ["http://127.0.0.1:1", "--model", "m"]
    answer = packlight("loadtest", *(part for word in words for part in (server if word == "SERVER" else [word])))
    assert (answer.status, answer.out, answer.err.count("\n")) == (2, "", 1)
    assert answer.err.startswith("error: ")
    assert said in answer.err


def test_faults_are_said_in_words():
    with pytest.raises(PacklightError, match="not JSON"):
        fill("{", "a")
    with pytest.raises(PacklightError, match=r'no "\{text\}"'):
        fill("{}", "a")
    with pytest.raises(PacklightError, match=r"http://127.0.0.1:1: cannot be reached \(Connection refused\)"):
        model_of("http://127.0.0.1:1", None)
    assert model_of("http://127.0.0.1:1", "m") == "m"


def test_a_url_of_another_scheme_is_no_folder(packlight):
    answer = packlight("loadtest", "ftp://example.org")
    assert (answer.status, answer.out) == (2, "")
    assert (
        "ftp://example.org: give a server's URL that begins with http:// or https://, or an artifact's folder"
        in answer.err
    )


QUICK = ("--data", "sample", "--rate", "20", "--seconds", "0.5", "--p99", "60000")
KEY = ("--header", "X-API-Key: secret")


@pytest.fixture(scope="module")
def guarded(artifact):
    """A server that asks for a key."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PACKLIGHT_API_KEY", "secret")
        with serving(artifact) as process:
            yield process.url


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "needs another API key"),
        (("--header", "X-API-Key: other"), "needs another API key"),
        (("--model", MODEL), "the first request got status 401"),
        (
            (*KEY, "--model", "another"),
            'the first request got status 404: {"error":"there is no model of that name and version"}',
        ),
        ((*KEY, "--path", "/nowhere"), "the first request got status 404"),
        ((*KEY, "--template", '{"words": "{text}"}', "--path", "/predict"), "the first request got status 400"),
    ],
)
def test_a_load_that_no_request_would_survive_says_why(packlight, guarded, words, said):
    answer = packlight("loadtest", guarded, *QUICK, *words)
    assert (answer.status, answer.out) == (2, "")
    assert said in answer.err
    assert answer.err.count("\n") == 1


def test_headers_reach_the_first_look_up_too(packlight, guarded):
    answer = packlight("loadtest", guarded, *QUICK, *KEY)
    assert answer.status == 0, answer.err
    assert "1 requests/s" not in answer.out


def test_a_wrong_port_is_said(packlight):
    answer = packlight("loadtest", f"http://127.0.0.1:{free_port()}", "--model", "m", *QUICK)
    assert (answer.status, answer.out) == (2, "")
    assert "is the server running, and is this its address?" in answer.err


def test_an_artifact_that_is_served_with_a_key_is_loaded_with_it(packlight, artifact, monkeypatch):
    monkeypatch.setenv("PACKLIGHT_API_KEY", "first, second")
    assert packlight("loadtest", artifact, *QUICK).status == 0


def test_addresses_of_ipv6_have_brackets():
    address = address_of("http://[::1]:8080", "m")
    assert b"\r\nHost: [::1]:8080\r\n" in http_request(address, b"{}")
