"""Fine-tuning a pretrained encoder, with a head that starts from the classes' centroids.

A sentence encoder already puts texts of one intent close together, so the mean of a class's training embeddings is a
good classifier before any step (Snell et al. 2017, Prototypical Networks, section 2.3): the final layer starts with
`COSINE_SCALE` times the unit centroids, on embeddings of fixed length.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import nn
from transformers import PreTrainedModel

from packlight.classifier import pooling
from packlight.classifier.stock import final_layer
from packlight.recipe import Finetune
from packlight.steps.inference import features_of
from packlight.steps.training import UNLABELLED, Epoch, Lesson, fit
from packlight.tokenization import TextEncoder

COSINE_SCALE = 20.0
TEXTS_PER_CLASS = 200


def finetune(
    model: PreTrainedModel,
    encoder: TextEncoder,
    lesson: Lesson,
    options: Finetune,
    *,
    work: Path,
    seed: int,
    fresh_head: bool = True,
    on_epoch: Callable[[Epoch], None] = lambda _: None,
) -> list[Epoch]:
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


def start_from_centroids(model: PreTrainedModel, encoder: TextEncoder, lesson: Lesson) -> None:
    """Set the final layer to the scaled unit centroids of each class's labelled training texts, in place."""
    chosen = _some_of_each(lesson.train_labels)
    features = features_of(model, encoder, [lesson.train_texts[index] for index in chosen])
    family = pooling.family_of(model) if pooling.is_pooled(model) else None
    features = features - (family.head_shift if family else 0.0)
    labels = torch.tensor([lesson.train_labels[index] for index in chosen])
    final = final_layer(model)
    with torch.no_grad():
        sums = torch.zeros_like(final.weight).index_add_(0, labels, features)
        weight = nn.functional.normalize(sums, dim=1) * COSINE_SCALE / features.norm(dim=1).mean()
        final.weight.copy_(weight)
        final.bias.copy_(-(family.head_shift if family else 0.0) * weight.sum(dim=1))


def _some_of_each(labels: Sequence[int]) -> list[int]:
    """The first labelled rows of each class, so that a large data set starts as quickly as a small one."""
    taken: Counter[int] = Counter()
    chosen = []
    for index, label in enumerate(labels):
        if label != UNLABELLED and taken[label] < TEXTS_PER_CLASS:
            taken[label] += 1
            chosen.append(index)
    return chosen
