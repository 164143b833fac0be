"""The lock in requirements/, and where torch comes from."""

import functools
import hashlib
import http.server
import os
import re
import shutil
import subprocess
import sys
import threading
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
FILES = sorted((ROOT / "requirements").glob("*.txt"))
GROUPS = ("demo", "all", "test", "docs")
CPU_INDEX = "https://download.pytorch.org/whl/cpu"
WHEEL = "torch-2.13.0+cpu-py3-none-any.whl"


def locked(name):
    """Each requirement of a file, with how many hashes it has."""
    text = (ROOT / "requirements" / f"{name}.txt").read_text(encoding="utf-8")
    entries = re.findall(
        r"^([a-z0-9][^\\\n]*?) \\\n((?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)", text, re.MULTILINE
    )
    lines = [line for line in text.splitlines() if line and not line.startswith((" ", "#"))]
    assert len(entries) == len(lines), f"{name}.txt: a line without hashes"
    return [Requirement(entry) for entry, _ in entries]


def versions(name):
    return {canonicalize_name(each.name): str(each.specifier) for each in locked(name)}


def project():
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", [each.stem for each in FILES])
def test_every_locked_package_has_one_exact_version_and_hashes(name):
    entries = locked(name)
    assert entries
    for each in entries:
        assert re.fullmatch(r"==[\w.+!]+", str(each.specifier)), each
    assert len({canonicalize_name(each.name) for each in entries}) == len(entries)


def test_files_agree_so_that_one_environment_can_hold_them_all():
    together = {}
    for name in (*GROUPS, "torch"):
        for package, version in versions(name).items():
            assert together.setdefault(package, version) == version, package
    assert versions("torch-cpu")["torch"] == versions("torch")["torch"] + "+cpu"


@pytest.mark.parametrize("name", GROUPS)
def test_groups_leave_torch_and_cuda_to_a_step_of_their_own(name):
    assert not [
        each
        for each in versions(name)
        if each == "torch" or each.startswith(("nvidia", "cuda", "triton"))
        if each != "tritonclient"
    ]


@pytest.mark.parametrize(
    ("name", "extras", "groups"),
    [
        ("demo", ["compress", "report", "minilm"], ["install"]),
        ("all", ["compress", "report", "parquet", "minilm", "search", "serve"], ["install"]),
        ("test", ["compress", "report", "parquet", "minilm", "search", "serve", "otel"], ["install", "dev"]),
        ("docs", [], ["install", "docs"]),
    ],
)
def test_a_group_has_what_pyproject_asks_for(name, extras, groups):
    asked = list(project()["project"]["dependencies"])
    for extra in extras:
        asked += project()["project"]["optional-dependencies"][extra]
    for group in groups:
        asked += project()["dependency-groups"][group]
    have = versions(name) | {"torch": versions("torch")["torch"]}
    for each in map(Requirement, asked):
        if each.name == "packlight":
            continue
        assert each.specifier.contains(have[canonicalize_name(each.name)].removeprefix("=="), prereleases=True), each


def test_the_demo_is_installed_without_what_tests_and_docs_need():
    assert not {"pytest", "playwright", "schemathesis", "mkdocs", "kserve", "ruff", "optuna"} & set(versions("demo"))


