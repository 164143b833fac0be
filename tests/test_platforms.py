"""What stops on macOS or Windows: every module, a run, a search's lock and a load test without what only POSIX or Linux has."""

import json
import os
import pkgutil
import subprocess
import sys

import pytest

import packlight
from packlight.errors import PacklightError
from packlight.serve import server

HIDE = '''
import builtins, os, pathlib, select, signal, socket, sys

HIDDEN = {"fcntl", "resource", "termios", "pwd", "grp", "tty", "pty", "posix", "syslog"}
whole = builtins.__import__


def hidden_import(name, globals=None, locals=None, fromlist=(), level=0):
    """Other libraries ask the platform, which is still Linux."""
    if name in HIDDEN and str((globals or {}).get("__name__", "")).startswith("packlight"):
        raise ModuleNotFoundError(f"No module named {name!r}: it is hidden", name=name)
    return whole(name, globals, locals, fromlist, level)


builtins.__import__ = hidden_import
for module, names in {
    os: ("fork", "forkpty", "sched_getaffinity", "sched_setaffinity", "setsid", "killpg", "getpgid"),
    select: ("epoll", "poll", "kqueue"),
    signal: ("SIGHUP", "SIGUSR1", "SIGUSR2", "SIGALRM", "setitimer", "pthread_sigmask"),
    socket: ("SO_REUSEPORT",),
}.items():
    for name in names:
        if hasattr(module, name):
            delattr(module, name)


def without_system_files(method):
    def wrapped(path, *args, **named):
        if str(path).startswith(("/proc", "/sys")):
            if method.__name__ == "read_text":
                raise FileNotFoundError(2, "hidden", str(path))
            return False
        return method(path, *args, **named)

    return wrapped


for name in ("read_text", "is_file", "exists"):
    setattr(pathlib.Path, name, without_system_files(getattr(pathlib.Path, name)))
os.environ["HIDDEN"] = "1"
'''
RECIPE = """
version: 1
name: small
steps:
  - {step: finetune, as: teacher, epochs: 1, min_updates: 0, batch_size: 16, learning_rate: 4.0e-3, max_length: 24, bf16: false}
  - {step: export, as: teacher-onnx}
"""


def modules():
    return sorted(
        each.name for each in pkgutil.walk_packages(packlight.__path__, "packlight.") if "__main__" not in each.name
    )


IMPORTS = """
import importlib, sys
for name in MODULES:
    try:
        importlib.import_module(name)
    except ModuleNotFoundError as error:
        assert error.name.partition('.')[0] in ("openvino", "nncf", "opentelemetry"), (name, error)
        print('left out', name)
print('imported', flush=True)
"""


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory):
    """Run Python, and every Python that it starts, where the modules and calls that only POSIX has are hidden."""
    folder = tmp_path_factory.mktemp("elsewhere")
    (folder / "sitecustomize.py").write_text(HIDE)

    def call(*words, cwd=folder):
        environment = os.environ | {"PYTHONPATH": f"{folder}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}
        answer = subprocess.run(
            [sys.executable, *map(str, words)], capture_output=True, text=True, env=environment, cwd=cwd, check=False
        )
        assert answer.returncode == 0, answer.stdout + answer.stderr
        return answer.stdout

    return call


@pytest.fixture(scope="module")
def finished(elsewhere, encoder_folder, tiny, tmp_path_factory):
    """The folder of a small run, and what was said by the process that imported every module before it ran."""
    folder = tmp_path_factory.mktemp("small")
    rows = [{"text": text, "label": label} for text, label in zip(*tiny.toy_texts(), strict=True)]
    (folder / "toy.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "small.yaml").write_text(RECIPE)
    words = ["run", "--data", "toy.jsonl", "--model", encoder_folder("bert"), "--recipe", "small.yaml"]
    command = "from packlight.__main__ import main; sys.argv[0] = 'packlight'; main()"
    code = f"MODULES = {modules()!r}{IMPORTS}{command}"
    said = elsewhere("-c", code, *words, "--threads", "1", "--seconds", "0", "--out", "out", cwd=folder)
    return folder / "out", said.splitlines()


def test_the_hook_hides(elsewhere):
    code = "import os, select; print(hasattr(os, 'fork'), hasattr(select, 'epoll'), os.environ['HIDDEN'])"
    assert elsewhere("-c", code).split() == ["False", "False", "1"]


def test_every_module_is_imported(finished):
    _, said = finished
    assert "imported" in said
    left_out = said[: said.index("imported")]
    assert len(left_out) < 5, left_out
    assert len(modules()) > 200


def test_a_recipe_runs_and_is_measured(finished):
    measured = json.loads((finished[0] / "measurements.json").read_text())
    assert {row["variant"] for row in measured["measurements"]} >= {"teacher", "teacher-onnx"}
    assert all(row["peak_memory_mb"] > 20 for row in measured["measurements"])


def test_locks_keep_others_out(elsewhere):
    code = """
from pathlib import Path
from packlight.errors import PacklightError
from packlight.pipeline.locking import lock_run
from packlight.search.locks import SearchLock

def refused(take):
    try:
        with take(): return False
    except PacklightError: return True

out = Path("run")
with lock_run(out):
    print(refused(lambda: lock_run(out)), refused(lambda: SearchLock(out)))
with SearchLock(out) as first, SearchLock(out) as last:
    print(refused(lambda: lock_run(out)), first.alone(), last.alone())
print(refused(lambda: lock_run(out)))
"""
    assert elsewhere("-c", code).split() == ["True", "True", "True", "False", "True", "False"]


def test_an_artifact_is_loaded_and_measured(elsewhere, finished):
    words = [
        "loadtest",
        finished[0] / "variants" / "teacher-onnx",
        "--rate",
        "20",
        "--seconds",
        "1",
        "--p99",
        "60000",
        "--json",
    ]
    result = json.loads(elsewhere("-m", "packlight", *words, cwd=finished[0]))
    assert result["levels"][0]["answered"] > 0
    assert result["levels"][0]["errors"] == {}


@pytest.mark.parametrize("system", ["darwin", "win32"])
def test_several_workers_are_refused_where_they_cannot_share_a_port(monkeypatch, system):
    monkeypatch.setattr(server.sys, "platform", system)
    assert server.default_workers() == 1
    server._check_workers(1)
    with pytest.raises(PacklightError, match=r"--workers 4 needs Linux.*use --workers 1"):
        server._check_workers(4)
