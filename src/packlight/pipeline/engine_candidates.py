"""Who takes part: every form that can be made of one float32 torch artifact, and the artifacts that are given."""

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
from packlight.runtime.engines import engine_infos
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
    """The parent in every form of the recipe `engines`, whose first step stands for the parent."""
    recipe = load_recipe("engines")
    made: dict[str, Candidate] = {recipe.steps[0].name: _as_given(parent)}
    for step in recipe.steps[1:]:
        origin = recipe.parent_of(step)
        assert origin is not None  # all start from the first or from one another
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
    """The engine and the precision of what a step makes."""
    for each in engine_infos().values():
        for place, precision in enumerate(each.model_files):
            if step.makes == (f"{each.form}-{precision}" if place else each.form):
                return each.name, str(getattr(step, "precision", precision))
    return step.makes, ""


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
        info(f"{candidate.name}: skipped: {reason}")
        return Candidate(candidate.name, candidate.engine, candidate.precision, None, reason)
    return candidate
