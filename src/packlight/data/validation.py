"""Check rows once. A row that passes has a text and a label, both clean strings."""

import datetime as dt
import math
import re
import unicodedata
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral, Real

from packlight.data.dataset import Split
from packlight.data.diagnostics import MAX_SHOWN, Diagnostic, quoted, raise_row_errors, warn
from packlight.data.table import Row
from packlight.errors import DataError
from packlight.formatting import counted

MINIMUM_ROWS = 10
MINIMUM_CLASSES = 2
QUOTES = frozenset({("'", "'"), ('"', '"'), ("“", "”"), ("„", "“"), ("\u2018", "\u2019"), ("«", "»"), ("`", "`")})
REPLACEMENT = "\ufffd"
MISREAD = re.compile("[\u00c2-\u00c3][\u0080-\u00bf]|\u00e2\u20ac")
"""what UTF-8 looks like if it is read as cp1252, such as `Ã©` for `é`"""
ABSENT = frozenset({"nan", "null", "n/a", "#n/a", "<na>", "na"})
"""labels, in lower case, that pandas, spreadsheets and databases write for a missing value"""
PYTHONS = "None"
"""the same, in this spelling only: `none` is a usual class"""


@dataclass(frozen=True, slots=True)
class Example:
    """A checked row: text and label without surrounding white space, the label in Unicode's composed form."""

    file: str
    number: int
    text: str
    label: str


def validate_rows(parts: Mapping[str, Iterable[Row]]) -> dict[str, list[Example]]:
    """The rows of each split as examples.

    Raises:
        DataError: if rows lack a text or a label. The message has the first five and their number.
    """
    outcomes = {name: [_validate(row) for row in rows] for name, rows in parts.items()}
    raise_row_errors([outcome for part in outcomes.values() for outcome in part if isinstance(outcome, Diagnostic)])
    return {name: [e for e in part if isinstance(e, Example)] for name, part in outcomes.items()}


def split_of(examples: Sequence[Example]) -> Split:
    """The examples without their positions."""
    return Split(tuple(e.text for e in examples), tuple(e.label for e in examples))


def dedup_key(text: str) -> str:
    """A key that duplicates share: the text without case, white space and Unicode variants."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def check_enough(parts: Mapping[str, Sequence[Example]]) -> None:
    """Reject data without train, with too few rows, or with one class.

    Raises:
        DataError: if that is so. The message says what is missing.
    """
    if "train" not in parts:
        raise DataError(
            f"there is no split train, only {' and '.join(parts) or 'nothing'}; give labelled texts to train on"
        )
    for name, examples in parts.items():
        if not examples:
            raise DataError(f"the split {name} has no rows; add some, or omit it to have it split off train")
    count = sum(map(len, parts.values()))
    if count < MINIMUM_ROWS:
        raise DataError(
            f"not enough rows: {count} labelled texts in all; expected at least {MINIMUM_ROWS}, better 20 for each label"
        )
    labels = {e.label for e in parts["train"]}
    if len(labels) < MINIMUM_CLASSES:
        raise DataError(
            f"the split train has one class, {quoted(labels.pop())}: a classifier needs two or more; add texts with "
            "another label, or choose the right column with --label-column"
        )


def check_labels(parts: Mapping[str, Sequence[Example]], *, oos_label: str | None = None) -> None:
    """Reject labels that train lacks, which no model could predict, except for the out-of-scope label.

    Raises:
        DataError: if there are any. The message names each label, its split, its first row and its number of rows.
    """
    known = {e.label for e in parts["train"]}
    strange = defaultdict[tuple[str, str], list[Example]](list)
    for name, examples in parts.items():
        for example in examples:
            if example.label not in known and example.label != oos_label:
                strange[example.label, name].append(example)
    if strange:
        lines = [
            f"the label {quoted(label)} is in {name} (rows: {len(found)}, the first {found[0].file}, row {found[0].number}) "
            "and not in train"
            for (label, name), found in list(strange.items())[:MAX_SHOWN]
        ]
        more = f"; and more such labels: {len(strange) - len(lines)}" if len(strange) > len(lines) else ""
        raise DataError(f"{'; '.join(lines)}{more}; add texts with it to train, or remove those rows")


def warn_of_quality_issues(parts: Mapping[str, Sequence[Example]]) -> None:
    """Warn, with counts, about anything that biases the figures.

    These are texts in two of the given splits, texts with two labels, and labels that differ only in case.
    """
    texts = {name: _first_of_each_text(examples) for name, examples in parts.items()}
    for first, second in (("train", "val"), ("train", "test"), ("val", "test")):
        shared = [key for key in texts.get(first, {}) if key in texts.get(second, {})]
        if shared:
            one, other = texts[first][shared[0]], texts[second][shared[0]]
            warn(
                f"texts of {first} that are also in {second}: {len(shared)}, so reported accuracy may be too high; the first is "
                f"{quoted(one.text)} ({one.file}, row {one.number}; {other.file}, row {other.number})"
            )
    labels_of = defaultdict[str, set[str]](set)
    for example in (e for examples in parts.values() for e in examples):
        labels_of[dedup_key(example.text)].add(example.label)
    conflicting = [(text, labels) for text, labels in labels_of.items() if len(labels) > 1]
    if conflicting:
        text, labels = conflicting[0]
        warn(
            f"texts with more than one label: {len(conflicting)}; the first is {quoted(text)}: {', '.join(sorted(labels))}"
        )
    _warn_of_twin_labels(set().union(*labels_of.values()))
    _warn_of_quoted_labels(set().union(*labels_of.values()))
    _warn_of_absent_labels(parts)
    _warn_of_damaged_letters(parts)


def _first_of_each_text(examples: Iterable[Example]) -> dict[str, Example]:
    """The first example of each distinct text, in order."""
    first = dict[str, Example]()
    for example in examples:
        first.setdefault(dedup_key(example.text), example)
    return first


def _warn_of_twin_labels(labels: Iterable[str]) -> None:
    """Warn about labels that differ only in case or inner white space."""
    spellings = defaultdict[str, list[str]](list)
    for label in sorted(labels):
        spellings[dedup_key("".join(letter for letter in label if letter.isprintable()))].append(label)
    similar = [" and ".join(map(repr, found)) for found in spellings.values() if len(found) > 1]
    if similar:
        warn(
            f"labels that differ only in spelling, each a class of its own: {len(similar)}; {'; '.join(similar[:MAX_SHOWN])}"
        )


def _warn_of_absent_labels(parts: Mapping[str, Sequence[Example]]) -> None:
    """Warn about labels that other tools write where there is none."""
    found = [
        example
        for examples in parts.values()
        for example in examples
        if example.label.casefold() in ABSENT or example.label == PYTHONS
    ]
    if found:
        warn(
            f"{counted(len(found), 'text')} labelled {quoted(found[0].label)}, the first {found[0].file}, row {found[0].number}: "
            "this is a class of its own; if it means that there is no label, remove those rows"
        )


def _warn_of_quoted_labels(labels: Collection[str]) -> None:
    """Warn if quotes that the format doesn't know are part of all labels."""
    if all(len(label) > 2 and (label[0], label[-1]) in QUOTES for label in labels):
        warn(
            f"all labels are in quotes, such as {min(labels)}: they are part of the labels, and of texts in such quotes; to remove "
            'them, write the file with the quotes "…"'
        )


