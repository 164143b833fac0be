"""From rows by split to a data set: judged, completed, and checked as a whole."""

from collections.abc import Iterable, Mapping
from typing import Literal

from packlight.data.dataset import Dataset
from packlight.data.oos_label import scope_label
from packlight.data.splits import with_splits, without_rare
from packlight.data.table import Row
from packlight.data.validation import check_enough, check_labels, split_of, validate_rows, warn_of_quality_issues
from packlight.errors import DataError

Rare = Literal["keep", "drop"]
"""what happens to labels with a single text when splits are made"""


def assemble(
    source: str, parts: Mapping[str, Iterable[Row]], *, oos_label: str | None, rare: Rare = "keep", seed: int
) -> Dataset:
    """A data set of the rows; splits that are missing are made from train.

    Args:
        source: where the rows come from, as the data set will say.
        parts: rows by split: `train` and, where they exist, `val` and `test`.
        oos_label: the out-of-scope label, found by its name when None.
        rare: whether labels with a single text stay in train, or are removed, when splits are made.
        seed: of the splits that are made.

    Raises:
        DataError: names what is wrong, where, and the remedy.

    Warns:
        DataWarning: of what makes figures look better or worse, with counts.
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
