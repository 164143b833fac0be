"""Fine-tuning a pretrained encoder, with a head that starts from the classes' centroids.

A sentence encoder already puts texts of one intent close together, so the mean of a class's training embeddings is a
good classifier before any step (Snell et al. 2017, Prototypical Networks, section 2.3): the final layer starts with
`COSINE_SCALE` times the unit centroids, on embeddings of fixed length.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import nn
from transformers import PreTrainedModel

from packlight.models.hf_model import (
    build_classifier,
    labels_of,
    max_positions,
    open_classifier,
    rename_labels,
    save_classifier,
)
from packlight.models.labels import knows
from packlight.models.tokenizer import tokenizer_folder
from packlight.progress import info
from packlight.runtime.artifact import SAFETENSORS
from packlight.runtime.tokenization import TextEncoder
from packlight.steps.context import StepContext, StepResult
from packlight.steps.finetune.options import Finetune
from packlight.steps.training.centroids import start_from_centroids
from packlight.steps.training.history import EpochResult, started_from, training_facts
from packlight.steps.training.trainer import fit
from packlight.steps.training.training_data import TrainingData, training_data


def finetune(
    model: PreTrainedModel,
    encoder: TextEncoder,
    lesson: TrainingData,
    options: Finetune,
    *,
    work: Path,
    seed: int,
    fresh_head: bool = True,
    on_epoch: Callable[[EpochResult], None] = lambda _: None,
) -> list[EpochResult]:
    """Train a classifier on labelled texts, in place.

    Args:
        model: from `build_classifier` (then `fresh_head` is true) or one that already classifies these labels.
        encoder: its tokenizer.
        lesson: texts and labels.
        options: the step's options.
        work: folder for checkpoints.
        seed: of batches and dropout.
        fresh_head: start the head from class centroids.
        on_epoch: called with what `val` says after each epoch.

    Returns:
        What `val` said after each epoch; nothing where there is none.
    """
    if fresh_head:
        start_from_centroids(model, encoder, lesson)
    if options.epochs == 0:
        return []
    return fit(
        model,
        encoder,
        lesson,
        lambda logits, labels, _: nn.functional.cross_entropy(logits, labels),
        options,
        work=work,
        seed=seed,
        title="fine-tuning",
        on_epoch=on_epoch,
    )


def apply(step: Finetune, context: StepContext) -> StepResult:
    """Fine-tune the encoder, or adopt a classifier that already has the data's labels."""
    checkpoint = context.checkpoint
    assert checkpoint is not None  # resolved before any work
    tokenizer = tokenizer_folder(checkpoint, context.work_dir)
    known = knows(checkpoint, context.data.labels)
    if checkpoint.labels is not None and not known:
        info(f"  {checkpoint.reference} has other labels than the data; its encoder gets a new head")
    if known:
        model = open_classifier(checkpoint.path)
        rename_labels(model, context.data.labels)
    else:
        model = build_classifier(checkpoint.path, context.data.labels, seed=context.seed)
    encoder = TextEncoder(tokenizer / "tokenizer.json", min(step.max_length, max_positions(model)))
    facts: dict[str, Any] = started_from(checkpoint)
    if known and not step.continue_training:
        info(f"  {checkpoint.reference} already knows the data's labels and is taken as it is")
    else:
        history = finetune(
            model,
            encoder,
            training_data(context.data, labels_of(model)),
            step,
            work=context.work_dir / "training",
            seed=context.seed,
            fresh_head=not known,
            on_epoch=lambda epoch: context.on_epoch(epoch.epoch, epoch.accuracy),
        )
        facts |= training_facts(history)
    save_classifier(model, context.output_dir, tokenizer_from=tokenizer, max_length=encoder.max_length)
    return StepResult("torch", "fp32", SAFETENSORS, encoder.max_length, batch_invariant=True, facts=facts)
