"""A classifier's own labels matched with a data set's, by name."""

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from packlight.errors import ModelError
from packlight.models import Checkpoint

_SEPARATORS = re.compile(r"[\s_\-]+")

_SHOWN = 5


@dataclass(frozen=True)
class LabelMapping:
    """Where each label of a data set stands among a classifier's logits.

    `logits[:, mapping.columns]`, shape [texts, data labels], is in the data's order. A text for which one of
    `extra_columns` is the largest was answered with a label that the data does not have: that is a wrong
    answer, so these columns belong to the comparison too.
    """

    columns: tuple[int, ...]
    """for each label of the data, in its order, the classifier's column"""
    extra_columns: tuple[int, ...]
    """the classifier's other columns"""
    extra_labels: tuple[str, ...]
    """and their labels, which the data lacks"""


def label_mapping(model_labels: Sequence[str], data_labels: Sequence[str]) -> LabelMapping:
    """Match labels by name: exactly, then without regard to case, spaces, underscores and hyphens.

    Raises:
        ModelError: when a label of the data has no counterpart in the model, or more than one.
    """
    exact = _index_of_unique(model_labels)
    folded: dict[str, list[int]] = {}
    for index, label in enumerate(model_labels):
        folded.setdefault(_fold(label), []).append(index)
    columns, missing = [], []
    for label in data_labels:
        candidates = [exact[label]] if label in exact else folded.get(_fold(label), [])
        if len(candidates) > 1:
            names = ", ".join(repr(model_labels[index]) for index in candidates)
            raise ModelError(
                f"the data's label {label!r} may be the model's {names}; rename it to one of these exactly"
            )
        if candidates:
            columns.append(candidates[0])
        else:
            missing.append(label)
    if missing:
        raise ModelError(
            f"{len(missing)} of the data's {len(data_labels)} labels are not among the model's {len(model_labels)}: "
            f"{_some(missing)} (the model has {_some(model_labels)}); fine-tune the model on this data instead"
        )
    _refuse_shared(columns, model_labels, data_labels)
    extra = tuple(index for index in range(len(model_labels)) if index not in set(columns))
    return LabelMapping(tuple(columns), extra, tuple(model_labels[index] for index in extra))


def _index_of_unique(labels: Sequence[str]) -> dict[str, int]:
    index = {label: place for place, label in enumerate(labels)}
    if len(index) < len(labels):
        twice = next(label for label, count in Counter(labels).items() if count > 1)
        raise ModelError(f"the model has the label {twice!r} twice; mend id2label in its config.json")
    return index


def _refuse_shared(columns: Sequence[int], model_labels: Sequence[str], data_labels: Sequence[str]) -> None:
    for column, count in Counter(columns).items():
        if count > 1:
            names = ", ".join(repr(label) for label, at in zip(data_labels, columns, strict=True) if at == column)
            raise ModelError(f"the data's labels {names} are all the model's {model_labels[column]!r}; merge them")


def _fold(label: str) -> str:
    return _SEPARATORS.sub("", unicodedata.normalize("NFKC", label)).casefold()


def _some(labels: Sequence[str]) -> str:
    shown = ", ".join(repr(label) for label in labels[:_SHOWN])
    return shown if len(labels) <= _SHOWN else f"{shown}, …"


def knows(checkpoint: Checkpoint, labels: tuple[str, ...]) -> bool:
    """Whether a model answers with these labels already."""
    if checkpoint.labels is None:
        return False
    try:
        label_mapping(checkpoint.labels, labels)
    except ModelError:
        return False
    return True
