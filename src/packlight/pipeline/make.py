"""Making one variant: what each kind of step does to a folder that is still a draft."""

from dataclasses import dataclass
from functools import singledispatch
from pathlib import Path
from typing import Any

import msgspec
from transformers import PreTrainedModel

from packlight import artifact as artifacts
from packlight.artifact import Artifact
from packlight.checkpoint import Checkpoint, label_mapping
from packlight.classifier.int8 import quantize, save_int8
from packlight.classifier.stock import (
    build_classifier,
    labels_of,
    longest_text,
    open_classifier,
    save_classifier,
)
from packlight.dataset import Dataset
from packlight.engines import open_engine
from packlight.errors import ModelError
from packlight.pipeline.parity import check_agreement, check_export
from packlight.pipeline.parts import copy_description, lesson_for, rename_labels, tokenizer_folder, training_facts
from packlight.progress import bar, say
from packlight.recipe import Distill, Export, Finetune, QuantizeOnnx, QuantizeTorch, Step
from packlight.steps.distill import cached_logits, distill, take_layers
from packlight.steps.export import export
from packlight.steps.finetune import finetune, start_from_centroids
from packlight.steps.quantize_onnx import quantize_onnx
from packlight.steps.training import Epoch, Lesson
from packlight.tokenization import TextEncoder

AGREEMENT_TEXTS = 512


@dataclass(frozen=True)
class Bench:
    """What a step works with."""

    data: Dataset
    seed: int
    checkpoint: Checkpoint | None
    """what `finetune`, or the student of `distill`, starts from"""
    parent: Artifact | None
    work: Path
    """for checkpoints and caches; outlives a kill"""
    draft: Path
    """to be filled"""

    @property
    def origin(self) -> Artifact:
        """The parent, of a step that has one."""
        assert self.parent is not None  # noqa: S101 - the recipe's order was checked
        return self.parent


@dataclass(frozen=True)
class Made:
    """What a step says of the folder that it filled."""

    engine: str
    precision: str
    model_file: str
    max_length: int
    batch_invariant: bool
    facts: dict[str, Any]


@singledispatch
def make(step: Step, bench: Bench) -> Made:  # noqa: ARG001 - the registered ones use it
    """Fill the bench's draft with the step's variant.

    Raises:
        ParityError: when the variant does not answer like its parent.
    """
    raise TypeError(f"no way to make a {type(step).__name__}")


@make.register
def _(step: Finetune, bench: Bench) -> Made:
    checkpoint = bench.checkpoint
    assert checkpoint is not None  # noqa: S101 - resolved before any work
    tokenizer = tokenizer_folder(checkpoint, bench.work)
    known = _knows(checkpoint, bench.data)
    if known:
        model = open_classifier(checkpoint.path)
        rename_labels(model, bench.data.labels)
    else:
        model = build_classifier(checkpoint.path, bench.data.labels, seed=bench.seed)
    encoder = TextEncoder(tokenizer / "tokenizer.json", min(step.max_length, longest_text(model)))
    facts: dict[str, Any] = {"started_from": checkpoint.reference, "revision": checkpoint.revision}
    if known and not step.train_anyway:
        say(f"  {checkpoint.reference} already knows the data's labels and is taken as it is")
    else:
        history = finetune(
            model,
            encoder,
            lesson_for(bench.data, labels_of(model)),
            step,
            work=bench.work / "training",
            seed=bench.seed,
            fresh_head=not known,
        )
        facts |= training_facts(history)
    save_classifier(model, bench.draft, tokenizer_from=tokenizer, max_length=encoder.max_length)
    return Made("torch", "fp32", artifacts.SAFETENSORS, encoder.max_length, batch_invariant=True, facts=facts)


def _knows(checkpoint: Checkpoint, data: Dataset) -> bool:
    """Whether a model answers with the data's labels already; another classifier's encoder gets a new head."""
    if checkpoint.labels is None:
        return False
    try:
        label_mapping(checkpoint.labels, data.labels)
    except ModelError:
        say(f"  {checkpoint.reference} has other labels than the data; its encoder gets a new head")
        return False
    return True


@make.register
def _(step: Distill, bench: Bench) -> Made:
    parent = bench.origin
    teacher = open_classifier(parent.path)
    lesson = lesson_for(bench.data, labels_of(teacher))
    # A student that cannot be made is found out before the teacher has answered every text.
    student, encoder, tokenizer = _student(step, bench, teacher, lesson)
    logits = cached_logits(
        teacher,
        TextEncoder(parent.tokenizer_path, min(step.max_length, parent.manifest.max_length)),
        lesson.train_texts,
        key="+".join(parent.manifest.files[name].sha256 for name in (parent.manifest.model_file, "tokenizer.json")),
        folder=bench.work.parent / "teacher-logits",
    )
    history = distill(
        student,
        encoder,
        logits,
        lesson,
        step,
        work=bench.work / "training",
        seed=bench.seed,
        on_epoch=lambda epoch: _tell(step.name, epoch),
    )
    facts = training_facts(history) | ({"started_from": bench.checkpoint.reference} if bench.checkpoint else {})
    save_classifier(student, bench.draft, tokenizer_from=tokenizer, max_length=encoder.max_length)
    return Made("torch", "fp32", artifacts.SAFETENSORS, encoder.max_length, batch_invariant=True, facts=facts)


