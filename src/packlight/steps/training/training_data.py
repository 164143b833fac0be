"""Training data: texts with label ids in the model's order."""

from collections.abc import Sequence
from dataclasses import dataclass

from packlight.data import Dataset
from packlight.models import label_mapping

NO_LABEL = -100
"""label id of a training text that only a teacher says something about"""


@dataclass(frozen=True)
class TrainingData:
    """What is trained on, and what the training is watched by; label ids are in the model's own order.

    A training text without a label has the id `UNLABELLED`.
    """

    train_texts: Sequence[str]
    train_labels: Sequence[int]
    val_texts: Sequence[str]
    val_labels: Sequence[int]
    labels: Sequence[str]
    oos_label: str | None


def training_data(data: Dataset, model_labels: Sequence[str]) -> TrainingData:
    """The data with label ids in a model's own order; `test` is no part of it."""
    columns = label_mapping(model_labels, data.labels).columns
    ids = {label: columns[index] for index, label in enumerate(data.labels)}
    return TrainingData(
        train_texts=data.train.texts,
        train_labels=[ids[label] for label in data.train.labels],
        val_texts=data.val.texts,
        val_labels=[ids[label] for label in data.val.labels],
        labels=model_labels,
        oos_label=None if data.oos_label is None else model_labels[ids[data.oos_label]],
    )
