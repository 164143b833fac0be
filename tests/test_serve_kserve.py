"""KServe's `InferenceRESTClient`, which needs other versions of pandas and protobuf and so has its own environment.

`make test-kserve` makes one and says where in PACKLIGHT_KSERVE_PYTHON.
"""

import os
import subprocess
from pathlib import Path

import pytest

from packlight.runtime.predictor import Predictor
from served import MODEL

pytest_plugins = ["served"]
PYTHON = os.environ.get("PACKLIGHT_KSERVE_PYTHON")


@pytest.mark.skipif(not PYTHON, reason="needs kserve in an environment of its own: make test-kserve")
def test_kserves_client(server, artifact):
    script = Path(__file__).parent / "kserve" / "ask.py"
    command = [PYTHON, str(script), server.url, MODEL]
    said = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert said.returncode == 0, said.stderr
    expected = Predictor.open(artifact, threads=1).predict(["wake me at seven", "play the song queen", "größer"])
    lines = said.stdout.splitlines()
    assert len(lines) == 2
    assert {line.rpartition(" (")[0] for line in lines} == {"|".join(each.label for each in expected)}
