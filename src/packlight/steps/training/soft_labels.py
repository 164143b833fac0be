"""Read soft labels from a file: a probability for each class of each text."""

import csv
import io
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
    for number, text, given in rows:
        where = f"{file}, line {number}"
        if unknown := sorted(given.keys() - set(labels)):
            raise DataError(f"{where}: {unknown[0]!r} is not a label of the data")
        try:
            values = np.array([float(given.get(label) or 0) for label in labels])
        except ValueError as error:
            raise DataError(f"{where}: {error}; give a probability from 0 to 1 for each label") from error
        if not ((values >= 0).all() and (values <= 1 + LEAST).all() and values.sum() > 0):
            raise DataError(f"{where}: probabilities must be numbers from 0 to 1, not all 0")
        # Normalized like the texts of a data set.
        answers[text.strip()] = list(values / values.sum())
    if not answers:
        raise DataError(f"{file}: no rows")
    return answers


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
        if "text" not in (reader.fieldnames or ()):
            raise DataError(f"{file}: has no column `text`; expected `text` and one column for each label")
        for row in reader:
            if None in row:
                raise DataError(f"{file}, line {reader.line_num}: has more cells than the header has names")
            yield reader.line_num, row.pop("text") or "", row
    except csv.Error as error:
        raise DataError(f"{file}, after line {reader.line_num}: {error}") from error
