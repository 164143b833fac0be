"""The steps alone: `finetune`, `distill`, `export` and `quantize`, each from one artifact to the next."""

import re
import shlex
import shutil
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import typer

from packlight import extras
from packlight.artifact import Artifact
from packlight.cli import options
from packlight.cli.show import show_json
from packlight.dataset import Dataset
from packlight.dataset.load import SAMPLE
from packlight.errors import RecipeError
from packlight.progress import complain, say
from packlight.recipe import Distill, Export, Finetune, QuantizeOnnx, QuantizeTorch, Step, check_options

S = TypeVar("S", bound=Step)
NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
Origin = Annotated[
    str, typer.Argument(help="An artifact's folder, or any fine-tuned classifier: a folder or a Hub id.")
]


def finetune(
    data: options.Data = "sample",
    model: options.Model = "minilm",
    out: options.Out = Path("artifacts/teacher"),
    text_column: options.TextColumn = None,
    label_column: options.LabelColumn = None,
    oos_label: options.OosLabel = None,
    epochs: options.Epochs = None,
    learning_rate: options.LearningRate = None,
    max_length: options.MaxLength = None,
    seed: options.Seed = 0,
    as_json: options.AsJson = False,
) -> None:
    """Fine-tune a pretrained encoder on labelled texts.

    Example: `packlight finetune --data intents.csv --out artifacts/teacher`
    """
    chosen = _given(epochs=epochs, learning_rate=learning_rate, max_length=max_length)
    step = _checked(Finetune(name=_name(out), **chosen))
    labelled = options.read_data(data, text_column, label_column, oos_label, seed)
    _make(step, labelled, out, seed, as_json, model=model)


def distill(
    teacher: Origin,
    data: options.Data = "sample",
    out: options.Out = Path("artifacts/student"),
    student: Annotated[
        str | None, typer.Option(help="A checkpoint to start from; layers of the teacher by default.")
    ] = None,
    layers: Annotated[
        str, typer.Option(help="How many of the teacher's layers, or which, counted from 0: `3` or `0,2,5`.")
    ] = "3",
    alpha: Annotated[float | None, typer.Option(help="Weight of the labels against the teacher, from 0 to 1.")] = None,
    temperature: Annotated[float | None, typer.Option(help="Softens the teacher's answers; above 0.")] = None,
    freeze_layers: Annotated[int, typer.Option(min=0, help="So many first layers rest at first.")] = 0,
    freeze_epochs: Annotated[int, typer.Option(min=0, help="And for so many epochs.")] = 0,
    boost_weak: Annotated[float, typer.Option(min=1, help="Factor on the loss of weak classes.")] = 1.0,
    text_column: options.TextColumn = None,
    label_column: options.LabelColumn = None,
    oos_label: options.OosLabel = None,
    epochs: options.Epochs = None,
    learning_rate: options.LearningRate = None,
    max_length: options.MaxLength = None,
    seed: options.Seed = 0,
    as_json: options.AsJson = False,
) -> None:
    """Teach a smaller student what a fine-tuned classifier knows.

    Example: `packlight distill artifacts/teacher --data intents.csv --layers 0,2,5 --alpha 0.1`
    """
    chosen = _given(
        student=student,
        alpha=alpha,
        temperature=temperature,
        epochs=epochs,
        # Who asks for so many epochs gets so many.
        min_updates=None if epochs is None else 0,
        learning_rate=learning_rate,
        max_length=max_length,
    )
    step = Distill(
        name=_name(out),
        layers=_layers(layers),
        freeze_layers=freeze_layers,
        freeze_epochs=freeze_epochs,
        boost_weak=boost_weak,
        **chosen,
    )
    _checked(step)
    labelled = options.read_data(data, text_column, label_column, oos_label, seed)
    _make(step, labelled, out, seed, as_json, origin=teacher, model=student)


def export(
    model: Origin,
    data: options.Data = "sample",
    out: options.Out = Path("artifacts/onnx"),
    fuse: Annotated[
        bool, typer.Option(help="Join attention, layer norm and GELU into ONNX Runtime's operators.")
    ] = True,
    opset: Annotated[int | None, typer.Option(help="Version of the ONNX operators.")] = None,
    text_column: options.TextColumn = None,
    label_column: options.LabelColumn = None,
    oos_label: options.OosLabel = None,
    seed: options.Seed = 0,
    as_json: options.AsJson = False,
) -> None:
    """Write a classifier as ONNX and check its logits against the parent's on real texts.

    Example: `packlight export artifacts/student --data intents.csv --out artifacts/student-onnx`
    """
    step = _checked(Export(name=_name(out), fuse=fuse, **_given(opset=opset)))
    labelled = options.read_data(data, text_column, label_column, oos_label, seed)
    _make(step, labelled, out, seed, as_json, origin=model)


def quantize(
    model: Origin,
    data: options.Data = "sample",
    out: options.Out = Path("artifacts/int8"),
    mode: Annotated[
        Literal["static", "dynamic", "torch"],
        typer.Option(help="`static`, `dynamic`, or `torch` for dynamic int8 in PyTorch."),
    ] = "static",
    per_channel: Annotated[bool, typer.Option(help="One range for each output channel of a weight.")] = True,
    reduce_range: Annotated[
        bool | None, typer.Option(help="7-bit weights; where the processor lacks VNNI by default.")
    ] = None,
    text_column: options.TextColumn = None,
    label_column: options.LabelColumn = None,
    oos_label: options.OosLabel = None,
    seed: options.Seed = 0,
    as_json: options.AsJson = False,
) -> None:
    """Make int8 of an ONNX artifact, or with --mode torch of a torch one.

    Example: `packlight quantize artifacts/student-onnx --data intents.csv --mode static`
    """
    step: Step
    if mode == "torch":
        step = QuantizeTorch(name=_name(out))
    else:
        step = QuantizeOnnx(
            name=_name(out),
            mode=mode,
            per_channel=per_channel,
            reduce_range=reduce_range,
        )
    _checked(step)
    labelled = options.read_data(data, text_column, label_column, oos_label, seed)
    _make(step, labelled, out, seed, as_json, origin=model)


def _make(
    step: Step,
    data: Dataset,
    out: Path,
    seed: int,
    as_json: bool,
    *,
    model: str | None = None,
    origin: str | None = None,
) -> None:
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


def _checked(step: S) -> S:
    """The step, if its options can be carried out here: asked before the data is read.

    Raises:
        RecipeError: when an option is out of its range.
        MissingExtraError: when torch is not installed.
    """
    check_options(step)
    extras.require("torch", "transformers", "accelerate", "onnx", "onnxscript", purpose=f"`packlight {step.kind}`")
    return step


def _name(out: Path) -> str:
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


def _given(**values: Any) -> dict[str, Any]:
    """Those options that were given; the others keep the step's defaults."""
    return {name: value for name, value in values.items() if value is not None}


def _layers(words: str) -> int | tuple[int, ...]:
    """So many layers, or the places of some: `3`, `0,2,5`, or `0,` for the first alone."""
    if not re.fullmatch(r"[1-9]\d*|\d+,(\d+,)*\d*", words):
        raise RecipeError(f"--layers {words}: give how many, such as 3, or places counted from 0, such as 0,2,5")
    return tuple(int(word) for word in words.split(",") if word) if "," in words else int(words)