@pytest.fixture
def clone(tmp_path):
    """The script with a lock of its own, a small wheel in place of torch, and a loopback index that has it."""
    wheel = tmp_path / "index" / "torch" / WHEEL
    wheel.parent.mkdir(parents=True)
    info = "torch-2.13.0+cpu.dist-info"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("torch.py", "")
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: torch\nVersion: 2.13.0+cpu\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", f"torch.py,,\n{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n")
    (wheel.parent / "index.html").write_text(f'<a href="{WHEEL.replace("+", "%2B")}">{WHEEL}</a>')
    (tmp_path / "index" / "empty").mkdir()
    folder = tmp_path / "clone"
    (folder / "scripts").mkdir(parents=True)
    (folder / "requirements").mkdir()
    shutil.copy(ROOT / "scripts" / "install_torch.py", folder / "scripts")
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    (folder / "requirements" / "torch-cpu.txt").write_text(f"torch==2.13.0+cpu --hash=sha256:{digest}\n")
    (folder / "requirements" / "torch.txt").write_text(f"torch==2.13.0 --hash=sha256:{'0' * 64}\n")
    return folder


@pytest.fixture
def index(clone):
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    handler = functools.partial(Quiet, directory=clone.parent / "index")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def install(clone, *, cpu_index="http://127.0.0.1:9", **environment):
    """Run the script, with an index of the test's as the PyTorch project's."""
    script = clone / "scripts" / "install_torch.py"
    script.write_text(script.read_text(encoding="utf-8").replace(CPU_INDEX, cpu_index), encoding="utf-8")
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("PIP_", "PACKLIGHT_"))}
    own = {"PIP_CONFIG_FILE": os.devnull, "PIP_TARGET": str(clone / "site"), "PIP_RETRIES": "0"}
    process = subprocess.run(
        [sys.executable, script], env=kept | own | environment, capture_output=True, text=True, timeout=120, check=False
    )
    return process.returncode, process.stdout + process.stderr, (clone / "site" / "torch.py").exists()


linux = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the default index's build has no CUDA")


@linux
def test_a_configured_folder_of_wheels_is_used_first(clone):
    status, said, installed = install(clone, PIP_NO_INDEX="1", PIP_FIND_LINKS=str(clone.parent / "index" / "torch"))
    assert (status, installed) == (0, True), said
    assert "the CPU build, from where your pip is configured to look" in said


@linux
def test_the_cpu_index_is_used_where_it_answers(clone, index):
    status, said, installed = install(clone, cpu_index=index, PIP_INDEX_URL=f"{index}/empty")
    assert (status, installed) == (0, True), said
    assert f"taking the CPU build from {index}" in said


@linux
def test_a_wheel_with_another_hash_is_refused(clone, index):
    lock = clone / "requirements" / "torch-cpu.txt"
    lock.write_text(re.sub("sha256:.*", f"sha256:{'1' * 64}", lock.read_text()))
    status, said, installed = install(clone, cpu_index=index, PIP_INDEX_URL=f"{index}/empty")
    assert (status, installed) == (1, False)
    assert "DO NOT MATCH THE HASHES" in said


@linux
def test_without_an_answer_the_default_index_is_used_and_named(clone, index):
    status, said, _ = install(clone, PIP_INDEX_URL=f"{index}/empty")
    assert status == 1  # this default index has no torch
    assert "http://127.0.0.1:9 does not answer" in said
    assert "taking the build with CUDA from the default index, several gigabytes" in said
    assert "torch==2.13.0" in said


@linux
def test_an_index_of_yours_that_does_not_answer_is_an_error(clone, index):
    status, said, _ = install(clone, PACKLIGHT_TORCH_INDEX=f"{index}/none", PIP_INDEX_URL=f"{index}/empty")
    assert status == 1
    assert f"{index}/none does not answer" in said
    assert "Correct or unset PACKLIGHT_TORCH_INDEX" in said


def test_the_default_index_can_be_asked_for(clone, index):
    status, said, _ = install(clone, cpu_index=index, PACKLIGHT_TORCH_INDEX="default", PIP_INDEX_URL=f"{index}/empty")
    assert status == 1  # this default index has no torch
    assert index not in said.replace(f"{index}/empty", "")


def test_the_tests_for_the_lowest_versions_exist():
    """pytest would stop at a name that was changed, but only in a target that few run."""
    said = subprocess.run(["make", "-n", "test-lowest"], cwd=ROOT, capture_output=True, text=True, check=True)
    files = set(re.findall(r"tests/test_\w+\.py", said.stdout))
    assert len(files) > 10
    assert [each for each in files if not (ROOT / each).is_file()] == []
