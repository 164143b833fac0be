"""The steps alone: `finetune`, `distill`, `export` and `quantize`, each from one artifact to the next."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from packlight.cli import options, teaching
from packlight.cli.making import Origin, checked, given, layers_of, make, name_of
from packlight.cli.source import DataOptions, with_data_options
from packlight.errors import RecipeError
from packlight.steps.distill.options import Distill
from packlight.steps.export.options import Export
from packlight.steps.finetune.options import Finetune
from packlight.steps.quantize_onnx.options import QuantizeOnnx
from packlight.steps.quantize_torch.options import QuantizeTorch
from packlight.steps.step import Step


@with_data_options
def finetune(
    source: DataOptions,
    model: options.Model = "minilm",
    out: options.Out = Path("artifacts/teacher"),
    epochs: options.Epochs = None,
    learning_rate: options.LearningRate = None,
    max_length: options.MaxLength = None,
    train_threads: options.TrainThreads = None,
    as_json: options.AsJson = False,
) -> None:
    """Fine-tune a pretrained encoder on labelled texts.

    Example: `packlight finetune --data intents.csv --out artifacts/teacher`
    """
    chosen = given(epochs=epochs, learning_rate=learning_rate, max_length=max_length, threads=train_threads)
    step = checked(Finetune(name=name_of(out), **chosen))
    make(step, source.read(), out, source.seed, as_json, model=model)


@with_data_options
def distill(
    teacher: Origin,
    source: DataOptions,
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
    hard_class_weight: Annotated[float, typer.Option(min=1, help="Factor on the loss of weak classes.")] = 1.0,
    augment: teaching.Augment = None,
    unlabeled_texts: teaching.ExtraTexts = None,
    soft_labels: Annotated[
        Path | None,
        typer.Option(
            help="A CSV or JSONL file of texts with class probabilities, from any source, that teaches instead of TEACHER."
        ),
    ] = None,
    logit_weight: teaching.LogitWeight = None,
    hidden_weight: Annotated[
        float | None,
        typer.Option(min=0, help="Weight of the cosine distance between what the two heads see; both as wide."),
    ] = None,
    relation_weight: Annotated[
        float | None,
        typer.Option(min=0, help="Weight of the last layers' attention relations; one tokenizer for both."),
    ] = None,
    epochs: options.Epochs = None,
    learning_rate: options.LearningRate = None,
    max_length: options.MaxLength = None,
    train_threads: options.TrainThreads = None,
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
        augment=augment,
        unlabeled_texts=teaching.word(unlabeled_texts),
        soft_labels=teaching.word(soft_labels),
        logit_weight=logit_weight,
        hidden_weight=hidden_weight,
        relation_weight=relation_weight,
        threads=train_threads,
    )
    step = Distill(
        name=name_of(out),
        layers=layers_of(layers),
        freeze_layers=freeze_layers,
        freeze_epochs=freeze_epochs,
        hard_class_weight=hard_class_weight,
        **chosen,
    )
    checked(step)
    labelled = source.read()
    teaching.check_files(unlabeled_texts, soft_labels, labelled)
    make(step, labelled, out, source.seed, as_json, origin=teacher, model=student)


@with_data_options
def export(
    model: Origin,
    source: DataOptions,
    out: options.Out = Path("artifacts/onnx"),
    fuse: Annotated[
        bool, typer.Option(help="Join attention, layer norm and GELU into ONNX Runtime's operators.")
    ] = True,
    opset: Annotated[int | None, typer.Option(help="Version of the ONNX operators.")] = None,
    tolerance: Annotated[
        float | None, typer.Option(help="Largest difference of a logit from the parent's; 0.001 by default.")
    ] = None,
    as_json: options.AsJson = False,
) -> None:
    """Write a classifier as ONNX and check its logits against the parent's on real texts.

    Example: `packlight export artifacts/student --data intents.csv --out artifacts/student-onnx`
    """
    step = checked(Export(name=name_of(out), fuse=fuse, **given(opset=opset, tolerance=tolerance)))
    make(step, source.read(), out, source.seed, as_json, origin=model)


@with_data_options
def quantize(
    model: Annotated[
        str, typer.Argument(help="An ONNX artifact's folder; with --mode torch any fine-tuned classifier.")
    ],
    source: DataOptions,
    out: options.Out = Path("artifacts/int8"),
    mode: Annotated[
        Literal["static", "dynamic", "torch"],
        typer.Option(help="`static`, `dynamic`, or `torch` for dynamic int8 in PyTorch."),
    ] = "static",
    embeddings: Annotated[
        Literal["int8", "int4"] | None, typer.Option(help="Bits of the embeddings; `int8` by default.")
    ] = None,
    calibration: Annotated[
        Literal["minmax", "percentile", "auto"] | None,
        typer.Option(
            help="Static ranges of all values, without the rarest, or the better on val; `minmax` by default."
        ),
    ] = None,
    per_channel: Annotated[
        bool | None, typer.Option(help="One range for each output channel of a weight, which is the default.")
    ] = None,
    reduce_range: Annotated[
        bool | None, typer.Option(help="7-bit weights; where the processor lacks VNNI by default.")
    ] = None,
    min_agreement: Annotated[
        float | None, typer.Option(help="Least share of val's labels that stay the parent's; 0.9 by default.")
    ] = None,
    as_json: options.AsJson = False,
) -> None:
    """Make int8 of an ONNX artifact, or with --mode torch of a torch one.

    Example: `packlight quantize artifacts/student-onnx --data intents.csv --mode static`
    """
    chosen = given(embeddings=embeddings, calibration=calibration, per_channel=per_channel, reduce_range=reduce_range)
    common = given(min_agreement=min_agreement)
    step: Step
    if mode == "torch":
        if chosen:
            raise RecipeError(f"--mode torch has no --{next(iter(chosen)).replace('_', '-')}; leave it away")
        step = QuantizeTorch(name=name_of(out), **common)
    else:
        step = QuantizeOnnx(name=name_of(out), mode=mode, **chosen, **common)
    checked(step)
    make(step, source.read(), out, source.seed, as_json, origin=model)
