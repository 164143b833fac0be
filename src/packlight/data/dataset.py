"""The data set: labelled texts in three splits, with a content hash."""

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeVar

SPLITS = ("train", "val", "test")

SPLIT_WORDS: Mapping[str, str] = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "dev": "val",
    "test": "test",
    "testing": "test",
}


def split_named(word: str) -> str | None:
    """The split that a word stands for, ignoring case (`Validation`, `dev`, CLINC150's `oos_val`: val), or None."""
    return SPLIT_WORDS.get(word.strip().lower().removeprefix("oos_"))


@dataclass(frozen=True)
class Split:
    """Texts and their labels, in file order."""

    texts: tuple[str, ...]
    labels: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.texts)

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return zip(self.texts, self.labels, strict=True)


@dataclass(frozen=True)
class Dataset:
    """Labelled texts in three splits.

    `labels` is the sorted list of all labels of `train`, which label indices refer to. If only `val` or `test` has
    out-of-scope texts, their label comes last in `answers`, and no model predicts it.
    """

    source: str
    train: Split
    val: Split
    test: Split
    oos_label: str | None
    reading: Mapping[str, str | int] = field(default_factory=dict)
    """options of `load_dataset` that were set to read it"""
    notes: tuple[str, ...] = ()
    """how each file was read: its columns, its encoding"""

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """All labels of `train`, sorted."""
        return tuple(sorted(set(self.train.labels)))

    @cached_property
    def answers(self) -> tuple[str, ...]:
        """All true labels: the labels of `train`, and the out-of-scope label last if `train` lacks it."""
        known = self.oos_label is None or self.oos_label in self.label_set
        return self.labels if known else (*self.labels, str(self.oos_label))

    @cached_property
    def label_set(self) -> frozenset[str]:
        """The labels of `train`."""
        return frozenset(self.labels)

    @cached_property
    def label_ids(self) -> Mapping[str, int]:
        """Answer to index."""
        return {label: index for index, label in enumerate(self.answers)}

    @cached_property
    def sha256(self) -> str:
        """Hash of every split's texts and labels, and of the out-of-scope label, but not of their source."""
        digest = hashlib.sha256(repr(self.oos_label).encode())
        for name in SPLITS:
            for text, label in self.split(name):
                digest.update(f"{name}\0{text}\0{label}\0".encode())
        return digest.hexdigest()

    def describe(self) -> tuple[str, ...]:
        """A summary in a few lines: the columns of each file, the sizes of the splits, the labels."""
        sizes = ", ".join(f"{len(self.split(name)):,} {name}" for name in SPLITS)
        scope = ""
        if self.oos_label is not None:
            where = [name for name in SPLITS if self.oos_label in self.split(name).labels]
            scope = f"; {self.oos_label!r} means out of scope (in {', '.join(where)})"
        return (*self.notes, f"one label for each text; {sizes} texts; {len(self.labels):,} labels{scope}")

    def split(self, name: str) -> Split:
        """One of train, val, test."""
        return {"train": self.train, "val": self.val, "test": self.test}[name]

    @cached_property
    def majority_label(self) -> str:
        """The most frequent label of `train`, or the first of several."""
        counts = Counter(self.train.labels)
        return min(counts, key=lambda label: (-counts[label], label))

    @cached_property
    def majority_shares(self) -> dict[str, float]:
        """For `val` and `test`, the accuracy of always predicting the most frequent label of `train`."""
        by_split = {name: self.split(name).labels for name in ("val", "test")}
        return {name: labels.count(self.majority_label) / len(labels) for name, labels in by_split.items() if labels}

    def ids(self, split: Split) -> Sequence[int]:
        """The split's labels as indices."""
        return [self.label_ids[label] for label in split.labels]


def as_options(reading: Mapping[str, str | int]) -> list[str]:
    """The options of `load_dataset` that were set, for the command line, such as `--text-column utterance`."""
    return [word for name, value in reading.items() for word in (f"--{name.replace('_', '-')}", str(value))]


T = TypeVar("T")


def evenly_spaced(texts: Sequence[T], count: int) -> list[T]:
    """`count` evenly spaced texts or rows, so that every class of a sorted file is included."""
    taken = min(count, len(texts))
    return [texts[place * len(texts) // taken] for place in range(taken)]
