"""The steps towards the smallest and fastest that is still good: `calibrate`, `prune`, `distill-static`, `cascade`."""

from pathlib import Path
from typing import Annotated

import typer

from packlight.cli import options, teaching
from packlight.cli.making import Origin, checked, given, layers_of, make, name_of
from packlight.cli.source import DataOptions, with_data_options
from packlight.steps.calibrate.options import Calibrate
from packlight.steps.cascade.options import Cascade
from packlight.steps.distill_static.options import DistillStatic
from packlight.steps.prune.options import Prune


@with_data_options
def calibrate(
    model: Origin,
    source: DataOptions,
    out: options.Out = Path("artifacts/calibrated"),
    oos_rate: options.Traffic = None,
    coverage: Annotated[
        float | None,
        typer.Option(
            help="Without an out-of-scope class: share of texts to be answered; the unsurest rest is abstained from."
        ),
    ] = None,
    as_json: options.AsJson = False,
) -> None:
    """Set the out-of-scope threshold and the temperature on val, and build them into the last layer.

    Example: `packlight calibrate artifacts/student --data intents.csv --oos-rate 0.2 --out artifacts/calibrated`
    """
    step = checked(Calibrate(name=name_of(out), **given(oos_rate=options.rate_of(oos_rate), coverage=coverage)))
    make(step, source.read(), out, source.seed, as_json, origin=model)


@with_data_options
def prune(
    model: Origin,
    source: DataOptions,
    out: options.Out = Path("artifacts/pruned"),
    intermediate_size: Annotated[
        int | None, typer.Option(min=1, help="Neurons kept in each feed-forward block; all by default.")
    ] = None,
    heads: Annotated[
        int | None, typer.Option(min=1, help="Attention heads kept in each layer; all by default.")
    ] = None,
    layers: Annotated[
        str | None,
        typer.Option(help="How many layers are kept, or which, counted from 0: `3` or `0,2,5`; all by default."),
    ] = None,
    texts: Annotated[int | None, typer.Option(min=1, help="Training texts that importance is measured on.")] = None,
    as_json: options.AsJson = False,
) -> None:
    """Remove layers, and the neurons and attention heads that matter least; heal the rest with `distill --student`.

    Example: `packlight prune artifacts/teacher --data intents.csv --intermediate-size 32 --out artifacts/pruned`
    """
    kept = None if layers is None else layers_of(layers)
    step = checked(
        Prune(name=name_of(out), layers=kept, intermediate_size=intermediate_size, heads=heads, **given(texts=texts))
    )
    make(step, source.read(), out, source.seed, as_json, origin=model)


@with_data_options
def distill_static(
    teacher: Origin,
    source: DataOptions,
    out: options.Out = Path("artifacts/static"),
    buckets: Annotated[int | None, typer.Option(help="Rows of the embedding, which n-grams share.")] = None,
    embedding_dim: Annotated[int | None, typer.Option(help="Columns of the embedding.")] = None,
    hidden_size: Annotated[int | None, typer.Option(min=1, help="Neurons of the head.")] = None,
    augment: teaching.Augment = None,
    unlabeled_texts: teaching.ExtraTexts = None,
    logit_weight: teaching.LogitWeight = None,
    epochs: options.Epochs = None,
    learning_rate: Annotated[float | None, typer.Option(min=0, help="Rate of the n-grams and the head.")] = None,
    train_threads: options.TrainThreads = None,
    as_json: options.AsJson = False,
) -> None:
    """Teach hashed n-grams and a small head what a classifier knows: microseconds a text, without torch.

    Example: `packlight distill-static artifacts/teacher --data intents.csv --out artifacts/static`
    """
    chosen = given(
        buckets=buckets,
        embedding_dim=embedding_dim,
        hidden_size=hidden_size,
        augment=augment,
        unlabeled_texts=teaching.word(unlabeled_texts),
        logit_weight=logit_weight,
        epochs=epochs,
        learning_rate=learning_rate,
        threads=train_threads,
    )
    step = checked(DistillStatic(name=name_of(out), **chosen))
    labelled = source.read()
    teaching.check_files(unlabeled_texts, None, labelled)
    make(step, labelled, out, source.seed, as_json, origin=teacher)


@with_data_options
def cascade(
    second: Origin,
    first: Annotated[
        Path, typer.Option(help="The fast artifact, asked before SECOND: of `distill-static`, or an ONNX one.")
    ],
    source: DataOptions,
    out: options.Out = Path("artifacts/cascade"),
    max_accuracy_drop: Annotated[
        float | None, typer.Option(help="Accuracy that may be given up against SECOND alone, from 0 to 1.")
    ] = None,
    confidence: Annotated[
        float | None, typer.Option(help="That no more is given up, from val's texts; from 0.5 to 1.")
    ] = None,
    oos_rate: options.Traffic = None,
    as_json: options.AsJson = False,
) -> None:
    """Let a fast artifact answer what it is sure of, and a better one the rest.

    Example: `packlight cascade artifacts/student-onnx --first artifacts/static --data intents.csv`
    """
    called = name_of(first, option="--first")
    step = checked(
        Cascade(
            name=name_of(out),
            first=called,
            **given(max_accuracy_drop=max_accuracy_drop, confidence=confidence, oos_rate=options.rate_of(oos_rate)),
        )
    )
    make(step, source.read(), out, source.seed, as_json, origin=second, others={called: str(first)})