def _warn_of_damaged_letters(parts: Mapping[str, Sequence[Example]]) -> None:
    """Warn about letters that another program lost or read in the wrong encoding."""
    examples = [example for part in parts.values() for example in part]
    lost = [example for example in examples if REPLACEMENT in example.text]
    if lost:
        warn(
            f"{counted(len(lost), 'text')} with letters that were lost when the file was written ({REPLACEMENT}), the first "
            f"{lost[0].file}, row {lost[0].number}: {quoted(lost[0].text)}; export the texts again, in UTF-8"
        )
    misread = [(example, better) for example in examples if (better := _reread(example.text)) is not None]
    if misread:
        (first, better), count = misread[0], counted(len(misread), "text")
        warn(
            f"{count} with letters that were read in the wrong encoding before, the first {first.file}, row {first.number}: "
            f"{quoted(first.text)} was probably {quoted(better)}; export the texts again"
        )


def _reread(text: str) -> str | None:
    """A text that was UTF-8 and was read as cp1252, as it was before; None for any other."""
    if not MISREAD.search(text):
        return None
    try:
        return text.encode("cp1252").decode("utf-8")
    except UnicodeError:
        return None


def _shown(value: object) -> str:
    """A value that is no string, with its type."""
    if isinstance(value, dt.date | dt.time):
        return f"{value}, a date or time, not a text"
    return f"{quoted(value)} of type {type(value).__name__}"


def _validate(row: Row) -> Example | Diagnostic:
    """The example of a row, or what is wrong with it."""
    if _is_missing(row.text) or (isinstance(row.text, str) and not row.text.strip()):
        return Diagnostic(row.file, row.number, "the text is empty", "write one or remove the row")
    if not isinstance(row.text, str):
        what = f"the text is {_shown(row.text)}"
        return Diagnostic(row.file, row.number, what, "give a string, or choose the right column with --text-column")
    label = _label(row.label)
    if label is None:
        what = f"the label is {_shown(row.label)}"
        return Diagnostic(row.file, row.number, what, "give one label, a string or an integer")
    if not label:
        return Diagnostic(
            row.file, row.number, f"the label of {quoted(row.text)} is missing", "write one or remove the row"
        )
    try:
        f"{row.text}{label}".encode()
    except UnicodeEncodeError as error:
        what = f"an unpaired surrogate ({error.object[error.start]!r}) in {quoted(row.text)}"
        return Diagnostic(row.file, row.number, what, "write the complete character or remove it")
    return Example(row.file, row.number, row.text.strip(), label)


def _is_missing(value: object) -> bool:
    """Whether a value is None, NaN or one of pandas' missing values."""
    if value is None or type(value).__name__ in {"NAType", "NaTType"}:
        return True
    return isinstance(value, float) and math.isnan(value)


def _label(value: object) -> str | None:
    """A label as a string; empty if it is missing, None if its type cannot be a label.

    Whole floats become integers, because many tools read an integer column with gaps as floats.
    """
    if _is_missing(value):
        return ""
    match value:
        case str():
            return unicodedata.normalize("NFC", value.strip())
        case bool() | Integral():
            return str(value)
        case Real():
            number = float(value)
            if math.isnan(number):
                return ""
            return str(int(number)) if number.is_integer() else str(number)
    return None
