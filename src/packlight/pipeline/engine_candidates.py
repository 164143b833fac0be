"""The candidates: every form that can be built from a float32 PyTorch artifact, and any given artifacts."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from packlight.data import Dataset
from packlight.errors import MeasurementError, ModelError, PacklightError
from packlight.measure.worker_process import BenchmarkTarget, Process
from packlight.pipeline.measure_run import subject_of
from packlight.pipeline.variant import make_variant
from packlight.progress import info
from packlight.recipes.recipe import load_recipe
from packlight.runtime.artifact import Artifact
from packlight.runtime.engines import engine_info, engine_infos, form_of
from packlight.steps.step import Step


@dataclass(frozen=True)
class Candidate:
    """A model form on an engine."""

    name: str
    engine: str
    precision: str
    artifact: Artifact | None
    """None if it could not be built or opened"""
    note: str = ""
    """a note about it, or why it is missing"""
    given: bool = False
    """whether it is one of the given artifacts"""

    @property
    def subject(self) -> BenchmarkTarget:
        """The target to measure."""
        assert self.artifact is not None  # asked of those that run
        return subject_of(self.artifact)


def check_origin(artifact: Artifact) -> None:
    """Check that an artifact can be the parent of candidates.

    Raises:
        ModelError: if it is not a float32 PyTorch artifact. The message says which one to give.
    """
    manifest = artifact.manifest
    if form_of(manifest) != load_recipe("engines").steps[0].makes:
        origin = f", such as the one that it was made from ({manifest.parent})" if manifest.parent else ""
        raise ModelError(
            f"{artifact.path}: is {manifest.precision} for {manifest.engine}, but all candidates are made from a float32 torch "
            f"artifact: give one first{origin}, and this one after it to compare it as is"
        )


def gather(
    parent: Artifact, others: Sequence[Artifact], data: Dataset, work: Path, *, threads: int, seed: int
) -> list[Candidate]:
    """All candidates, PyTorch eager first. Those that cannot be built or opened here have a note.

    Args:
        parent: a float32 PyTorch artifact.
        others: artifacts to compare as they are.
        data: the data for building candidates. `test` is not read.
        work: folder for candidates. Those of an interrupted call are reused.
        threads: threads per inference.
        seed: random seed.

    Raises:
        MeasurementError: if two candidates have the same name.
    """
    _check_names([parent.name, *(other.name for other in others)])
    found = [_as_given(parent)]
    found += [_tried(each, threads) for each in _made(parent, data, work, seed)]
    found += [_as_given(other) for other in others]
    _check_names([each.name for each in found])
    return found


def _check_names(names: Sequence[str]) -> None:
    """Check that candidates have different names.

    Raises:
        MeasurementError: if two have the same.
    """
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise MeasurementError(f"two candidates are named {twice[0]}; give each artifact once, with a name of its own")


def _as_given(artifact: Artifact) -> Candidate:
    manifest = artifact.manifest
    note = engine_info(manifest.engine).note
    return Candidate(artifact.name, manifest.engine, manifest.precision, artifact, note, given=True)


def _made(parent: Artifact, data: Dataset, work: Path, seed: int) -> list[Candidate]:
    """The parent in all forms of the recipe `engines`, whose first step stands for the parent."""
    recipe = load_recipe("engines")
    made: dict[str, Candidate] = {recipe.steps[0].name: _as_given(parent)}
    for step in recipe.steps[1:]:
        origin = recipe.parent_of(step)
        assert origin is not None  # all of them start from the first or from each other
        named = msgspec.structs.replace(step, name=f"{parent.name}-{step.name}")
        made[step.name] = _form(named, made[origin.name], data, work, seed)
    return list(made.values())[1:]


def _form(step: Step, origin: Candidate, data: Dataset, work: Path, seed: int) -> Candidate:
    engine, precision = _promised(step)
    note = str(getattr(step, "mode", ""))
    try:
        if origin.artifact is None:
            raise ModelError(f"starts from {origin.name}, which was skipped")
        step.check_machine()
        artifact, _ = make_variant(
            step, work / step.name, work / f"{step.name}.work", data, parent=origin.artifact, seed=seed
        )
    except PacklightError as error:
        info(f"{step.name}: skipped: {error}")
        return Candidate(step.name, engine, precision, None, str(error))
    return Candidate(step.name, engine, precision, artifact, note)


def _promised(step: Step) -> tuple[str, str]:
    """The engine and the precision of a step's result."""
    for each in engine_infos().values():
        for place, precision in enumerate(each.model_files):
            if step.makes == (f"{each.form}-{precision}" if place else each.form):
                return each.name, str(getattr(step, "precision", precision))
    return step.makes, ""


def _tried(candidate: Candidate, threads: int) -> Candidate:
    """The candidate, after a trial to open its engine. A failure must not stop the others from being measured."""
    if candidate.artifact is None:
        return candidate
    info(f"{candidate.name}: {engine_info(candidate.engine).opening}")
    try:
        with Process(candidate.subject, threads) as process:
            process.labels  # noqa: B018 - asking waits until it is open
    except MeasurementError as error:
        reason = str(error).removeprefix(f"{candidate.name}: ")
        info(f"{candidate.name}: skipped: {reason}")
        return Candidate(candidate.name, candidate.engine, candidate.precision, None, reason)
    return candidate
