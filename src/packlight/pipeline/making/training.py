"""Making a classifier by training: the teacher and its students."""

from pathlib import Path
from typing import Any

import msgspec
from transformers import PreTrainedModel

from packlight.artifact import SAFETENSORS
from packlight.checkpoint import Checkpoint
from packlight.classifier.stock import (
    build_classifier,
    final_layer,
    labels_of,
    longest_text,
    open_classifier,
    save_classifier,
)
from packlight.errors import ModelError, RecipeError
from packlight.pipeline.making.bench import Bench, Made, make
from packlight.pipeline.making.teaching import lesson_of, taught_by, teacher_encoder
from packlight.pipeline.parts import lesson_for, rename_labels, tokenizer_folder, training_facts
from packlight.pipeline.resolving import knows
from packlight.progress import say
from packlight.provenance import FACT
from packlight.recipe import Distill, Finetune
from packlight.steps.distill import distill, take_layers
from packlight.steps.finetune import finetune, start_from_centroids
from packlight.steps.relations import check_relations_known
from packlight.steps.training import Epoch, Lesson
from packlight.tokenization import TextEncoder


def started_from(checkpoint: Checkpoint) -> dict[str, Any]:
    """What a manifest says of the model that a training starts from."""
    return {"started_from": checkpoint.reference, FACT: msgspec.to_builtins(checkpoint.base_model)}


@make.register
def _(step: Finetune, bench: Bench) -> Made:
    checkpoint = bench.checkpoint
    assert checkpoint is not None  # noqa: S101 - resolved before any work
    tokenizer = tokenizer_folder(checkpoint, bench.work)
    known = knows(checkpoint, bench.data.labels)
    if checkpoint.labels is not None and not known:
        say(f"  {checkpoint.reference} has other labels than the data; its encoder gets a new head")
    if known:
        model = open_classifier(checkpoint.path)
        rename_labels(model, bench.data.labels)
    else:
        model = build_classifier(checkpoint.path, bench.data.labels, seed=bench.seed)
    encoder = TextEncoder(tokenizer / "tokenizer.json", min(step.max_length, longest_text(model)))
    facts: dict[str, Any] = started_from(checkpoint)
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
            on_epoch=lambda epoch: bench.on_epoch(epoch.epoch, epoch.accuracy),
        )
        facts |= training_facts(history)
    save_classifier(model, bench.draft, tokenizer_from=tokenizer, max_length=encoder.max_length)
    return Made("torch", "fp32", SAFETENSORS, encoder.max_length, batch_invariant=True, facts=facts)


@make.register
def _(step: Distill, bench: Bench) -> Made:
    teacher = open_classifier(bench.origin.path)
    lesson = lesson_of(step, bench, labels_of(teacher))
    # A student that cannot be made is found out before the teacher has answered every text.
    student, encoder, tokenizer = _student(step, bench, teacher, lesson)
    _check_width(step, student, teacher)
    _check_relations(step, bench, (student, encoder), teacher, lesson)
    lesson, teaching = taught_by(step, bench, teacher, lesson)
    history = distill(
        student,
        encoder,
        teaching,
        lesson,
        step,
        work=bench.work / "training",
        seed=bench.seed,
        on_epoch=lambda epoch: _tell(step.name, epoch, bench),
    )
    facts = training_facts(history) | (started_from(bench.checkpoint) if bench.checkpoint else {})
    facts["texts"] = len(lesson.train_texts)
    save_classifier(student, bench.draft, tokenizer_from=tokenizer, max_length=encoder.max_length)
    return Made("torch", "fp32", SAFETENSORS, encoder.max_length, batch_invariant=True, facts=facts)


def _student(
    step: Distill, bench: Bench, teacher: PreTrainedModel, lesson: Lesson
) -> tuple[PreTrainedModel, TextEncoder, Path]:
    """The untaught student, its tokenizer, and the folder of that."""
    checkpoint = bench.checkpoint
    if step.start is not None:
        start = bench.others[step.start]
        if start.labels != tuple(lesson.labels):
            raise ModelError(
                f"{step.name}: {step.start} has other labels than its teacher, or in another order; start from a variant of "
                f"{bench.origin.name}"
            )
        length = min(step.max_length, start.manifest.max_length)
        return open_classifier(start.path), TextEncoder(start.tokenizer_path, length), start.path
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


def _check_width(step: Distill, student: PreTrainedModel, teacher: PreTrainedModel) -> None:
    own, given = final_layer(student).in_features, final_layer(teacher).in_features
    if step.hidden_weight > 0 and own != given:
        raise RecipeError(f"{step.name}: hidden_weight needs equal widths; the student has {own}, the teacher {given}")


def _check_relations(
    step: Distill, bench: Bench, taught: tuple[PreTrainedModel, TextEncoder], teacher: PreTrainedModel, lesson: Lesson
) -> None:
    """Relations are compared token by token, so that both must cut texts into as many."""
    if step.relation_weight == 0:
        return
    student, own = taught
    for model in (student, teacher):
        check_relations_known(model)
    theirs = teacher_encoder(step, bench)
    pairs = zip(lesson.train_texts, own.ids(lesson.train_texts), theirs.ids(lesson.train_texts), strict=True)
    for text, mine, given in pairs:
        if len(mine) != len(given):
            raise RecipeError(
                f"{step.name}: relation_weight needs one tokenizer and length for student and teacher; {text!r} has "
                f"{len(mine)} tokens for the student, {len(given)} for the teacher"
            )


def _tell(name: str, epoch: Epoch, bench: Bench) -> None:
    weak = ", ".join(f"{label} {accuracy:.0%}" for label, accuracy in epoch.weak_classes[:3])
    say(f"  {name}, epoch {epoch.epoch}: val {epoch.accuracy:.1%}" + (f"; struggles with {weak}" if weak else ""))
    bench.on_epoch(epoch.epoch, epoch.accuracy)
