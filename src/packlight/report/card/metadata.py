"""The card's metadata for the Hub: tags, base model, data set, and results as a `model-index`."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from packlight.hub import parse_id
from packlight.measure.results import DataSummary, Measurement, Measurements
from packlight.runtime.artifact import Artifact
from packlight.runtime.engines import engine_info
from packlight.runtime.provenance import base_models
from packlight.steps import step_types

if TYPE_CHECKING:
    from huggingface_hub import EvalResult, ModelCardData

TASK = "text-classification"
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9._-]+")


class Source(NamedTuple):
    """Where the data came from, without anything private."""

    name: str
    """a Hub id, or the last part of a local path; the rest of the path is private"""
    configuration: str | None
    on_hub: bool


def source_of(data: DataSummary) -> Source:
    """The data's origin without local folders."""
    reference, _, configuration = data.source.partition(":")
    path = Path(data.source).expanduser()
    if "/" in reference and parse_id(reference) is not None and not path.suffix and not path.exists():
        return Source(reference, configuration or None, on_hub=True)
    return Source(path.name or data.source, None, on_hub=False)


def card_data(artifact: Artifact, measurements: Measurements) -> "ModelCardData":
    """The metadata of an artifact's card, with the measurements."""
    from huggingface_hub import ModelCardData  # (slow to import)

    manifest = artifact.manifest
    source = source_of(measurements.data)
    row = measurements[artifact.name]
    results = eval_results(row, measurements.data)
    return ModelCardData(
        model_name=artifact.name if results else None,
        pipeline_tag=TASK,
        library_name="transformers" if manifest.model_file == "model.safetensors" else "packlight",
        license=license_of(artifact),
        base_model=_base_models(artifact),
        datasets=[source.name] if source.on_hub else None,
        metrics=sorted({result.metric_type for result in results}) or None,
        tags=_tags(artifact),
        eval_results=results or None,
    )


def eval_results(row: Measurement, data: DataSummary) -> "list[EvalResult]":
    """A row's accuracies on the test split; empty if it has no predictions."""
    from huggingface_hub import EvalResult  # (slow to import)

    source = source_of(data)
    figures = (
        ("accuracy", "Accuracy", row.accuracy),
        ("f1", "Macro F1", row.macro_f1),
        ("accuracy", "Accuracy in scope", row.in_scope_accuracy),
        ("recall", "Out-of-scope recall", row.oos_recall),
    )
    return [
        EvalResult(
            task_type=TASK,
            task_name="Text Classification",
            dataset_type=source.name if source.on_hub else _NOT_IN_NAMES.sub("-", source.name),
            dataset_name=source.name,
            dataset_config=source.configuration,
            dataset_split="test",
            metric_type=kind,
            metric_name=name,
            metric_value=round(value, 4),
        )
        for kind, name, value in figures
        if value is not None
    ]


def _tags(artifact: Artifact) -> list[str]:
    manifest = artifact.manifest
    tags = ["packlight", "intent-classification"]
    tags += engine_info(manifest.engine).hub_tags or [manifest.engine]
    tags += ["int8", "quantized"] if manifest.precision == "int8" else []
    distilled = any(step_types()[kind].trains == "teacher" for kind in _kinds(artifact) if kind in step_types())
    return tags + (["distillation"] if distilled else [])


def _kinds(artifact: Artifact) -> list[str]:
    return [*(step["step"] for step in artifact.manifest.lineage), artifact.manifest.step]


def license_of(artifact: Artifact) -> str | None:
    """The license of the base models; None if one is unknown, or if they differ."""
    stated = {model.license for model in base_models(artifact.manifest)}
    return stated.pop() if len(stated) == 1 else None


def _base_models(artifact: Artifact) -> list[str] | str | None:
    """The known Hub ids of the models that training started from."""
    known = [model.id for model in base_models(artifact.manifest) if model.id is not None]
    return known[0] if len(known) == 1 else known or None
