"""The forms of a float32 torch artifact that steps do not make: compiled, and OpenVINO's."""

import shutil
from pathlib import Path
from typing import Any

import msgspec

from packlight import __version__
from packlight.data import Dataset
from packlight.data.dataset import evenly_spaced
from packlight.files import atomic_folder
from packlight.measure import environment
from packlight.pipeline.fingerprint import fingerprint
from packlight.pipeline.variant import lineage_of
from packlight.runtime.artifact import FORMAT, OPENVINO, SAFETENSORS, Artifact, Manifest
from packlight.runtime.golden import seal_with_golden
from packlight.runtime.provenance import write_notice
from packlight.runtime.tokenization import TextEncoder
from packlight.shootout.openvino import write_openvino, write_openvino_int8
from packlight.steps.context import copy_description

CALIBRATION_TEXTS = 512
"""training texts that OpenVINO's int8 ranges are taken from, as many as ONNX Runtime's"""


def make_compiled(parent: Artifact, folder: Path, name: str) -> Artifact:
    """The parent itself, to be opened through `torch.compile`; compiling is done by the engine, on each machine."""
    with atomic_folder(folder) as draft:
        copy_description(parent.path, draft)
        shutil.copyfile(parent.model_path, draft / SAFETENSORS)
        manifest = _manifest(parent, name, "compile", {}, parent.manifest.data_sha256, 0)
        write_notice(manifest, draft)
        seal_with_golden(draft, msgspec.structs.replace(manifest, engine="torch-compiled", model_file=SAFETENSORS))
    return Artifact.open(folder)


def make_openvino(
    parent: Artifact, graph: Artifact, folder: Path, name: str, data: Dataset, *, precision: str, seed: int
) -> Artifact:
    """The parent as OpenVINO opens it.

    Args:
        parent: the float32 torch artifact.
        graph: its ONNX export in standard operators only.
        folder: where the artifact is put.
        name: of the variant.
        data: its training texts give the ranges of int8.
        precision: fp32 or int8.
        seed: goes into the fingerprint.

    Raises:
        MissingExtraError: when openvino, or nncf for int8, is not installed.
    """
    options: dict[str, Any] = {"precision": precision}
    with atomic_folder(folder) as draft:
        copy_description(parent.path, draft)
        if precision == "int8":
            options["calibration_texts"] = CALIBRATION_TEXTS
            encoder = TextEncoder(parent.tokenizer_path, parent.manifest.max_length)
            write_openvino_int8(graph.model_path, draft, encoder, evenly_spaced(data.train.texts, CALIBRATION_TEXTS))
        else:
            write_openvino(graph.model_path, draft)
        manifest = _manifest(parent, name, "openvino", options, data.sha256, seed)
        write_notice(manifest, draft)
        made = msgspec.structs.replace(manifest, engine="openvino", precision=precision, model_file=OPENVINO)
        seal_with_golden(draft, made)
    return Artifact.open(folder)


def _manifest(parent: Artifact, name: str, kind: str, options: dict[str, Any], data_sha256: str, seed: int) -> Manifest:
    """What every form has of its parent."""
    origin = parent.manifest
    return Manifest(
        format=FORMAT,
        name=name,
        parent=parent.name,
        step=kind,
        options=options,
        lineage=lineage_of(parent),
        fingerprint=fingerprint(kind=kind, options=options, parent=origin.fingerprint, data=data_sha256, seed=seed),
        data_sha256=data_sha256,
        engine=origin.engine,
        precision=origin.precision,
        model_file=origin.model_file,
        max_length=origin.max_length,
        oos_label=origin.oos_label,
        batch_invariant=True,
        abstain_below=origin.abstain_below,
        libraries={"packlight": __version__, **environment.library_versions()},
        facts={},
    )
