"""Make splits from train: stratified by label, seeded, the same on every platform, and disjoint."""

import hashlib
import math
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence

from packlight.data.dataset import Split
from packlight.data.diagnostics import MAX_SHOWN, warn
from packlight.data.validation import Example, dedup_key, split_of
from packlight.errors import DataError

FRACTIONS: Mapping[str, float] = {"val": 0.1, "test": 0.2}
MINIMUM_TEXTS = 2
SLACK = 1.2
"""a new split can have up to this many times its share, so that it has every label"""
FEW = 30
"""a new split can have this many texts more than its share, so that it has each label of a small data set"""


def with_splits(parts: Mapping[str, Sequence[Example]], *, seed: int) -> dict[str, list[Example]]:
    """Take missing splits from train: a tenth for val, a fifth for test.

    Texts that differ only in case and white space stay together. Train keeps at least one text of each label, texts
    that also occur in a given split, and texts with two labels, which are useless for evaluation. A text's split depends
    only on the seed and the text, not on its row. Each split has a text of each label, if that doesn't make it much
    larger than its share. With many labels of few texts, labels take turns.

    Raises:
        DataError: if a split would be empty.

    Warns:
        DataWarning: about labels with a single text, and labels that are missing from a split.
    """
    wanted = [name for name in FRACTIONS if name not in parts]
    if not wanted:
        return {name: list(examples) for name, examples in parts.items()}
    given = {dedup_key(e.text) for name, examples in parts.items() if name != "train" for e in examples}
    if single := _single(parts):
        warn(
            f"labels with a single text: {_listed(single)}; they stay in train, so their accuracy is unknown; "
            "add texts, or remove them with --rare drop"
        )
    place = _places(parts["train"], wanted, given, single, seed)
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
    """Divide a split into nine tenths and one tenth, stratified by label."""
    examples = [Example("train", number, text, label) for number, (text, label) in enumerate(train, start=1)]
    parts = with_splits({"train": examples, "test": []}, seed=seed)
    return split_of(parts["train"]), split_of(parts["val"])


def without_rare(parts: Mapping[str, list[Example]]) -> dict[str, list[Example]]:
    """Remove labels with fewer than two different texts from `train`, if a split is to be made from it.

    Labels that a given split has stay, because it shows their accuracy. Given splits are unchanged.

    Warns:
        DataWarning: about the labels that are removed.
    """
    made = any(name not in parts for name in FRACTIONS)
    rare = _single(parts) if made else set()
    if rare:
        warn(f"labels with a single text were dropped: {_listed(rare)}")
    return {**parts, "train": [e for e in parts["train"] if e.label not in rare]}


def _single(parts: Mapping[str, Sequence[Example]]) -> set[str]:
    """Labels with fewer than two different texts in `train`, and none in another split."""
    measured = {e.label for name, examples in parts.items() if name != "train" for e in examples}
    return {
        label
        for label, texts in _texts_of(parts["train"]).items()
        if len(texts) < MINIMUM_TEXTS and label not in measured
    }


def _places(
    train: Sequence[Example], wanted: Sequence[str], given: Collection[str], single: Collection[str], seed: int
) -> dict[str, str]:
    """The new split of each text that leaves train. Labels in `single` are known to stay there."""
    labels_of = defaultdict[str, set[str]](set)
    for example in train:
        labels_of[dedup_key(example.text)].add(example.label)
    texts_of, free_of = _texts_of(train), defaultdict[str, list[str]](list)
    for text, labels in labels_of.items():
        if len(labels) == 1 and text not in given:
            free_of[next(iter(labels))].append(text)
    counts = {
        # at least one text stays in train
        label: (len(free), len(free) - (len(free) == len(texts_of[label])))
        for label, free in sorted(free_of.items())
    }
    taken = _one_of_each(counts, wanted)
    scarce = any(sum(each[name] for each in taken.values()) > _most(len(labels_of), name) for name in wanted)
    if scarce:
        taken = _in_turn(counts, wanted, seed)
    for name in wanted:
        without = {label for label in texts_of if not taken.get(label, {}).get(name)}
        if scarce and without:
            warn(
                f"{name} was made with {FRACTIONS[name]:.0%} of the texts and lacks {len(without)} of the "
                f"{len(texts_of)} labels: most labels have too few texts; its figures are for the others only"
            )
        elif len(without) < len(texts_of) and (few := without.difference(single)):
            warn(
                f"{name} lacks labels with too few texts: {_listed(few)}; its figures are for the others only; "
                "add texts with these labels"
            )
    place = dict[str, str]()
    for label, shares in taken.items():
        shuffled = iter(sorted(free_of[label], key=lambda text: _draw(seed, text)))
        for name, count in shares.items():
            place.update((next(shuffled), name) for _ in range(count))
    return place


def _texts_of(train: Sequence[Example]) -> dict[str, set[str]]:
    """The distinct texts of each label."""
    texts = defaultdict[str, set[str]](set)
    for example in train:
        texts[example.label].add(dedup_key(example.text))
    return texts


def _most(texts: int, name: str) -> int:
    """The maximum size of a split that includes rare labels: its share, or 30 for a small data set."""
    return max(math.ceil(SLACK * FRACTIONS[name] * texts), min(FEW, texts // 2))


def _one_of_each(counts: Mapping[str, tuple[int, int]], wanted: Sequence[str]) -> dict[str, dict[str, int]]:
    """The number of texts of each label for each split: the rounded fraction, but at least one."""
    filled = dict.fromkeys(wanted, 0)
    taken = dict[str, dict[str, int]]()
    for label, (count, spare) in counts.items():
        taken[label] = _shares(count, spare, filled)
        for name, number in taken[label].items():
            filled[name] += number
    return taken


def _in_turn(counts: Mapping[str, tuple[int, int]], wanted: Sequence[str], seed: int) -> dict[str, dict[str, int]]:
    """The same, but without exceeding the fractions in total: labels take turns, in a random order."""
    owed = dict.fromkeys(wanted, 0.0)
    taken = dict[str, dict[str, int]]()
    for label in sorted(counts, key=lambda label: _draw(seed, label)):
        count, spare = counts[label]
        taken[label] = {}
        for name in wanted:
            owed[name] += FRACTIONS[name] * count
            taken[label][name] = max(0, min(math.floor(owed[name] + 0.5), spare))
            owed[name] -= taken[label][name]
            spare -= taken[label][name]
    return taken


def _listed(labels: Collection[str]) -> str:
    """Labels for a message: how many, and the first few."""
    more = " and others" if len(labels) > MAX_SHOWN else ""
    return f"{len(labels)} ({', '.join(map(repr, sorted(labels)[:MAX_SHOWN]))}{more})"


def _shares(count: int, spare: int, filled: Mapping[str, int]) -> dict[str, int]:
    """The number of a label's `count` texts for each split, at most `spare` in total.

    It is the rounded fraction, but at least one. If there are not enough, the largest number is reduced first, and
    among equal ones that of the relatively fuller split.
    """
    shares = {name: max(1, math.floor(FRACTIONS[name] * count + 0.5)) for name in filled}
    while sum(shares.values()) > max(0, spare):
        fullest = max(shares, key=lambda name: (shares[name], filled[name] / FRACTIONS[name]))
        shares[fullest] -= 1
    return shares


def _draw(seed: int, text: str) -> bytes:
    """A text's key in the shuffled order. A hash doesn't depend on a platform's random generator."""
    return hashlib.sha256(f"{seed}\0{text}".encode()).digest()
