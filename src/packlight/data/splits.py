"""Splits made from train: stratified by label, seeded, the same on every platform, no text on two sides."""

import hashlib
import math
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence

from packlight.data.dataset import Split
from packlight.data.diagnostics import MAX_SHOWN
from packlight.data.validation import Example, dedup_key, split_of
from packlight.errors import DataError

FRACTIONS: Mapping[str, float] = {"val": 0.1, "test": 0.2}
MINIMUM_TEXTS = 2


def with_splits(parts: Mapping[str, Sequence[Example]], *, seed: int) -> dict[str, list[Example]]:
    """The parts with what is missing of val (a tenth) and test (a fifth) taken from train.

    Texts that are the same but for case and white space move together. What stays in train: at least one text
    of each label, texts that a given split has too, and texts with two labels, which could judge no model.
    A text's place depends on the seed and the text alone, not on its row.

    Raises:
        DataError: when a label has fewer than two different texts, or a split would be empty.
    """
    wanted = [name for name in FRACTIONS if name not in parts]
    if not wanted:
        return {name: list(examples) for name, examples in parts.items()}
    given = {dedup_key(e.text) for name, examples in parts.items() if name != "train" for e in examples}
    place = _places(parts["train"], wanted, given, seed)
    made = {name: list(examples) for name, examples in parts.items()} | {name: [] for name in ("train", *wanted)}
    for example in parts["train"]:
        made[place.get(dedup_key(example.text), "train")].append(example)
    empty = [name for name in wanted if not made[name]]
    if empty:
        raise DataError(
            f"there are too few different texts to make the split {' and '.join(empty)} from train "
            f"({len(parts['train'])} rows); add texts, or give the split in a file of its own"
        )
    return made


def hold_out(train: Split, *, seed: int) -> tuple[Split, Split]:
    """A split without a tenth of its texts, and that tenth, stratified by label."""
    examples = [Example("train", number, text, label) for number, (text, label) in enumerate(train, start=1)]
    parts = with_splits({"train": examples, "test": []}, seed=seed)
    return split_of(parts["train"]), split_of(parts["val"])


def _places(train: Sequence[Example], wanted: Sequence[str], given: Collection[str], seed: int) -> dict[str, str]:
    """The split of each text that leaves train."""
    labels_of = defaultdict[str, set[str]](set)
    for example in train:
        labels_of[dedup_key(example.text)].add(example.label)
    texts_of = defaultdict[str, list[str]](list)
    free_of = defaultdict[str, list[str]](list)
    for text, labels in labels_of.items():
        for label in labels:
            texts_of[label].append(text)
            if len(labels) == 1 and text not in given:
                free_of[label].append(text)
    _check_splittable(texts_of)
    place, filled = dict[str, str](), dict.fromkeys(wanted, 0)
    for label, free in sorted(free_of.items()):
        spare = len(free) - (len(free) == len(texts_of[label]))  # one text at least stays in train
        shuffled = iter(sorted(free, key=lambda text: _draw(seed, text)))
        for name, count in _shares(len(free), spare, filled).items():
            filled[name] += count
            place.update((next(shuffled), name) for _ in range(count))
    return place


def _shares(count: int, spare: int, filled: Mapping[str, int]) -> dict[str, int]:
    """How many of a label's `count` texts each split takes, `spare` at most.

    The rounded fraction and at least one; where there are not so many, the largest share gives way first, and
    among equal ones that of the split which is already fuller for its size.
    """
    shares = {name: max(1, math.floor(FRACTIONS[name] * count + 0.5)) for name in filled}
    while sum(shares.values()) > spare:
        fullest = max(shares, key=lambda name: (shares[name], filled[name] / FRACTIONS[name]))
        shares[fullest] -= 1
    return shares


def _draw(seed: int, text: str) -> bytes:
    """A text's place in the shuffled order: a hash needs no random generator that a platform could change."""
    return hashlib.sha256(f"{seed}\0{text}".encode()).digest()


def _check_splittable(texts_of: Mapping[str, Sequence[str]]) -> None:
    """Refuse labels with a single text."""
    single = sorted(label for label, texts in texts_of.items() if len(texts) < MINIMUM_TEXTS)
    if single:
        shown = ", ".join(map(repr, single[:MAX_SHOWN])) + (
            f" and {len(single) - MAX_SHOWN} more" if len(single) > MAX_SHOWN else ""
        )
        raise DataError(
            f"not enough rows: labels with fewer than {MINIMUM_TEXTS} different texts: {shown}; splits are made from "
            "train, so add texts with these labels, remove the labels, or give val and test in files of their own"
        )
