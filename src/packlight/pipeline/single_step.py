"""Apply a single step, from one folder to another, for the commands and the Python functions of the steps."""

import shlex
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from packlight.data import Dataset
from packlight.errors import RecipeError
from packlight.expected import problem_of
from packlight.progress import warn
from packlight.runtime.artifact import MANIFEST, Artifact
from packlight.steps.option import options_of
from packlight.steps.step import Step, variant_name

PARENT = ""
"""not a valid name: stands for the step's parent"""


def build_step(kind: type[Step], out: Path, options: Mapping[str, Any]) -> tuple[Step, dict[str, str]]:
    """Build and check a step. Options that name a variant in a recipe take an artifact's folder here.

    Args:
        kind: the step's class.
        out: the folder to create. Its last part names the variant.
        options: the given options, by name.

    Returns:
        The step, and by name the folders of the artifacts that it uses besides its parent.

    Raises:
        RecipeError: if an option is out of range, or if two contradict each other.
        PacklightError: if something that the step needs is not installed.
    """
    values: dict[str, Any] = {}
    folders: dict[str, str] = {}
    for option in options_of(kind):
        if option.name not in options:
            continue
        value = options[option.name]
        if option.takes == "variant" and value is not None:
            given = [place_of(each) for each in (value if isinstance(value, list | tuple) else [value])]
            names = [_name_of(each) for each in given]
            for name, folder in zip(names, given, strict=True):
                if folders.setdefault(name, folder) != folder:
                    raise RecipeError(f"{kind.word()}: {folders[name]} and {folder} have the same name; rename one")
            value = tuple(names) if option.lists else names[0]
        values[option.key] = place_of(value) if isinstance(value, Path | Artifact) else value
    named = {"step": kind.word(), "as": _name_of(str(out))}
    if (problem := problem_of(kind, named | values)) is not None:
        raise RecipeError(f"{kind.word()}: {problem}")
    step = msgspec.convert(named | values, kind)
    if step.contradiction:
        raise RecipeError(f"{step.kind}: {step.contradiction}")
    step.check_machine()
    return step, folders


def run_step(
    step: Step,
    data: Dataset,
    out: Path,
    *,
    parent: str | None = None,
    other_parents: Mapping[str, str] | None = None,
    seed: int = 0,
) -> tuple[Artifact, bool]:
    """Apply a step and write its artifact to `out`.

    Args:
        step: from `build_step`.
        data: labelled texts.
        out: the artifact's folder.
        parent: the model to start from: an artifact's folder, or any fine-tuned classifier.
        other_parents: the artifacts that the step uses besides the parent, by the step's names for them.
        seed: random seed.

    Returns:
        The artifact, and whether it was built now.

    Raises:
        PacklightError: if the step cannot start from these, or cannot be applied.
    """
    from packlight.models import resolve  # with the next imports, takes seconds that --help should not
    from packlight.pipeline.announcing import announce_model
    from packlight.pipeline.locking import lock_artifact
    from packlight.pipeline.matching import check_labels
    from packlight.pipeline.preflight import check_start
    from packlight.pipeline.resolving import FILE, settle
    from packlight.pipeline.runner import DEFAULT_MODEL
    from packlight.pipeline.thread_trial import planned_training
    from packlight.pipeline.variant import beside, check_parent, make_variant, open_parent

    starts = ({PARENT: parent} if parent else {}) | dict(other_parents or {})
    if any(Path(each).resolve() == out.resolve() for each in starts.values()):
        raise RecipeError(f"{out}: is the artifact that the step starts from; give another --out")
    step.check_data(data)
    start = step.start_model(DEFAULT_MODEL)
    checkpoint = resolve(start) if start else None
    if checkpoint is not None:
        check_start(step, checkpoint, data)
        step.check_used(checkpoint, data.labels)
        announce_model(step, checkpoint, data)
    for name, each in starts.items():
        check_labels(Path(each), data)
        needed = step.needs if name == PARENT else step.other_parents[name]
        if "torch" not in needed and not (Path(each) / MANIFEST).is_file() and resolve(each).is_classifier:
            raise RecipeError(
                f"{each}: a transformers model, but {step.kind} starts from {' or '.join(needed)}; run `packlight export "
                f"{shlex.quote(each)} --data {shlex.quote(data.source)} --out {shlex.quote(f'{beside(each)}-onnx')}` first, and start from that"
            )
    with lock_artifact(out) as work:
        opened = {name: open_parent(each, data, work) for name, each in starts.items()}
        for name, artifact in opened.items():
            kinds = None if name == PARENT else step.other_parents[name]
            check_parent(step, artifact, kinds, shown=starts[name])
            if artifact.manifest.data_sha256 != data.sha256:
                warn(
                    f"warning: {artifact.name} was built from different texts, or a different split, than {data.source}; "
                    "give the same --data, --oos-label and --seed, unless this is intended"
                )
        first = opened.pop(PARENT, None)
        artifact, new = make_variant(
            step,
            out,
            work / "making",
            data,
            parent=first,
            checkpoint=checkpoint,
            other_parents=opened,
            seed=seed,
            resolved=settle(work / FILE, artifact=out, training=planned_training([step], checkpoint or first, data)),
        )
        shutil.rmtree(work)
    return artifact, new


def place_of(value: object) -> str:
    """An artifact's folder or a model's reference, as a string."""
    return str(value.path if isinstance(value, Artifact) else value)


def _name_of(folder: str) -> str:
    """The variant's name: the last part of its folder, without characters that a name cannot have."""
    return variant_name(Path(folder).resolve().name)
