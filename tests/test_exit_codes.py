"""Every row of docs/reference/exit-codes.md, through the command line."""

import errno
import http.server
import itertools
import json
import re
import threading
from pathlib import Path

import pytest
import typer

from invented import write_walk
from packlight.cli import run
from packlight.errors import Exit, PacklightError, ParityError
from packlight.measure.results import read_measurements
from packlight.pipeline.runner import RunOutcome
from packlight.process import TerminatedError

pytest_plugins = ["command"]
PAGE = Path(__file__).parent.parent / "docs" / "reference" / "exit-codes.md"
TEXTS = [f"text {number}" for number in range(100)]


@pytest.fixture
def run_folder(tmp_path):
    """A run's folder with invented figures."""
    return write_walk(tmp_path / "run", TEXTS)


@pytest.fixture
def data(tmp_path):
    file = tmp_path / "data.csv"
    file.write_text("text,label\n" + "".join(f"{text} {label},{label}\n" for text in TEXTS for label in ("a", "b")))
    return file


def test_the_page_and_the_help_hold_the_table(packlight):
    rows = re.findall(r"^\| (\d+) \| ([^|]+) \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert [(int(status), meaning) for status, meaning in rows] == [(each.value, each.meaning) for each in Exit]
    told = " ".join(packlight("--help").out.split())
    for each in Exit:
        assert f"{each.value} {each.meaning}" in told


def test_done(packlight, run_folder):
    assert packlight("--version").status == Exit.OK
    assert packlight("recommend", run_folder).status == Exit.OK
    assert packlight("plan", run_folder, "--rate", "100").status == Exit.OK
    assert packlight("compare", run_folder, run_folder, "--fail-if", "accuracy < -0.5").status == Exit.OK


def test_a_gate_that_fails_is_a_failed_check(packlight, run_folder):
    answer = packlight("compare", run_folder, run_folder, "--fail-if", "accuracy < 1", "--strict")
    assert (answer.status, answer.err) == (Exit.CHECK_FAILED, "")
    assert "FAILED" in answer.out


def test_a_load_without_any_answer_is_a_failed_check(packlight, data, tmp_path):
    class Failing(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        statuses = itertools.chain([200], itertools.repeat(500))

        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(next(self.statuses))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Failing) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url, out = f"http://127.0.0.1:{server.server_port}", tmp_path / "load.json"
        words = ("--data", data, "--model", "m", "--rate", "20", "--seconds", "1", "--out", out)
        answer = packlight("loadtest", url, *words)
        server.shutdown()
    assert answer.status == Exit.CHECK_FAILED, answer.err
    written = json.loads(out.read_text())
    assert {level["answered"] for level in written["levels"]} == {0}


def test_a_load_that_no_rate_keeps_fits_nothing(packlight, data):
    class Slow(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            threading.Event().wait(0.05)
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Slow) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        words = ("--data", data, "--model", "m", "--rate", "20", "--seconds", "1", "--p99", "5")
        answer = packlight("loadtest", f"http://127.0.0.1:{server.server_port}", *words)
        server.shutdown()
    assert answer.status == Exit.NOTHING_FITS, answer.err
    assert "no rate had p99 under" in answer.out


@pytest.mark.parametrize(
    "words",
    [["report"], ["nothing"], ["recommend", "x", "--nope"], ["recommend", "no/such/run"], ["predict", "no/such", "a"],
     ["run", "--data", "no/such.csv"], ["plan", "RUN", "--rate", "0"], ["compare", "RUN", "RUN", "--fail-if", "what"]],
)  # fmt: skip
def test_what_the_user_can_mend_is_an_error(packlight, run_folder, words):
    answer = packlight(*(run_folder if word == "RUN" else word for word in words))
    assert answer.status == Exit.ERROR
    assert answer.err


@pytest.mark.parametrize(
    "words",
    [["recommend", "--max-size-mb", "0.001"], ["recommend", "--max-size-mb", "0.001", "--json"],
     ["plan", "--p99-ms", "0.0001"], ["plan", "--prices", "PRICES"]],
)  # fmt: skip
def test_limits_that_nothing_keeps_fit_nothing(packlight, run_folder, tmp_path, words):
    prices = tmp_path / "prices.yaml"
    tiny = "machines:\n  - {name: tiny, vcpus: 1, memory_gb: 0.01, usd_per_hour: 1}\n"
    shipped = packlight("plan", "--show-prices").out
    prices.write_text(shipped[: shipped.index("machines:")] + tiny)
    verb, *others = (str(prices) if word == "PRICES" else word for word in words)
    answer = packlight(verb, run_folder, *others)
    assert answer.status == Exit.NOTHING_FITS, answer.err
    assert answer.out


def raising(error):
    def instead(*_, **__):
        raise error

    return instead


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (ParityError("other answers"), Exit.CHECK_FAILED, "error: other answers"),
        (PacklightError("fix this"), Exit.ERROR, "error: fix this"),
        (ZeroDivisionError("ours"), Exit.BUG, "Traceback"),
        (FileNotFoundError(errno.ENOENT, "ours", "file"), Exit.BUG, "Traceback"),
        (OSError(errno.ENOSPC, "No space"), Exit.ERROR, "error: No space; free some space, and rerun the command"),
        (
            PermissionError(errno.EACCES, "Denied", "runs/a"),
            Exit.ERROR,
            "error: runs/a: Denied; check its permissions, and",
        ),
        (KeyboardInterrupt(), Exit.INTERRUPTED, "stopped; rerun the command to resume"),
        (TerminatedError(), Exit.TERMINATED, "stopped; rerun the command to resume"),
    ],
)
def test_what_ends_a_verb_decides_the_status(packlight, monkeypatch, error, status, said):
    monkeypatch.setattr(run, "load_recipe", raising(error))
    answer = packlight("run")
    assert answer.status == status
    assert said in answer.err


