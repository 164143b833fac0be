"""Initialize a classification head from the class centroids of the training texts."""

from collections import Counter
from collections.abc import Sequence

import torch
from torch import nn
from transformers import PreTrainedModel

from packlight.models import mean_pooling
from packlight.models.hf_model import final_layer
from packlight.runtime.tokenization import TextEncoder
from packlight.steps.inference import features_of
from packlight.steps.training.training_data import NO_LABEL, TrainingData

COSINE_SCALE = 20.0

TEXTS_PER_CLASS = 200


def start_from_centroids(model: PreTrainedModel, encoder: TextEncoder, train_data: TrainingData) -> None:
    """Set the final layer to the scaled unit centroids of each class's labelled training texts, in place."""
    chosen = _some_of_each(train_data.train_labels)
    features = features_of(model, encoder, [train_data.train_texts[index] for index in chosen])
    family = mean_pooling.family_of(model) if mean_pooling.is_pooled(model) else None
    features = features - (family.head_shift if family else 0.0)
    labels = torch.tensor([train_data.train_labels[index] for index in chosen])
    final = final_layer(model)
    with torch.no_grad():
        sums = torch.zeros_like(final.weight).index_add_(0, labels, features)
        weight = nn.functional.normalize(sums, dim=1) * COSINE_SCALE / features.norm(dim=1).mean()
        final.weight.copy_(weight)
        final.bias.copy_(-(family.head_shift if family else 0.0) * weight.sum(dim=1))


def extend_from_centroids(model: PreTrainedModel, encoder: TextEncoder, train_data: TrainingData, own: int) -> None:
    """Set the final layer's rows from the `own`-th on, in place. Earlier rows, which are already trained, don't change.

    A new row points from the mean of all texts to the mean of its class, has the average length of the known rows, and
    gives its class the same logit on average as the known classes get.
    """
    chosen = _some_of_each(train_data.train_labels)
    features = features_of(model, encoder, [train_data.train_texts[index] for index in chosen])
    labels = torch.tensor([train_data.train_labels[index] for index in chosen])
    final = final_layer(model)
    with torch.no_grad():
        logits = nn.functional.linear(features, final.weight, final.bias)
        known = labels < own
        usual = (
            logits[known].gather(1, labels[known, None]).mean()
            if known.any()
            else logits[:, :own].max(dim=1).values.mean()
        )
        length = final.weight[:own].norm(dim=1).mean()
        for label in range(own, final.out_features):
            centroid = features[labels == label].mean(dim=0)
            row = nn.functional.normalize(centroid - features.mean(dim=0), dim=0) * length
            final.weight[label] = row
            if final.bias is not None:
                final.bias[label] = usual - row @ centroid


def _some_of_each(labels: Sequence[int]) -> list[int]:
    """The first labelled rows of each class, so that a large data set takes no longer to start than a small one."""
    taken: Counter[int] = Counter()
    chosen = []
    for index, label in enumerate(labels):
        if label != NO_LABEL and taken[label] < TEXTS_PER_CLASS:
            taken[label] += 1
            chosen.append(index)
    return chosen
