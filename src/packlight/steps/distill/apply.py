"""Distillation: a student learns from the labels and the teacher's predictions together.

`steps.training.objectives` has the loss.

A student can be any checkpoint, or some of the teacher's own layers, which is a much better start (Sanh et al. 2019,
DistilBERT, section 3; Sajjad et al. 2023, On the effect of dropping layers).
"""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Self

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from packlight.errors import ModelError, RecipeError
from packlight.models.hf_model import (
    build_classifier,
    final_layer,
    length_limit,
    open_classifier,
)
from packlight.models.layers import keep_layers
from packlight.models.tokenizer import tokenizer_folder
from packlight.runtime.artifact import Artifact
from packlight.runtime.tokenization import TextEncoder
from packlight.steps.context import StepContext, StepResult
from packlight.steps.distill.options import Distill
from packlight.steps.training.announcing import announce
from packlight.steps.training.attention_relations import StudentRelations, check_relations_known
from packlight.steps.training.centroids import start_from_centroids
from packlight.steps.training.devices import device_here
from packlight.steps.training.history import EpochResult, started_from, training_facts
from packlight.steps.training.lengths import choose_length, token_facts
from packlight.steps.training.objectives import distillation_loss, hidden_loss
from packlight.steps.training.result import trained_result
from packlight.steps.training.teacher_targets import (
    TeacherOutputs,
    student_training_data,
    teacher_encoder,
    teacher_outputs,
)
from packlight.steps.training.trainer import fit
from packlight.steps.training.training_data import NO_LABEL, TrainingData


def distill(
    student: PreTrainedModel,
    encoder: TextEncoder,
    targets: TeacherOutputs,
    train_data: TrainingData,
    options: Distill,
    *,
    work: Path,
    seed: int,
    on_epoch: Callable[[EpochResult], None] = lambda _: None,
) -> list[EpochResult]:
    """Train a student in place.

    Args:
        student: a classifier with the labels of the training data.
        encoder: its tokenizer.
        targets: the teacher's outputs for the training texts.
        train_data: texts and labels.
        options: the step's options.
        work: folder for checkpoints.
        seed: of batches and dropout.
        on_epoch: called after each epoch with its results on `val`.

    Returns:
        The results on `val` after each epoch.
    """
    class_weights = torch.ones(len(train_data.labels))

    def objective(logits: Tensor, labels: Tensor, rows: Tensor) -> Tensor:
        chosen = rows.cpu()
        loss = distillation_loss(
            logits,
            targets.logits[chosen].to(logits.device),
            labels,
            alpha=options.alpha,
            temperature=options.temperature,
            logit_weight=options.logit_weight,
            weights=_weights(class_weights.to(logits.device), labels) if options.hard_class_weight > 1 else None,
        )
        if targets.features is not None:
            wanted = targets.features[chosen].to(logits.device)
            loss = loss + options.hidden_weight * hidden_loss(watched.seen, wanted)
        if targets.relations is not None and relations is not None:
            loss = loss + options.relation_weight * relations.distance(targets.relations, chosen.tolist())
        return loss

    def after(epoch: EpochResult) -> None:
        class_weights.fill_(1.0)
        class_weights[[train_data.labels.index(label) for label, _ in epoch.weak_classes]] = options.hard_class_weight
        on_epoch(epoch)

    with _FinalLayerInput(student) as watched, ExitStack() as stack:
        relations = stack.enter_context(StudentRelations(student)) if targets.relations is not None else None
        return fit(
            student,
            encoder,
            train_data,
            objective,
            options,
            work=work,
            seed=seed,
            title="distilling",
            frozen=(options.freeze_layers, options.freeze_epochs),
            on_epoch=after,
        )


def _weights(class_weights: Tensor, labels: Tensor) -> Tensor:
    """Weight of each text in the loss; 1 for texts without a label."""
    return torch.where(labels == NO_LABEL, 1.0, class_weights[labels.clamp_min(0)])


