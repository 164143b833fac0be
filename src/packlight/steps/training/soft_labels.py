"""Read soft labels from a file: a probability for each class of each text."""

import csv
import io
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec
import numpy as np

from packlight.errors import DataError

LEAST = 1e-6
"""smaller probabilities are raised to this"""

Answers = dict[str, list[float]]
"""text -> probability of each label"""

Rows = Iterator[tuple[int, str, Mapping[str, str | float]]]
"""line, text, and the probabilities of the labels in that row"""


def read_answers(file: Path, labels: Sequence[str]) -> Answers:
    """Read texts with class probabilities.

    Args:
        file: JSONL with `text` and `probabilities` (label -> probability, left out where 0) in each row, or CSV with
            a column `text` and one for each label.
        labels: the classes, in the order of the result.

    Returns:
        For each text, the probability of each label, scaled to a sum of 1. If a text occurs twice, the last row counts.

    Raises:
        DataError: if the file cannot be read, has other labels, or holds no probabilities. The message names the line.
    """
    try:
        content = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{file}: cannot be read as soft labels ({error})") from error
    rows = _csv_rows(file, content) if file.suffix.lower() == ".csv" else _jsonl_rows(file, content)
    answers: Answers = {}
    columns = [_name(label) for label in labels]
    for number, text, given in rows:
        where = f"{file}, line {number}"
        named = {_name(label): value for label, value in given.items()}
        if unknown := sorted(named.keys() - set(columns)):
            raise DataError(f"{where}: {unknown[0]!r} is not a label of the data")
        if len(named) < len(given):
            raise DataError(f"{where}: names a label twice, with accents written in two ways or with spaces around it")
        try:
            values = np.array([float(named.get(label) or 0) for label in columns])
        except ValueError as error:
            raise DataError(f"{where}: {error}; give a probability from 0 to 1 for each label") from error
        if not ((values >= 0).all() and (values <= 1 + LEAST).all() and values.sum() > 0):
            raise DataError(f"{where}: probabilities must be numbers from 0 to 1, not all 0")
        # Stripped like the texts of a data set.
        answers[text.strip()] = list(values / values.sum())
    if not answers:
        raise DataError(f"{file}: no rows")
    return answers


def _name(label: str) -> str:
    """A label without spaces around it, in the form of Unicode that a data set's labels have."""
    return unicodedata.normalize("NFC", label.strip())


class _Row(msgspec.Struct):
    text: str
    probabilities: dict[str, float]


def _jsonl_rows(file: Path, content: str) -> Rows:
    # Not `splitlines`, which also splits at characters that a JSON string can contain.
    for number, line in enumerate(content.split("\n"), start=1):
        if line.strip():
            try:
                row = msgspec.json.decode(line, type=_Row)
            except msgspec.MsgspecError as error:
                raise DataError(
                    f'{file}, line {number}: {error}; expected {{"text": …, "probabilities": {{label: …}}}}'
                ) from error
            yield number, row.text, row.probabilities


def _csv_rows(file: Path, content: str) -> Rows:
    reader = csv.DictReader(io.StringIO(content, newline=""))
    try:
        names = list(reader.fieldnames or ())
        if "text" not in names:
            raise DataError(f"{file}: has no column `text`; expected `text` and one column for each label")
        if twice := [name for name, count in Counter(names).items() if count > 1]:
            raise DataError(f"{file}: has several columns {twice[0]!r}; expected one column for each label")
        for row in reader:
            if None in row:
                raise DataError(f"{file}, line {reader.line_num}: has more cells than the header has names")
            yield reader.line_num, row.pop("text") or "", row
    except csv.Error as error:
        raise DataError(f"{file}, after line {reader.line_num}: {error}") from error
