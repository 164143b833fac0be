"""The built wheel with base dependencies alone; `make test-wheel` makes that environment."""

import json
import os
import subprocess

import pytest

pytest_plugins = ["tiny_run"]
PYTHON = os.environ.get("PACKLIGHT_WHEEL_PYTHON")
pytestmark = pytest.mark.skipif(PYTHON is None, reason="needs the wheel in an environment of its own: make test-wheel")


def run(*words, folder):
    return subprocess.run([PYTHON, "-P", *words], cwd=folder, check=True, capture_output=True, text=True).stdout


def test_an_artifact_predicts_without_torch(tiny_run, tmp_path):
    code = "import importlib.util as i, packlight; print(i.find_spec('torch'), packlight.__file__)"
    torch, where = run("-c", code, folder=tmp_path).split(maxsplit=1)
    assert torch == "None"
    assert "site-packages" in where
    artifact = tiny_run / "variants" / "student-onnx-static"
    (answer,) = json.loads(run("-m", "packlight", "predict", artifact, "wake me", "--json", folder=tmp_path))
    assert answer["text"] == "wake me"
    assert 0 < answer["score"] <= 1


def test_the_base_install_is_small(tmp_path):
    code = (
        "import importlib.metadata as m\n"
        "files = (each.locate() for found in m.distributions() if found.name not in ('pip', 'setuptools') for each in found.files)\n"
        "print(sum(each.stat().st_size for each in files if each.suffix != '.pyc' and each.is_file()))"
    )
    assert int(run("-c", code, folder=tmp_path)) < 260e6
    assert run("-c", "import importlib.util as i; print(i.find_spec('scipy'))", folder=tmp_path).strip() == "None"
