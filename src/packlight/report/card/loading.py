"""Ways to open an artifact, as code that runs in its folder."""

from collections.abc import Iterator
from typing import NamedTuple

from packlight.origin import wheel_line
from packlight.runtime.artifact import SAFETENSORS, Artifact
from packlight.runtime.requirements import extras_of

TEXT = "where is my package"


class Way(NamedTuple):
    """One way: what it needs, and the code."""

    title: str
    needs: str
    language: str
    code: str


def ways(artifact: Artifact) -> tuple[Way, ...]:
    """The ways that fit the artifact's engine, packlight's own first."""
    return tuple(_ways(artifact))


def _ways(artifact: Artifact) -> Iterator[Way]:
    manifest = artifact.manifest
    install = wheel_line(*extras_of(artifact))
    yield Way("packlight, verified by hash", install, "python", _PACKLIGHT)
    yield Way("the command line", install, "bash", f'packlight predict . "{TEXT}"')
    if manifest.engine == "onnxruntime":
        code = _ONNX.format(file=manifest.model_file, length=manifest.max_length)
        yield Way("ONNX Runtime alone", "pip install onnxruntime tokenizers numpy", "python", code)
    if manifest.engine in ("torch", "torch-compiled") and manifest.model_file == SAFETENSORS:
        code = _TRANSFORMERS.format(length=manifest.max_length)
        yield Way("transformers", "pip install torch transformers", "python", code)


_PACKLIGHT = f"""\
from packlight import Predictor

predictor = Predictor.open(".")
answer = predictor("{TEXT}")
print(answer.label, answer.score, answer.out_of_scope)"""

_ONNX = f"""\
import json
import os

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # set before the import, or onnxruntime reports its use to its maker
import numpy as np
import onnxruntime
from tokenizers import Tokenizer

tokenizer = Tokenizer.from_file("tokenizer.json")
tokenizer.enable_truncation({{length}})
session = onnxruntime.InferenceSession(
    "{{file}}",
    providers=["CPUExecutionProvider"],
    disabled_optimizers=["SkipLayerNormFusion"],  # slower on a CPU than what it joins
)
labels = json.load(open("config.json"))["id2label"]

ids = np.array([tokenizer.encode("{TEXT}").ids], dtype=np.int64)
logits = session.run(["logits"], {{{{"input_ids": ids, "attention_mask": np.ones_like(ids)}}}})[0][0]
print(labels[str(logits.argmax())])"""

_TRANSFORMERS = f"""\
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

model = AutoModelForSequenceClassification.from_pretrained(".").eval()
tokenizer = AutoTokenizer.from_pretrained(".")

tokens = tokenizer("{TEXT}", return_tensors="pt", truncation=True, max_length={{length}})
with torch.inference_mode():
    logits = model(input_ids=tokens["input_ids"], attention_mask=tokens["attention_mask"]).logits[0]
print(model.config.id2label[int(logits.argmax())])"""
