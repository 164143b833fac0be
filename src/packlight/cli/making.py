"""Making one artifact from the command line, the same way for every step."""

import re
import shlex
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from packlight import extras
from packlight.cli.show import show_json
from packlight.data import Dataset
from packlight.data.dataset import as_options
from packlight.data.load import SAMPLE
from packlight.errors import RecipeError
from packlight.progress import info, warn
from packlight.runtime.artifact import Artifact
from packlight.steps.step import Step, check_options

S = TypeVar("S", bound=Step)
NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
PARENT = ""
"""no name: what a step starts from first of all"""
Origin = Annotated[
    str, typer.Argument(help="An artifact's folder, or any fine-tuned classifier: a folder or a Hub id.")
]


def make(
    step: Step,
    data: Dataset,
    out: Path,
    seed: int,
    as_json: bool,
    *,
    model: str | None = None,
    origin: str | None = None,
    others: Mapping[str, str] | None = None,
) -> None:
    """Make the step's artifact in `out` and say what comes next.

    Args:
        step: what to do.
        data: labelled texts.
        out: the artifact's folder.
        seed: of everything random.
        as_json: print one JSON document instead of a line.
        model: the checkpoint that a fine-tuning, or a student, starts from.
        origin: the artifact, or the classifier, that the step starts from.
        others: the artifacts besides it that the step starts from, by the name that the step calls them.

    Raises:
        RecipeError: when the step cannot start from the origin, or from one of the others.
    """
    from packlight.models import resolve  # with the next, seconds that --help need not wait for
    from packlight.pipeline.locking import lock_artifact
    from packlight.pipeline.resolving import FILE, settle
    from packlight.pipeline.variant import check_parent, make_variant, open_parent

    starts = {PARENT: origin, **(others or {})} if origin else {}
    if any(Path(each).resolve() == out.resolve() for each in starts.values()):
        raise RecipeError(f"{out}: is what the step starts from; give another --out")
    with lock_artifact(out) as work:
        opened = {name: open_parent(each, data, work) for name, each in starts.items()}
        for name, artifact in opened.items():
            check_parent(step, artifact, None if name == PARENT else step.other_parents[name])
            if artifact.manifest.data_sha256 != data.sha256:
                warn(
                    f"warning: {artifact.name} was made from other texts, or another split of them, than {data.source}; "
                    "give the same --data, --oos-label and --seed unless that is meant"
                )
        parent = opened.pop(PARENT, None)
        checkpoint = resolve(model) if model else None
        resolved = settle(work / FILE, artifact=out)
        artifact, new = make_variant(
            step,
            out,
            work / "making",
            data,
            parent=parent,
            checkpoint=checkpoint,
            others=opened,
            seed=seed,
            resolved=resolved,
        )
        shutil.rmtree(work)
    if as_json:
        show_json({"artifact": str(out), "made": new, "facts": artifact.manifest.facts})
    else:
        info(f"artifact: {out}   next: {_next(artifact, data, origin)}")


def _next(artifact: Artifact, data: Dataset, origin: str | None) -> str:
    """What is usually done with an artifact of this kind."""
    manifest, path = artifact.manifest, artifact.path
    source = [] if data.source == SAMPLE else ["--data", data.source]
    texts = "".join(f" {shlex.quote(word)}" for word in (*source, *as_options(data.reading)))
    if manifest.engine == "static" and manifest.step != "calibrate":
        return f"packlight calibrate {path}{texts} --out {path}-calibrated"
    if manifest.precision != "fp32" or manifest.engine == "cascade":
        return f'packlight predict {path} "a text"'
    if manifest.engine == "onnxruntime":
        return f"packlight quantize {path}{texts} --out {path}-int8"
    if manifest.step == "finetune":
        return f"packlight distill {path}{texts}"
    if manifest.step == "prune":
        return f"packlight distill {origin}{texts} --student {path} --out {path}-healed"
    return f"packlight export {path}{texts} --out {path}-onnx"


def checked(step: S) -> S:
    """The step, if its options can be carried out here: asked before the data is read.

    Raises:
        RecipeError: when an option is out of its range.
        MissingExtraError: when torch is not installed.
    """
    check_options(step)
    extras.require("torch", "transformers", "accelerate", "onnx", "onnxscript", purpose=f"`packlight {step.kind}`")
    return step


def name_of(out: Path, *, option: str = "--out") -> str:
    """The variant's name: the last part of its folder.

    Raises:
        RecipeError: when that is no name that a file of every system could have.
    """
    if not NAME.fullmatch(out.name):
        raise RecipeError(
            f"{option} {out}: its last part names the variant: small letters, digits, dots, hyphens and underscores, such "
            "as artifacts/student"
        )
    return out.name


def given(**values: Any) -> dict[str, Any]:
    """Those options that were given; the others keep the step's defaults."""
    return {name: value for name, value in values.items() if value is not None}


def layers_of(words: str) -> int | tuple[int, ...]:
    """So many layers, or the places of some: `3`, `0,2,5`, or `0,` for the first alone.

    Raises:
        RecipeError: when the words say neither.
    """
    if not re.fullmatch(r"[1-9]\d*|\d+,(\d+,)*\d*", words):
        raise RecipeError(f"--layers {words}: give how many, such as 3, or places counted from 0, such as 0,2,5")
    return tuple(int(word) for word in words.split(",") if word) if "," in words else int(words)
