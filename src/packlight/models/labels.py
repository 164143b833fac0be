"""Match a classifier's labels with a data set's: by name, or by number if one of them only has numbers."""

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from packlight.errors import ModelError

_SEPARATORS = re.compile(r"[\s_\-]+")

_NUMBER = re.compile(r"0|[1-9]\d*")

_LISTED = 40
"""number of labels in each list of a message"""


@dataclass(frozen=True)
class LabelMapping:
    """The columns of a data set's labels in a classifier's logits.

    `logits[:, mapping.columns]`, shape [texts, data labels], is in the data's order. If one of `extra_columns` is the
    largest, the prediction is a label that the data doesn't have. That is wrong, so these columns must be compared too.
    """

    columns: tuple[int, ...]
    """for each label of the data, in order, the classifier's column"""
    extra_columns: tuple[int, ...]
    """the classifier's other columns"""
    extra_labels: tuple[str, ...]
    """their labels, which the data lacks"""


def label_mapping(model_labels: Sequence[str], data_labels: Sequence[str]) -> LabelMapping:
    """Match labels by name: exactly, then without regard to case, spaces, underscores and hyphens; else by number.

    By number, the label `i` is the logit at index `i`. This applies if the model's labels are `LABEL_0`, `LABEL_1`, …,
    or if the data's labels are exactly the numbers of the model's labels, from 0.

    Raises:
        ModelError: if a label of the data has no counterpart in the model, or more than one.
    """
    columns = _by_name(model_labels, data_labels)
    missing = [label for label, column in zip(data_labels, columns, strict=True) if column is None]
    if missing:
        numbered = _by_number(model_labels, data_labels)
        if numbered is None:
            beyond = _beyond(data_labels, len(model_labels))
            raise LabelMismatchError(tuple(model_labels), tuple(data_labels), beyond or tuple(missing))
        columns = list(numbered)
    found = [column for column in columns if column is not None]
    _refuse_shared(found, model_labels, data_labels)
    extra = tuple(index for index in range(len(model_labels)) if index not in set(found))
    return LabelMapping(tuple(found), extra, tuple(model_labels[index] for index in extra))


class LabelMismatchError(ModelError):
    """The data has labels that the classifier lacks."""

    def __init__(self, model_labels: tuple[str, ...], data_labels: tuple[str, ...], missing: tuple[str, ...]) -> None:
        """`missing` are the data's labels that the model lacks."""
        self.model_labels, self.data_labels, self.missing = model_labels, data_labels, missing
        super().__init__(
            f"labels don't match: the model lacks {len(missing)} of the data's {len(data_labels)} labels "
            f"({some_labels(missing, 3)})\n{self.lists}"
        )

    @property
    def lists(self) -> str:
        """Both lists, one per line."""
        return "\n".join(
            f"  {name + ':':6} {some_labels(labels, _LISTED)}"
            for name, labels in (("model", self.model_labels), ("data", self.data_labels))
        )


def _by_name(model_labels: Sequence[str], data_labels: Sequence[str]) -> list[int | None]:
    """For each label of the data, the classifier's column with that name, or None.

    Raises:
        ModelError: if a label of the data could be several of the model's.
    """
    exact = _index_of_unique(model_labels)
    folded: dict[str, list[int]] = {}
    for index, label in enumerate(model_labels):
        folded.setdefault(_fold(label), []).append(index)
    columns: list[int | None] = []
    for label in data_labels:
        candidates = [exact[label]] if label in exact else folded.get(_fold(label), [])
        if len(candidates) > 1:
            names = ", ".join(repr(model_labels[index]) for index in candidates)
            raise ModelError(
                f"the data's label {label!r} could be any of the model's {names}; rename it to exactly one of these"
            )
        columns.append(candidates[0] if candidates else None)
    return columns


def _by_number(model_labels: Sequence[str], data_labels: Sequence[str]) -> list[int] | None:
    """The columns of labels that are numbers; None if numbers are ambiguous."""
    numbers = [int(label) if _NUMBER.fullmatch(label) else -1 for label in data_labels]
    if not all(0 <= number < len(model_labels) for number in numbers):
        return None
    certain = unnamed(model_labels) or sorted(numbers) == list(range(len(model_labels)))
    return numbers if certain else None


def _beyond(data_labels: Sequence[str], known: int) -> tuple[str, ...]:
    """The labels that a classifier with fewer lacks, if the data's labels are the numbers from 0; else none."""
    if any(not _NUMBER.fullmatch(label) for label in data_labels):
        return ()
    numbers = sorted(map(int, data_labels))
    return tuple(map(str, numbers[known:])) if numbers == list(range(len(numbers))) else ()


def unnamed(model_labels: Sequence[str]) -> bool:
    """Whether a classifier has transformers' default labels: `LABEL_0`, `LABEL_1`, …."""
    return all(label == f"LABEL_{index}" for index, label in enumerate(model_labels))


def same_names(model_labels: Sequence[str], data_labels: Sequence[str]) -> bool:
    """Whether a classifier has all labels of the data by name, without using numbers."""
    try:
        columns = _by_name(model_labels, data_labels)
        _refuse_shared([column for column in columns if column is not None], model_labels, data_labels)
    except ModelError:
        return False
    return None not in columns


def adopted_labels(model_labels: Sequence[str], data_labels: Sequence[str]) -> tuple[str, ...]:
    """The labels of an adopted classifier, in the order of its logits.

    Labels in both have the data's spelling. If the data only has numbers, the model's names are kept, because they say
    more.

    Raises:
        ModelError: if the data has labels that the classifier lacks.
    """
    names, given = list(model_labels), label_mapping(model_labels, data_labels).columns
    numbered = None in _by_name(model_labels, data_labels)
    if numbered and not unnamed(model_labels):
        return tuple(names)
    for label, column in zip(data_labels, given, strict=True):
        names[column] = label
    return tuple(names)


def _index_of_unique(labels: Sequence[str]) -> dict[str, int]:
    index = {label: place for place, label in enumerate(labels)}
    if len(index) < len(labels):
        twice = next(label for label, count in Counter(labels).items() if count > 1)
        raise ModelError(f"the model has the label {twice!r} twice; fix id2label in its config.json")
    return index


def _refuse_shared(columns: Sequence[int], model_labels: Sequence[str], data_labels: Sequence[str]) -> None:
    for column, count in Counter(columns).items():
        if count > 1:
            names = ", ".join(repr(label) for label, at in zip(data_labels, columns, strict=True) if at == column)
            raise ModelError(f"the data's labels {names} all match the model's {model_labels[column]!r}; merge them")


def _fold(label: str) -> str:
    return _SEPARATORS.sub("", unicodedata.normalize("NFKC", label)).casefold()


def some_labels(labels: Sequence[str], count: int) -> str:
    """Labels for a message, with the number of omitted ones."""
    shown = ", ".join(labels[:count])
    return shown if len(labels) <= count else f"{shown}, … and {len(labels) - count} more"
