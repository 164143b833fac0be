"""Who takes part: every form that can be made of one float32 torch artifact, and the artifacts that are given."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from packlight.data import Dataset
from packlight.errors import MeasurementError, ModelError, PacklightError
from packlight.measure.worker_process import BenchmarkTarget, Process
from packlight.pipeline.measure_run import subject_of
from packlight.pipeline.variant import make_variant
from packlight.progress import info
from packlight.runtime.artifact import Artifact
from packlight.steps.compile.options import Compile
from packlight.steps.export.options import Export
from packlight.steps.openvino.options import OpenVino
from packlight.steps.quantize_onnx.options import QuantizeOnnx
from packlight.steps.step import Step


@dataclass(frozen=True)
class Candidate:
    """One form on one engine."""

    name: str
    engine: str
    precision: str
    artifact: Artifact | None
    """None where it could not be made or opened"""
    note: str = ""
    """what is particular about it, or why there is none"""
    given: bool = False
    """whether it was there before"""

    @property
    def subject(self) -> BenchmarkTarget:
        """What is measured of it."""
        assert self.artifact is not None  # asked of those that run
        return subject_of(self.artifact)


def check_origin(artifact: Artifact) -> None:
    """Check that forms can be made of an artifact.

    Raises:
        ModelError: when it is not a float32 torch one; says which to give.
    """
    manifest = artifact.manifest
    if (manifest.engine, manifest.precision) != ("torch", "fp32"):
        origin = f", such as the one that it was made from ({manifest.parent})" if manifest.parent else ""
        raise ModelError(
            f"{artifact.path}: is {manifest.precision} for {manifest.engine}, but all forms are made of a float32 torch "
            f"artifact: give one first{origin}, and this one after it to take part as it is"
        )


def gather(
    parent: Artifact, others: Sequence[Artifact], data: Dataset, work: Path, *, threads: int, seed: int
) -> list[Candidate]:
    """All candidates, torch eager first; those that cannot be made or opened here say why.

    Args:
        parent: a float32 torch artifact.
        others: take part as they are.
        data: for what the forms' making needs; `test` is not read.
        work: where forms are made; those of an interrupted call are found again.
        threads: that they are opened with.
        seed: of their making.

    Raises:
        MeasurementError: when two candidates have the same name.
    """
    found = [_as_given(parent)]
    found += [_tried(each, threads) for each in _made(parent, data, work, seed)]
    found += [_as_given(other) for other in others]
    names = [each.name for each in found]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise MeasurementError(f"two candidates are called {twice[0]}; give each artifact once, under its own name")
    return found


def _as_given(artifact: Artifact) -> Candidate:
    manifest = artifact.manifest
    note = "answers on one thread" if manifest.engine == "static" else ""
    return Candidate(artifact.name, manifest.engine, manifest.precision, artifact, note, given=True)


def _made(parent: Artifact, data: Dataset, work: Path, seed: int) -> list[Candidate]:
    def by_step(step: Step, origin: Artifact) -> Artifact:
        return make_variant(step, work / step.name, work / f"{step.name}.work", data, parent=origin, seed=seed)[0]

    def name(form: str) -> str:
        return f"{parent.name}-{form}"

    fused = Export(name=name("ort"))
    dynamic = QuantizeOnnx(name=name("ort-dynamic"), mode="dynamic")
    static = QuantizeOnnx(name=name("ort-static"), mode="static")
    compiled = Compile(name=name("compiled"))
    plain = OpenVino(name=name("openvino"))
    quantized = OpenVino(name=name("openvino-int8"), precision="int8")
    return [
        _form(compiled.name, "torch-compiled", "fp32", "", lambda: by_step(compiled, parent)),
        _form(fused.name, "onnxruntime", "fp32", "", lambda: by_step(fused, parent)),
        _form(dynamic.name, "onnxruntime", "int8", "dynamic", lambda: by_step(dynamic, by_step(fused, parent))),
        _form(static.name, "onnxruntime", "int8", "static", lambda: by_step(static, by_step(fused, parent))),
        _form(plain.name, "openvino", "fp32", "", lambda: by_step(plain, parent)),
        _form(quantized.name, "openvino", "int8", "static, by NNCF", lambda: by_step(quantized, parent)),
    ]


def _form(name: str, engine: str, precision: str, note: str, make: Callable[[], Artifact]) -> Candidate:
    try:
        return Candidate(name, engine, precision, make(), note)
    except PacklightError as error:
        info(f"{name}: takes no part: {error}")
        return Candidate(name, engine, precision, None, str(error))


def _tried(candidate: Candidate, threads: int) -> Candidate:
    """The candidate, once its engine was seen to open: one that does not must not end the others' measuring."""
    if candidate.artifact is None:
        return candidate
    info(f"{candidate.name}: opening it" + (", which compiles it" * (candidate.engine == "torch-compiled")))
    try:
        with Process(candidate.subject, threads) as process:
            process.labels  # noqa: B018 - asking waits until it is open
    except MeasurementError as error:
        reason = str(error).removeprefix(f"{candidate.name}: ")
        info(f"{candidate.name}: takes no part: {reason}")
        return Candidate(candidate.name, candidate.engine, candidate.precision, None, reason)
    return candidate
