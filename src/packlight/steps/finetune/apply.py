"""Fine-tune a pretrained encoder, with a head that starts from class centroids.

A sentence encoder already places texts with the same intent close together, so the mean embedding of each class makes a
good classifier before any training (Snell et al. 2017, Prototypical Networks, section 2.3). The final layer starts with
`COSINE_SCALE` times the unit centroids, on normalized embeddings.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from transformers import PreTrainedModel

from packlight.models.hf_model import (
    add_labels,
    build_classifier,
    labels_of,
    length_limit,
    open_classifier,
    set_labels,
)
from packlight.models.tokenizer import tokenizer_folder
from packlight.runtime.tokenization import TextEncoder
from packlight.steps.context import StepContext, StepResult
from packlight.steps.finetune.options import Finetune
from packlight.steps.training.announcing import announce
from packlight.steps.training.centroids import extend_from_centroids, start_from_centroids
from packlight.steps.training.history import EpochResult, started_from, training_facts
from packlight.steps.training.lengths import choose_length, token_facts
from packlight.steps.training.objectives import label_loss
from packlight.steps.training.result import trained_result
from packlight.steps.training.trainer import fit
from packlight.steps.training.training_data import TrainingData, training_data


def finetune(
    model: PreTrainedModel,
    encoder: TextEncoder,
    train_data: TrainingData,
    options: Finetune,
    *,
    work: Path,
    seed: int,
    own_labels: int = 0,
    on_epoch: Callable[[EpochResult], None] = lambda _: None,
) -> list[EpochResult]:
    """Train a classifier on labelled texts, in place.

    Args:
        model: from `build_classifier`, or one that already classifies some or all of these labels.
        encoder: its tokenizer.
        train_data: texts and labels.
        options: the step's options.
        work: folder for checkpoints.
        seed: of batches and dropout.
        own_labels: number of labels that the model already knows, which come first. The head's other rows start from
            class centroids.
        on_epoch: called after each epoch with its results on `val`.

    Returns:
        The results on `val` after each epoch; empty if there are no epochs.
    """
    if own_labels == 0:
        start_from_centroids(model, encoder, train_data)
    elif own_labels < len(train_data.labels):
        extend_from_centroids(model, encoder, train_data, own_labels)
    if options.epochs == 0:
        return []
    return fit(
        model,
        encoder,
        train_data,
        lambda logits, labels, _: label_loss(logits, labels),
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
    plan = step.head_plan(checkpoint, context.data.labels)
    if plan.own:
        model = open_classifier(checkpoint.path)
        if plan.added:
            add_labels(model, plan.labels)
        set_labels(model.config, plan.labels)
    else:
        model = build_classifier(checkpoint.path, plan.labels, seed=context.seed)
    if model.config.pad_token_id is None:
        # Without a padding token, a model rejects batches, because it looks for the last token that isn't padding.
        model.config.pad_token_id = TextEncoder(tokenizer / "tokenizer.json", 1).pad_id
    facts: dict[str, Any] = started_from(checkpoint)
    file = tokenizer / "tokenizer.json"
    if step.adopts(checkpoint, context.data.labels):
        # Truncate where the model's own tokenizer does, so that it predicts here what it predicts elsewhere.
        limit = length_limit(model, tokenizer)
        length = choose_length((limit,), limit=limit, stated=step.max_length, name=step.name)
        encoder = TextEncoder(file, length, long_texts=step.long_texts)
        facts["lengths"] = token_facts(context.data, encoder, shown=context.lengths_shown)
    else:
        whole = TextEncoder(file, length_limit(model, tokenizer))
        lengths = [len(row) for row in whole.ids(context.data.train.texts)]
        length = choose_length(lengths, limit=whole.max_length, stated=step.max_length, name=step.name)
        encoder = TextEncoder(file, length, long_texts=step.long_texts)
        facts["lengths"] = token_facts(context.data, encoder, shown=context.lengths_shown)
        history = finetune(
            model,
            encoder,
            training_data(context.data, labels_of(model)),
            step,
            work=context.work_dir / "training",
            seed=context.seed,
            own_labels=plan.own,
            on_epoch=lambda epoch: announce(step.name, epoch, context.on_epoch),
        )
        facts |= training_facts(history)
    return trained_result(model, encoder, tokenizer, facts, context.output_dir)
