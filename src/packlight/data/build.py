"""From rows by split to a data set: judged, completed, and checked as a whole."""

from collections.abc import Iterable, Mapping

from packlight.data.dataset import Dataset
from packlight.data.oos_label import scope_label
from packlight.data.splits import with_splits
from packlight.data.table import Row
from packlight.data.validation import check_enough, check_labels, split_of, validate_rows, warn_of_quality_issues


def assemble(source: str, parts: Mapping[str, Iterable[Row]], *, oos_label: str | None, seed: int) -> Dataset:
    """A data set of the rows; splits that are missing are made from train.

    Args:
        source: where the rows come from, as the data set will say.
        parts: rows by split: `train` and, where they exist, `val` and `test`.
        oos_label: the out-of-scope label, found by its name when None.
        seed: of the splits that are made.

    Raises:
        DataError: names what is wrong, where, and the remedy.

    Warns:
        DataWarning: of what bends the figures, with counts.
    """
    examples = validate_rows(parts)
    check_enough(examples)
    check_labels(examples)
    label = scope_label(sorted({e.label for e in examples["train"]}), oos_label)
    splits = with_splits(examples, seed=seed)
    warn_of_quality_issues(examples)
    return Dataset(
        source=source,
        train=split_of(splits["train"]),
        val=split_of(splits["val"]),
        test=split_of(splits["test"]),
        oos_label=label,
    )
