"""Build a data set from rows by split: check rows, make missing splits, and check the whole."""

from collections.abc import Iterable, Mapping
from typing import Literal

from packlight.data.dataset import Dataset
from packlight.data.oos_label import scope_label
from packlight.data.splits import with_splits, without_rare
from packlight.data.table import Row
from packlight.data.validation import check_enough, check_labels, split_of, validate_rows, warn_of_quality_issues
from packlight.errors import DataError

Rare = Literal["keep", "drop"]
"""how to treat labels with a single text when splits are made"""


def assemble(
    source: str, parts: Mapping[str, Iterable[Row]], *, oos_label: str | None, rare: Rare = "keep", seed: int
) -> Dataset:
    """Build a data set from rows. Missing splits are made from train.

    Args:
        source: where the rows come from, for the data set's record.
        parts: rows by split: `train` and, if they exist, `val` and `test`.
        oos_label: the out-of-scope label. Detected by its name by default.
        rare: whether to keep labels with a single text in train, or to drop them, when splits are made.
        seed: random seed of the splits that are made.

    Raises:
        DataError: if the rows cannot be used. The message says what is wrong, where, and what to do.

    Warns:
        DataWarning: about anything that biases the figures, with counts.
    """
    if rare not in {"keep", "drop"}:
        raise DataError(f"--rare {rare}: give keep or drop")
    examples = validate_rows(parts)
    check_enough(examples)
    if rare == "drop":
        examples = without_rare(examples)
        check_enough(examples)
    label = scope_label(sorted({e.label for part in examples.values() for e in part}), oos_label)
    check_labels(examples, oos_label=label)
    splits = with_splits(examples, seed=seed)
    warn_of_quality_issues(examples)
    return Dataset(
        source=source,
        train=split_of(splits["train"]),
        val=split_of(splits["val"]),
        test=split_of(splits["test"]),
        oos_label=label,
    )
