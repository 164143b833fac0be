"""The teacher of a search: trained as in the built-in recipe, or a copy of a given one."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from packlight.data import Dataset
from packlight.files import atomic_folder
from packlight.models import Checkpoint
from packlight.pipeline.announcing import announce_model
from packlight.pipeline.resolving import Resolved, complete
from packlight.pipeline.variant import check_parent, fingerprint_of, make_variant, open_parent
from packlight.progress import checking, warn
from packlight.recipes.overrides import with_head, with_lengths
from packlight.recipes.recipe import VERSION, Recipe, load_recipe
from packlight.runtime.artifact import MANIFEST, Artifact, read_manifest
from packlight.search.locks import Deadline, hold_lock
from packlight.search.metadata import Metadata, check, record
from packlight.steps.distill.options import Distill
from packlight.steps.export.options import Export
from packlight.steps.step import Step

TEACHER = "teacher"


def train_teacher(
    step: Step,
    checkpoint: Checkpoint,
    data: Dataset,
    out: Path,
    about: Metadata,
    deadline: Deadline,
    resolved: Resolved,
) -> Artifact:
    """The teacher that the step makes."""
    with hold_lock(out / "work" / "locks" / TEACHER, deadline), checking(deadline.check):
        announce_model(step, checkpoint, data)
        whole = complete(step, resolved, labels=data.labels, checkpoint=checkpoint)
        fingerprint = fingerprint_of(whole, about.data, checkpoint=checkpoint, seed=about.seed)
        check(out, msgspec.structs.replace(about, teacher=fingerprint))
        artifact, _ = make_variant(
            step,
            out / "variants" / TEACHER,
            out / "work" / TEACHER,
            data,
            checkpoint=checkpoint,
            seed=about.seed,
            resolved=resolved,
        )
        # Not earlier, because a teacher that cannot be built must not bind later calls.
        record(out, msgspec.structs.replace(about, teacher=artifact.manifest.fingerprint))
    return artifact


def adopt_teacher(given: str, data: Dataset, out: Path, about: Metadata, deadline: Deadline) -> Artifact:
    """A copy of the given teacher, so that this search doesn't write figures to another run's folder."""
    with hold_lock(out / "work" / "locks" / TEACHER, deadline):
        artifact = open_parent(given, data, out / "work" / "given")
        check_parent(Distill(name="student"), artifact, shown=given)
        record(out, msgspec.structs.replace(about, teacher=artifact.manifest.fingerprint))
        if artifact.manifest.data_sha256 != data.sha256:
            warn(f"warning: {given} was built from different texts, or a different split, than {data.source}")
        place = out / "variants" / artifact.name
        if (
            not ((place / MANIFEST).is_file() and read_manifest(place).fingerprint == artifact.manifest.fingerprint)
            and place.resolve() != artifact.path.resolve()
        ):
            with atomic_folder(place) as draft:
                artifact.copy(draft)
        return Artifact.open(place)


def default_step() -> Step:
    """The step of the built-in recipe that makes its teacher."""
    return msgspec.structs.replace(load_recipe("walk").steps[0], name=TEACHER)


def given_options(**options: object) -> dict[str, object]:
    """The options that are set."""
    return {name: value for name, value in options.items() if value}


def training_step(stated: Mapping[str, Any]) -> Step:
    """The step of the built-in recipe that makes the teacher, with the stated options for head and lengths.

    Raises:
        RecipeError: if options contradict each other or are out of range.
    """
    recipe = Recipe(version=VERSION, name=TEACHER, steps=(default_step(),))
    lengths = {name: value for name, value in stated.items() if name in ("max_length", "long_texts")}
    head = {name: value for name, value in stated.items() if name not in lengths}
    return with_lengths(with_head(recipe, **head), **lengths).steps[0]


def exported_baseline(teacher: Artifact, data: Dataset, out: Path, seed: int, deadline: Deadline) -> Artifact:
    """The teacher in ONNX, the baseline of every trial."""
    step = Export(name=f"{teacher.name[:50]}-onnx", parent=teacher.name)
    with hold_lock(out / "work" / "locks" / step.name, deadline):
        deadline.check()
        return make_variant(
            step, out / "variants" / step.name, out / "work" / step.name, data, parent=teacher, seed=seed
        )[0]
