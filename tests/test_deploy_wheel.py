"""The wheel in a build context installs as the Dockerfile installs it, and what it installs predicts."""

import base64
import csv
import hashlib
import io
import json
import os
import re
import shlex
import subprocess
import sys
import sysconfig
import zipfile
from importlib.metadata import version
from pathlib import Path

import pytest

from packlight.errors import PacklightError
from packlight.origin import PACKAGE, WHEEL
from packlight.runtime.artifact import Artifact
from packlight.serve.deploy import deployment_of, wheel, write_deployment

pytest_plugins = ["tiny_run"]


@pytest.fixture(scope="module")
def context(tiny_run, tmp_path_factory):
    out = tmp_path_factory.mktemp("context")
    artifact = Artifact.open(tiny_run / "variants" / "student-onnx-static")
    write_deployment(artifact, deployment_of(artifact, name="intent"), out)
    return out


def pip_words(context):
    """What the Dockerfile gives to pip, after checking that the file it names was copied into the image."""
    text = (context / "Dockerfile").read_text()
    assert re.findall(r"^COPY (?!--)(\S+) \./$", text, re.MULTILINE) == [WHEEL]
    assert f"!{WHEEL}" in (context / ".dockerignore").read_text().splitlines()
    return shlex.split(re.search(r"/pip (install .*)$", text, re.MULTILINE)[1])


def test_the_image_predicts_with_the_wheel_of_its_context(context, tmp_path):
    venv = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
    python = venv / ("Scripts" if os.name == "nt" else "bin") / "python"
    # as the Dockerfile does, but that packlight's dependencies are those of this environment
    pip = [sys.executable, "-m", "pip", "--python", python, *pip_words(context), "--no-deps", "--no-index"]
    subprocess.run(pip, cwd=context, check=True, capture_output=True)
    own = sysconfig.get_path("purelib", vars={"base": str(venv), "platbase": str(venv)})
    others = [each for each in sys.path if each.endswith("site-packages")]
    (Path(own) / "dependencies.pth").write_text("\n".join(others))
    ask = [python, "-P", "-c", "import packlight; print(packlight.__file__)"]
    where = subprocess.run(ask, cwd=tmp_path, check=True, capture_output=True, text=True).stdout
    assert where.startswith(str(venv))
    command = [python.with_name("packlight"), "predict", context / "models" / "intent" / "1", "wake me", "--json"]
    answer = subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True, env=os.environ)
    (found,) = json.loads(answer.stdout)
    assert found["text"] == "wake me"
    assert 0 < found["score"] <= 1


def test_a_wheel_has_every_file_and_its_hash():
    with zipfile.ZipFile(io.BytesIO(wheel.packed_wheel())) as archive:
        names = archive.namelist()
        (record,) = [name for name in names if name.endswith("/RECORD")]
        rows = {name: (digest, size) for name, digest, size in csv.reader(archive.read(record).decode().splitlines())}
        assert list(rows) == names
        for name in names:
            content = archive.read(name)
            said = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
            assert rows[name] == (("", "") if name == record else (f"sha256={said}", str(len(content))))
    sources = {f"packlight/{path.relative_to(PACKAGE).as_posix()}" for path in PACKAGE.rglob("*.py")}
    assert sources <= set(names)
    assert not [name for name in names if "__pycache__" in name]


def test_the_same_files_give_the_same_bytes():
    assert wheel.packed_wheel() == wheel.packed_wheel()


@pytest.mark.parametrize("other", [None, "0.0.1"])
def test_another_version_than_the_one_that_runs_is_not_packed(monkeypatch, other):
    assert version("packlight")
    found = None if other is None else type("Found", (), {"version": other})()
    monkeypatch.setattr(wheel, "installation", lambda: found)
    with pytest.raises(PacklightError, match=f"pip has installed {other or 'none'}"):
        wheel.packed_wheel()
