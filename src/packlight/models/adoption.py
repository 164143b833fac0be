"""Decide before any work whether a checkpoint's classification head is kept, extended, or replaced by a new one."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from packlight.errors import ModelError
from packlight.formatting import counted
from packlight.models.checkpoint import Checkpoint
from packlight.models.labels import LabelMismatchError, adopted_labels, some_labels

LabelMap = Mapping[str, str]


@dataclass(frozen=True)
class HeadPlan:
    """The head of a classifier that is built from a checkpoint."""

    labels: tuple[str, ...]
    """names of the logits, in order"""
    own: int
    """number of the checkpoint's own labels, which come first; 0 for a new head"""

    @property
    def added(self) -> tuple[str, ...]:
        """The new labels, if others are kept."""
        return self.labels[self.own :] if self.own else ()


def plan_head(
    checkpoint: Checkpoint,
    data_labels: Sequence[str],
    *,
    label_map: LabelMap | None = None,
    extend: bool = False,
    new: bool = False,
) -> HeadPlan:
    """Decide what happens to a checkpoint's head.

    Args:
        checkpoint: an encoder or a classifier.
        data_labels: all labels of the data.
        label_map: maps labels of the classifier to labels of the data, in either direction.
        extend: keep the rows of the labels that the classifier knows, and add rows for the others.
        new: train a new head, and discard the checkpoint's own.

    Raises:
        ModelError: if the head does not assign one label to each text, if its labels are not the data's, or if the map
            has unknown labels; if the model has weights that transformers doesn't have there.
    """
    if new:
        return HeadPlan(tuple(data_labels), 0)
    checkpoint.check_task()
    if checkpoint.labels is None:
        if label_map or extend:
            raise ModelError(f"{checkpoint.reference}: an encoder without labels, so there is nothing to map or extend")
        return HeadPlan(tuple(data_labels), 0)
    own = mapped_labels(checkpoint.labels, data_labels, label_map or {}, checkpoint.reference)
    try:
        return HeadPlan(adopted_labels(own, data_labels), len(own))
    except LabelMismatchError as mismatch:
        known = [label for label in data_labels if label not in mismatch.missing]
        if extend and known:
            return HeadPlan((*adopted_labels(own, known), *mismatch.missing), len(own))
        raise ModelError(_explained(checkpoint.reference, mismatch, known=len(known))) from mismatch


def mapped_labels(
    model_labels: Sequence[str], data_labels: Sequence[str], label_map: LabelMap, reference: str
) -> tuple[str, ...]:
    """The classifier's labels, with the data's names for those in the map.

    Raises:
        ModelError: if an entry doesn't map a label of the model to one of the data.
    """
    names = list(model_labels)
    for key, value in label_map.items():
        inverse = key in data_labels and value in model_labels and key not in model_labels
        theirs, ours = (value, key) if inverse else (key, value)
        place = _place(model_labels, theirs)
        if place is None or ours not in data_labels:
            unknown, whose = (theirs, "model") if place is None else (ours, "data")
            raise ModelError(
                f"{reference}: the label map maps {key!r} with {value!r}, but {unknown!r} is not a label of the {whose}\n"
                f"  model: {some_labels(model_labels, 40)}\n  data:  {some_labels(data_labels, 40)}"
            )
        names[place] = ours
    if twice := next((name for name, count in Counter(names).items() if count > 1 and name not in model_labels), None):
        both = " and ".join(repr(label) for label, name in zip(model_labels, names, strict=True) if name == twice)
        raise ModelError(
            f"{reference}: the label map gives {both} the same label, {twice!r}; map each label to one of its own"
        )
    return tuple(names)


def read_label_map(path: Path) -> dict[str, str]:
    """Read a label map from a JSON file: an object from the model's labels, or their numbers, to the data's.

    Raises:
        ModelError: if it cannot be read, or is not a label map.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, str])
    except OSError as error:
        raise ModelError(f"--label-map {path}: cannot be read ({error.strerror}); give a JSON file") from error
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ModelError(
            f"--label-map {path}: {error}; expected a JSON object from the model's labels to the data's, such as "
            '{"LABEL_0": "billing", "LABEL_1": "cancel"}'
        ) from error


def _place(model_labels: Sequence[str], name: str) -> int | None:
    """The index of a label, given its name or its number."""
    if name in model_labels:
        return list(model_labels).index(name)
    return int(name) if name.isdecimal() and int(name) < len(model_labels) else None


def _explained(reference: str, mismatch: LabelMismatchError, *, known: int) -> str:
    extend = (
        f", --extend-labels to keep its {counted(known, 'known label')} and add the other {len(mismatch.missing)}"
        if known
        else ""
    )
    more = len(mismatch.data_labels) - len(mismatch.model_labels)
    if not known and more > 0:
        extend = f" (and --extend-labels to add the {more} that it lacks)"
    only = f"  Only in the data: {some_labels(mismatch.missing, 10)}.\n" if known else ""
    return (
        f"{reference}: labels don't match\n{mismatch.lists}\n{only}"
        f"  Pass --label-map labels.json to map them{extend}, or --new-head to train a new classification head."
    )
