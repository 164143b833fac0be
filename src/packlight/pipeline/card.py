"""The model card of an artifact: what it is, what was measured, how to open it."""

from packlight.artifact import Artifact
from packlight.files import write_whole
from packlight.measurement import Measurement, Measurements
from packlight.report import render_markdown, summarise

_LOAD_ONNX = """```python
import numpy as np, onnxruntime, tokenizers

tokenizer = tokenizers.Tokenizer.from_file("tokenizer.json")
session = onnxruntime.InferenceSession("{file}", providers=["CPUExecutionProvider"])
encoding = tokenizer.encode("where is my package")
ids = np.array([encoding.ids], dtype=np.int64)
logits = session.run(["logits"], {{"input_ids": ids, "attention_mask": np.ones_like(ids)}})[0]
```"""
_LOAD_TORCH = """```python
from transformers import AutoModelForSequenceClassification, AutoTokenizer

model = AutoModelForSequenceClassification.from_pretrained(".")
tokenizer = AutoTokenizer.from_pretrained(".")
logits = model(**tokenizer("where is my package", return_tensors="pt")).logits
```"""
_LOAD_PACKLIGHT = """```python
from packlight import Predictor

predictor = Predictor.open(".")
predictor("where is my package")
```"""


def write_card(artifact: Artifact, measurements: Measurements) -> None:
    """Write `README.md` into the artifact's folder."""
    write_whole(artifact.path / "README.md", render_card(artifact, measurements))


def render_card(artifact: Artifact, measurements: Measurements) -> str:
    """The card as Markdown, with the Hub's metadata in front."""
    manifest = artifact.manifest
    row = measurements[artifact.name]
    steps = " → ".join(f"`{step['step']}`" for step in (*manifest.lineage, {"step": manifest.step}))
    parts = [
        "---\npipeline_tag: text-classification\nlibrary_name: "
        + ("onnx" if manifest.engine == "onnxruntime" else "transformers")
        + "\ntags: [packlight, intent-classification]\n---",
        f"# {artifact.name}",
        (
            f"A text classifier with {len(artifact.labels)} labels, made by packlight {manifest.libraries['packlight']}: "
            f"{steps}. {_behaviour(artifact)}"
        ),
        "## Measured",
        (
            f"{_figures(row)} Taken on {measurements.environment.cpu}, {row.threads} thread(s), "
            f"{measurements.environment.taken_at}, on {measurements.data.rows['test']:,} test texts of "
            f"`{measurements.data.source}`."
        ),
        render_markdown(summarise(measurements)),
        "## Opening it",
        _LOAD_PACKLIGHT,
        *([_LOAD_ONNX.format(file=manifest.model_file)] if manifest.engine == "onnxruntime" else []),
        *([_LOAD_TORCH] if manifest.model_file == "model.safetensors" else []),
    ]
    return "\n\n".join(parts) + "\n"


def _behaviour(artifact: Artifact) -> str:
    manifest = artifact.manifest
    scope = f"Texts outside its labels are answered `{manifest.oos_label}`. " if manifest.oos_label else ""
    length = f"Texts are cut to {manifest.max_length} tokens. "
    batch = "" if manifest.batch_invariant else "Its int8 ranges are taken at run time: serve one text at a time."
    return (scope + length + batch).strip()


def _figures(row: Measurement) -> str:
    accuracy = f"accuracy {row.accuracy:.1%}, " if row.accuracy is not None else ""
    return f"{accuracy}{row.size_mb:.1f} MB, {row.latency_ms.mean:.2f} ms a text in the mean, p99 {row.latency_ms.p99:.2f} ms."