def _student(
    step: Distill, bench: Bench, teacher: PreTrainedModel, lesson: Lesson
) -> tuple[PreTrainedModel, TextEncoder, Path]:
    """The untaught student, its tokenizer, and the folder of that."""
    checkpoint = bench.checkpoint
    if checkpoint is None:
        parent = bench.origin
        length = min(step.max_length, parent.manifest.max_length)
        return take_layers(teacher, step.layers), TextEncoder(parent.tokenizer_path, length), parent.path
    if checkpoint.labels is None:
        student = build_classifier(checkpoint.path, lesson.labels, seed=bench.seed)
    elif checkpoint.labels == tuple(lesson.labels):
        student = open_classifier(checkpoint.path)
    else:
        raise ModelError(f"{checkpoint.reference}: its labels are not the teacher's; give its encoder instead")
    tokenizer = tokenizer_folder(checkpoint, bench.work)
    encoder = TextEncoder(tokenizer / "tokenizer.json", min(step.max_length, longest_text(student)))
    if checkpoint.labels is None:
        start_from_centroids(student, encoder, lesson)
    return student, encoder, tokenizer


@make.register
def _(_: QuantizeTorch, bench: Bench) -> Made:
    parent = bench.origin
    copy_description(parent.path, bench.draft)
    save_int8(quantize(open_classifier(parent.path)), bench.draft / artifacts.SAFETENSORS_INT8)
    length = parent.manifest.max_length
    return Made("torch", "int8", artifacts.SAFETENSORS_INT8, length, batch_invariant=False, facts={})


@make.register
def _(step: Export, bench: Bench) -> Made:
    parent = bench.origin
    copy_description(parent.path, bench.draft)
    target = bench.draft / artifacts.ONNX_FP32
    model = export(parent.path, target, step)
    parity = check_export(
        model,
        target,
        TextEncoder(parent.tokenizer_path, parent.manifest.max_length),
        bench.data.val.texts,
        tolerance=step.tolerance,
        name=step.name,
    )
    facts = {"parity": msgspec.to_builtins(parity)}
    length = parent.manifest.max_length
    return Made("onnxruntime", "fp32", artifacts.ONNX_FP32, length, batch_invariant=True, facts=facts)


@make.register
def _(step: QuantizeOnnx, bench: Bench) -> Made:
    parent = bench.origin
    copy_description(parent.path, bench.draft)
    quantize_onnx(
        parent.model_path,
        bench.draft / artifacts.ONNX_INT8,
        step,
        encoder=TextEncoder(parent.tokenizer_path, parent.manifest.max_length),
        calibration_texts=_spread(bench.data.train.texts, step.calibration_texts),
    )
    length = parent.manifest.max_length
    static = step.mode == "static"
    return Made("onnxruntime", "int8", artifacts.ONNX_INT8, length, batch_invariant=static, facts={})


def agreement_with_parent(
    step: QuantizeOnnx | QuantizeTorch, parent: Artifact, child: Artifact, data: Dataset
) -> float:
    """The share of validation texts that keep the parent's label.

    Raises:
        ParityError: when it is below what the step asks for.
    """
    texts = _spread(data.val.texts, AGREEMENT_TEXTS)
    answers = []
    for each in (parent, child):
        engine = open_engine(each)
        with bar(f"{step.name}: comparing with its parent", total=len(texts)) as progress:
            labels = []
            for text in texts:
                labels.append(int(engine.logits([text]).argmax()))
                progress.advance()
        answers.append(labels)
    return check_agreement(answers[0], answers[1], least=step.agreement, name=step.name)


def _spread(texts: tuple[str, ...], count: int) -> list[str]:
    """`count` texts, evenly spaced over all, so that every class of a sorted file is among them."""
    taken = min(count, len(texts))
    return [texts[place * len(texts) // taken] for place in range(taken)]


def _tell(name: str, epoch: Epoch) -> None:
    weak = ", ".join(f"{label} {accuracy:.0%}" for label, accuracy in epoch.weak_classes[:3])
    say(f"  {name}, epoch {epoch.epoch}: val {epoch.accuracy:.1%}" + (f"; struggles with {weak}" if weak else ""))
