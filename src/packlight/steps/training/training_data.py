"""Training data: texts with label ids in the model's order."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from packlight.data import Dataset, Split
from packlight.models import label_mapping

NO_LABEL = -100
"""label id of a training text that only a teacher labels"""


@dataclass(frozen=True)
class TrainingData:
    """The texts to train on and to validate with. Label ids are in the model's own order.

    A training text without a label has the id `NO_LABEL`.
    """

    train_texts: Sequence[str]
    train_labels: Sequence[int]
    val_texts: Sequence[str]
    val_labels: Sequence[int]
    labels: Sequence[str]
    oos_label: str | None

    def with_unlabelled(self, texts: Sequence[str]) -> "TrainingData":
        """The same, followed by training texts without a label."""
        return replace(
            self,
            train_texts=[*self.train_texts, *texts],
            train_labels=[*self.train_labels, *[NO_LABEL] * len(texts)],
        )


def training_data(data: Dataset, model_labels: Sequence[str]) -> TrainingData:
    """The data with label ids in a model's own order, without `test`.

    If `train` has no out-of-scope texts, those of `val` are left out, because no label of the model fits them.
    """
    val_labels = label_ids(data, data.val, model_labels)
    known = [place for place, label in enumerate(val_labels) if label != NO_LABEL]
    return TrainingData(
        train_texts=data.train.texts,
        train_labels=label_ids(data, data.train, model_labels),
        val_texts=[data.val.texts[place] for place in known],
        val_labels=[val_labels[place] for place in known],
        labels=model_labels,
        oos_label=_model_label(data, model_labels),
    )


def label_ids(data: Dataset, split: Split, model_labels: Sequence[str], *, missing: int = NO_LABEL) -> list[int]:
    """A split's labels as ids in a model's own order; `missing` for out-of-scope texts if `train` has none."""
    columns = label_mapping(model_labels, data.labels).columns
    ids = {label: columns[index] for index, label in enumerate(data.labels)}
    return [ids.get(label, missing) for label in split.labels]


def _model_label(data: Dataset, model_labels: Sequence[str]) -> str | None:
    """The model's name for the out-of-scope label; None if it has no such label."""
    if data.oos_label is None or data.oos_label not in data.label_set:
        return None
    return model_labels[label_mapping(model_labels, data.labels).columns[data.label_ids[data.oos_label]]]
