"""The steps alone: `finetune`, `distill`, `export` and `quantize`, each from one artifact to the next."""

import re
from pathlib import Path
from typing import Annotated, Literal

import typer

from packlight.cli import options
from packlight.cli.making import Origin, checked, given, make, name_of
from packlight.errors import RecipeError
from packlight.recipe import Distill, Export, Finetune, QuantizeOnnx, QuantizeTorch, Step


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
    chosen = given(epochs=epochs, learning_rate=learning_rate, max_length=max_length)
    step = checked(Finetune(name=name_of(out), **chosen))
    labelled = options.read_data(data, text_column, label_column, oos_label, seed)
    make(step, labelled, out, seed, as_json, model=model)


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
    chosen = given(
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
        name=name_of(out),
        layers=_layers(layers),
        freeze_layers=freeze_layers,
        freeze_epochs=freeze_epochs,
        boost_weak=boost_weak,
        **chosen,
    )
    checked(step)
    labelled = options.read_data(data, text_column, label_column, oos_label, seed)
    make(step, labelled, out, seed, as_json, origin=teacher, model=student)


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
    step = checked(Export(name=name_of(out), fuse=fuse, **given(opset=opset)))
    labelled = options.read_data(data, text_column, label_column, oos_label, seed)
    make(step, labelled, out, seed, as_json, origin=model)


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
        step = QuantizeTorch(name=name_of(out))
    else:
        step = QuantizeOnnx(
            name=name_of(out),
            mode=mode,
            per_channel=per_channel,
            reduce_range=reduce_range,
        )
    checked(step)
    labelled = options.read_data(data, text_column, label_column, oos_label, seed)
    make(step, labelled, out, seed, as_json, origin=model)


def _layers(words: str) -> int | tuple[int, ...]:
    """So many layers, or the places of some: `3`, `0,2,5`, or `0,` for the first alone."""
    if not re.fullmatch(r"[1-9]\d*|\d+,(\d+,)*\d*", words):
        raise RecipeError(f"--layers {words}: give how many, such as 3, or places counted from 0, such as 0,2,5")
    return tuple(int(word) for word in words.split(",") if word) if "," in words else int(words)
