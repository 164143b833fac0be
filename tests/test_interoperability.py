"""Artifacts are opened by tools that know nothing of packlight."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from tokenizers import Tokenizer
from transformers import AutoModelForSequenceClassification, AutoTokenizer

OPTIMUM = os.environ.get("PACKLIGHT_OPTIMUM_PYTHON")
TEXTS = ["will it rain in oslo", "play", "wake me at half past two"]


@pytest.fixture
def artifact(tiny, trained_folder, onnx_file, tmp_path):
    """An exported artifact with its torch weights beside it."""
    folder = shutil.copytree(trained_folder("bert"), tmp_path / "artifact")
    (folder / "onnx").mkdir()
    shutil.copyfile(onnx_file("bert"), folder / "onnx" / "model.onnx")
    return tiny.seal_variant(folder, engine="onnxruntime", model_file="onnx/model.onnx")


@pytest.fixture
def expected(artifact):
    """What transformers answers."""
    model = AutoModelForSequenceClassification.from_pretrained(artifact.path).eval()
    tokens = AutoTokenizer.from_pretrained(artifact.path)(TEXTS, padding=True, return_tensors="pt")
    with torch.inference_mode():
        return model(input_ids=tokens["input_ids"], attention_mask=tokens["attention_mask"]).logits.numpy()


def test_onnxruntime_and_tokenizers_are_enough(artifact, expected):
    tokenizer = Tokenizer.from_file(str(artifact.path / "tokenizer.json"))
    session = onnxruntime.InferenceSession(artifact.path / "onnx" / "model.onnx", providers=["CPUExecutionProvider"])
    for row, text in enumerate(TEXTS):
        encoding = tokenizer.encode(text)
        feed = {
            "input_ids": np.array([encoding.ids], dtype=np.int64),
            "attention_mask": np.array([encoding.attention_mask], dtype=np.int64),
        }
        np.testing.assert_allclose(session.run(["logits"], feed)[0][0], expected[row], atol=1e-3)


@pytest.mark.skipif(not OPTIMUM, reason="needs optimum-onnx in an environment of its own: make test-optimum")
def test_optimum_opens_the_folder(artifact, expected):
    script = Path(__file__).parent / "optimum" / "ask.py"
    command = [OPTIMUM, str(script), str(artifact.path), *TEXTS]
    said = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert said.returncode == 0, said.stderr
    np.testing.assert_allclose(json.loads(said.stdout), expected, atol=1e-3)