class _FinalLayerInput:
    """Keeps the last input of a model's last layer in `seen`, [batch, width]."""

    def __init__(self, model: PreTrainedModel) -> None:
        self._final = final_layer(model)
        self.seen = torch.empty(0)

    def __enter__(self) -> Self:
        self._hook = self._final.register_forward_pre_hook(self._remember)
        return self

    def __exit__(self, *_: object) -> None:
        self._hook.remove()

    def _remember(self, _: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        self.seen = inputs[0].float()


def apply(step: Distill, context: StepContext) -> StepResult:
    """Train the student on the labels and on the teacher's logits."""
    teacher = open_classifier(context.parent.path)
    train_data = student_training_data(
        context,
        augment=step.augment,
        unlabeled_texts=step.unlabeled_texts,
        min_texts=step.min_texts,
        new_words=step.new_words,
    )
    # A student that cannot be built fails here, before the teacher runs on every text.
    student, encoder, tokenizer = _student(step, context, teacher, train_data)
    _check_width(step, student, teacher)
    if encoder.long_texts == "windows" and step.weight_of_inner_states:
        raise RecipeError(
            f"{step.name}: {context.parent.name} reads long texts in windows, with which {step.weight_of_inner_states} does not "
            "work; omit it"
        )
    _check_relations(step, context, (student, encoder), teacher, train_data)
    lengths = token_facts(context.data, encoder, shown=context.lengths_shown)
    train_data, targets = teacher_outputs(
        context,
        teacher,
        train_data,
        max_length=step.max_length or context.parent.manifest.max_length,
        soft_labels=step.soft_labels,
        teachers=step.teachers,
        features=step.hidden_weight > 0,
        relations=step.relation_weight > 0,
        bf16=bool(step.bf16),
        device=step.device or device_here(),
    )
    history = distill(
        student,
        encoder,
        targets,
        train_data,
        step,
        work=context.work_dir / "training",
        seed=context.seed,
        on_epoch=lambda epoch: announce(step.name, epoch, context.on_epoch),
    )
    facts = training_facts(history) | (started_from(context.checkpoint) if context.checkpoint else {})
    facts |= {"texts": len(train_data.train_texts), "lengths": lengths}
    return trained_result(student, encoder, tokenizer, facts, context.output_dir)


def _student(
    step: Distill, context: StepContext, teacher: PreTrainedModel, train_data: TrainingData
) -> tuple[PreTrainedModel, TextEncoder, Path]:
    """The untrained student, its tokenizer, and the folder of the tokenizer."""
    checkpoint = context.checkpoint
    if step.start is not None:
        start = context.other_parents[step.start]
        if start.labels != tuple(train_data.labels):
            raise ModelError(
                f"{step.name}: {step.start} has different labels from its teacher, or in another order; start from a variant of "
                f"{context.parent.name}"
            )
        return open_classifier(start.path), _encoder_like(step, start), start.path
    if checkpoint is None:
        parent = context.parent
        return keep_layers(teacher, step.layers), _encoder_like(step, parent), parent.path
    if checkpoint.labels is None:
        student = build_classifier(checkpoint.path, train_data.labels, seed=context.seed)
    elif checkpoint.labels == tuple(train_data.labels):
        student = open_classifier(checkpoint.path)
    else:
        raise ModelError(f"{checkpoint.reference}: its labels are not the teacher's; give its encoder instead")
    tokenizer = tokenizer_folder(checkpoint, context.work_dir)
    file = tokenizer / "tokenizer.json"
    whole = TextEncoder(file, length_limit(student, tokenizer))
    lengths = [len(row) for row in whole.ids(context.data.train.texts)]
    length = choose_length(lengths, limit=whole.max_length, stated=step.max_length, name=step.name)
    encoder = TextEncoder(file, length, long_texts=step.long_texts)
    if checkpoint.labels is None:
        start_from_centroids(student, encoder, train_data)
    return student, encoder, tokenizer


def _encoder_like(step: Distill, origin: Artifact) -> TextEncoder:
    """The tokenizer of the variant that a student starts from, with the same maximum length or a shorter one.

    Raises:
        RecipeError: if the step asks for a longer one.
    """
    limit = origin.manifest.max_length
    length = choose_length((limit,), limit=limit, stated=step.max_length, name=step.name)
    kept = step.long_texts if step.long_texts != "head" else origin.manifest.long_texts
    return TextEncoder(origin.tokenizer_path, length, long_texts=kept)


def _check_width(step: Distill, student: PreTrainedModel, teacher: PreTrainedModel) -> None:
    own, given = final_layer(student).in_features, final_layer(teacher).in_features
    if step.hidden_weight > 0 and own != given:
        raise RecipeError(f"{step.name}: hidden_weight needs equal widths; the student has {own}, the teacher {given}")


def _check_relations(
    step: Distill,
    context: StepContext,
    untrained: tuple[PreTrainedModel, TextEncoder],
    teacher: PreTrainedModel,
    train_data: TrainingData,
) -> None:
    """Relations are compared token by token, so both must split texts into the same number of tokens."""
    if step.relation_weight == 0:
        return
    student, own = untrained
    for model in (student, teacher):
        check_relations_known(model)
    theirs = teacher_encoder(context, step.max_length or context.parent.manifest.max_length)
    pairs = zip(
        train_data.train_texts, own.ids(train_data.train_texts), theirs.ids(train_data.train_texts), strict=True
    )
    for text, mine, given in pairs:
        if len(mine) != len(given):
            raise RecipeError(
                f"{step.name}: relation_weight needs one tokenizer and length for student and teacher; {text!r} has "
                f"{len(mine)} tokens for the student, {len(given)} for the teacher"
            )
