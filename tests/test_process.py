"""The command in odd surroundings: output that cannot be written, Ctrl-C at any time, no home."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from packlight.errors import Exit

pytest_plugins = ["tiny_run"]
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="sets up streams as POSIX shells do")
VERBS = {
    "version": ["--version"],
    "help": ["--help"],
    "help of a verb": ["serve", "--help"],
    "recipes": ["recipes"],
    "prices": ["plan", "--show-prices"],
    "predict": ["predict", "ARTIFACT", "wake me at größer 🙂"],
    "predict as JSON": ["predict", "ARTIFACT", "wake me at größer 🙂", "--json"],
    "verify": ["verify", "ARTIFACT"],
    "report": ["report", "RUN"],
    "recommend": ["recommend", "RUN"],
    "plan": ["plan", "RUN"],
    "compare": ["compare", "RUN", "RUN"],
}
SILENT = ("verify",)
"""verbs that answer by their status alone"""


def run(tiny_run, words, *, stdout, **environment):
    places = {"RUN": tiny_run, "ARTIFACT": tiny_run / "variants" / "student-onnx-static"}
    command = [sys.executable, "-m", "packlight", *(str(places.get(word, word)) for word in words)]
    shell = 'exec "$@" ' + stdout
    return subprocess.run(
        ["sh", "-c", shell, "sh", *command], capture_output=True, check=False, timeout=120, env=os.environ | environment
    )


@pytest.mark.parametrize("words", VERBS.values(), ids=VERBS)
def test_output_in_ascii(tiny_run, words):
    ended = run(tiny_run, words, stdout="", PYTHONIOENCODING="ascii")
    assert ended.returncode in (Exit.OK, Exit.NOTHING_FITS), ended.stderr
    assert b"Traceback" not in ended.stderr
    if "--json" in words:
        assert json.loads(ended.stdout)[0]["text"] == words[2]
    else:
        ended.stdout.decode("ascii")


CLOSED, FULL = ">&-", ">/dev/full"
NEEDS_FULL = pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")


@pytest.mark.parametrize("stdout", [CLOSED, pytest.param(FULL, marks=NEEDS_FULL)])
@pytest.mark.parametrize("words", VERBS.values(), ids=VERBS)
def test_output_that_cannot_be_written(tiny_run, words, stdout):
    ended = run(tiny_run, words, stdout=stdout)
    assert b"Traceback" not in ended.stderr
    assert b"Exception ignored" not in ended.stderr
    if words[0] not in SILENT:
        assert ended.returncode == Exit.ERROR, ended.stderr
        assert b"error: standard output cannot be written: " in ended.stderr


def test_all_streams_closed(tiny_run):
    for words in (VERBS["predict"], ["predict", "ARTIFACT"]):
        ended = run(tiny_run, words, stdout="<&- >&- 2>&-")
        assert ended.returncode == Exit.ERROR


def test_a_reader_that_went_away_is_no_error(tiny_run):
    ended = run(tiny_run, VERBS["help"], stdout="| true")
    assert ended.stderr == b""


@pytest.mark.parametrize("words", VERBS.values(), ids=VERBS)
def test_a_pipe_that_its_reader_closed_is_no_error(tiny_run, words):
    reader, writer = os.pipe()
    os.close(reader)
    places = {"RUN": tiny_run, "ARTIFACT": tiny_run / "variants" / "student-onnx-static"}
    command = [sys.executable, "-m", "packlight", *(str(places.get(word, word)) for word in words)]
    ended = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, check=False, timeout=120)
    os.close(writer)
    assert ended.returncode == Exit.OK
    assert b"Traceback" not in ended.stderr


def ends_by(code, number, path=None):
    paths = [str(path), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = os.environ | ({} if path is None else {"PYTHONPATH": os.pathsep.join(paths)})
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # not ignored, as in the background
    try:
        process = subprocess.Popen(
            [sys.executable, *code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
        )
    finally:
        signal.signal(signal.SIGINT, before)
    assert process.stdout.readline() == b"importing\n"
    process.send_signal(number)
    _, said = process.communicate(timeout=30)
    return process.returncode, said


SIGNALS = pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["Ctrl-C", "SIGTERM"]
)


@SIGNALS
def test_a_signal_during_imports(tmp_path, number, status):
    (tmp_path / "typer.py").write_text("import time\nprint('importing', flush=True)\ntime.sleep(60)\n")
    assert ends_by(["-m", "packlight", "recipes"], number, tmp_path) == (status, b"stopped\n")


@SIGNALS
def test_a_signal_within_a_verb_cleans_up_and_says_how_to_resume(number, status):
    code = (
        "import sys, time\n"
        "from packlight import __main__, cli\n"
        "def app(**_):\n"
        "    try:\n"
        "        print('importing', flush=True)\n"
        "        time.sleep(60)\n"
        "    finally:\n"
        "        print('cleaned up', file=sys.stderr)\n"
        "cli.app = app\n"
        "sys.argv[1:] = ['score']\n"
        "__main__.main()\n"
    )
    assert ends_by(["-c", code], number) == (status, b"cleaned up\nstopped; rerun the command to resume\n")


def test_a_signal_that_is_ignored_stays_ignored():
    code = (
        "import signal\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "from packlight import process\n"
        "process.prepare()\n"
        "with process.interruptible():\n"
        "    assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=30)


def test_a_cache_without_a_home(tmp_path):
    code = (
        "import os, pathlib\n"
        "def gone(self): raise RuntimeError('Could not determine home directory.')\n"
        "pathlib.Path.expanduser = gone\n"
        "from packlight.files import cache_folder\n"
        "print(cache_folder(), cache_folder().is_dir(), cache_folder() == cache_folder())\n"
    )
    environment = {name: value for name, value in os.environ.items() if name != "PACKLIGHT_CACHE"}
    command = [sys.executable, "-c", code]
    path, there, same = subprocess.check_output(command, env=environment | {"TMPDIR": str(tmp_path)}, text=True).split()
    assert (there, same) == ("True", "True")
    assert path.startswith(str(tmp_path))
    assert not list(tmp_path.iterdir()), "removed with the process"