def test_a_run_with_a_variant_that_fails_its_check_shows_the_rest_and_fails(packlight, monkeypatch, run_folder):
    measurements = read_measurements(run_folder)
    outcome = RunOutcome(run_folder, measurements, (), measured=False, failed={"onnx": "onnx: its logits differ"})
    monkeypatch.setattr("packlight.pipeline.run", lambda *_, **__: outcome, raising=False)
    for words in ([], ["--json"]):
        answer = packlight("run", "--out", run_folder, *words)
        assert answer.status == Exit.CHECK_FAILED
        assert answer.err.endswith("error: onnx: its logits differ\n")
        assert measurements.measurements[0].variant in answer.out


def test_every_error_has_a_status():
    def kinds(kind):
        return [kind, *(each for below in kind.__subclasses__() for each in kinds(below))]

    assert {kind.exit for kind in kinds(PacklightError)} == {Exit.ERROR, Exit.CHECK_FAILED, Exit.NOTHING_FITS}


@pytest.mark.parametrize(
    ("words", "name"),
    [(["recomend"], "`recommend`"), (["report", "x", "--pricess", "y"], "`--prices`"), (["runn"], "`run` or `prune`")],
)
def test_a_suggestion_is_made_once(packlight, words, name):
    said = packlight(*words).err
    assert f"Did you mean {name}?" in said
    assert said.lower().count("did you mean") + said.count("Possible") == 1
    assert said.count(name) == 1


def test_suggestions_of_two_libraries_are_one(packlight, monkeypatch):
    twice = "No such command 'recomend'. Did you mean 'recommend'? Did you mean 'recommend'?"
    monkeypatch.setattr(run, "load_recipe", raising(typer.BadParameter.__base__(twice)))
    said = packlight("run").err
    assert said.startswith("error: no such command 'recomend'. Did you mean `recommend`? See `")
