"""Making one artifact from the command line, the same way for every step."""

import re
import shlex
import shutil
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from packlight import extras
from packlight.artifact import Artifact
from packlight.cli.show import show_json
from packlight.dataset import Dataset
from packlight.dataset.load import SAMPLE
from packlight.errors import RecipeError
from packlight.progress import complain, say
from packlight.recipe import Step, check_options

S = TypeVar("S", bound=Step)
NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
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

    Raises:
        RecipeError: when the step cannot start from the origin.
    """
    from packlight.checkpoint import resolve  # noqa: PLC0415 - with the next, seconds that --help need not wait for
    from packlight.pipeline.alone import alone_at  # noqa: PLC0415
    from packlight.pipeline.variant import check_parent, make_variant, open_parent  # noqa: PLC0415

    if origin and Path(origin).resolve() == out.resolve():
        raise RecipeError(f"{out}: is what the step starts from; give another --out")
    with alone_at(out) as work:
        parent = open_parent(origin, data, work) if origin else None
        if parent is not None:
            check_parent(step, parent)
            if parent.manifest.data_sha256 != data.sha256:
                complain(
                    f"warning: {parent.name} was made from other texts, or another split of them, than {data.source}; "
                    "give the same --data, --oos-label and --seed unless that is meant"
                )
        checkpoint = resolve(model) if model else None
        artifact, new = make_variant(step, out, work / "making", data, parent=parent, checkpoint=checkpoint, seed=seed)
        shutil.rmtree(work)
    if as_json:
        show_json({"artifact": str(out), "made": new, "facts": artifact.manifest.facts})
    else:
        say(f"artifact: {out}   next: {_next(artifact, data)}")


def _next(artifact: Artifact, data: Dataset) -> str:
    """What is usually done with an artifact of this kind."""
    manifest, path = artifact.manifest, artifact.path
    texts = "" if data.source == SAMPLE else f" --data {shlex.quote(data.source)}"
    if manifest.precision != "fp32":
        return f'packlight predict {path} "a text"'
    if manifest.engine == "onnxruntime":
        return f"packlight quantize {path}{texts} --out {path}-int8"
    if manifest.step == "finetune":
        return f"packlight distill {path}{texts}"
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


def name_of(out: Path) -> str:
    """The variant's name: the last part of its folder.

    Raises:
        RecipeError: when that is no name that a file of every system could have.
    """
    if not NAME.fullmatch(out.name):
        raise RecipeError(
            f"--out {out}: its last part names the variant: small letters, digits, dots, hyphens and underscores, such "
            "as artifacts/student"
        )
    return out.name


def given(**values: Any) -> dict[str, Any]:
    """Those options that were given; the others keep the step's defaults."""
    return {name: value for name, value in values.items() if value is not None}
