"""Recognize the task of the rows. packlight learns one label per text, and rejects other tasks by name."""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import combinations

from packlight.data.diagnostics import quoted, warn
from packlight.data.names import plain
from packlight.data.table import Table
from packlight.errors import DataError
from packlight.formatting import counted

LATER = "packlight learns one label for each text"
PAIRED = (
    {"premise", "hypothesis"},
    {"question", "context"},
    {"question", "answer"},
    {"query", "passage"},
    {"query", "document"},
    {"query", "product_title"},
    {"text", "text_pair"},
    {"sentence", "paraphrase"},
    {"source", "target"},
    {"anchor", "positive"},
)
NUMBERED = re.compile(r"(.*?)_?(?:1|2|a|b|first|second)")
SEPARATORS = (";", "|", ",", "/", "+")
SCORE_NAMES = frozenset({"score", "similarity", "similarity_score", "relatedness", "rating"})
MOST_NUMERIC_CLASSES = 10
"""labels that are numbers with fractions count as scores if there are more distinct ones than this"""
WORDS_OF_A_TEXT = 3
PRODIGY = frozenset({"_input_hash", "_task_hash", "_view_id", "_session_id", "_annotator_id"})
ANSWERS = frozenset({"accept", "reject", "ignore"})


def accepted_rows(table: Table) -> Table:
    """The accepted rows of Prodigy's export, or of another table with labels and such answers. Others are unchanged.

    Raises:
        DataError: if no row was accepted, or if the rows mark spans.

    Warns:
        DataWarning: about rows that are left out.
    """
    answers = table.cells.get("answer")
    columns = set(table.columns)
    reviewed = "label" in columns or {"accept", "options"} <= columns or PRODIGY & columns
    if answers is None or not reviewed or not ANSWERS.issuperset(filter(None, map(str, answers))):
        return table
    if "label" not in table.columns and "accept" not in table.columns:
        raise DataError(f"{table.file}: Prodigy's rows without a label, such as spans; {LATER}; export text and label")
    whose = "an export of Prodigy; " if PRODIGY & columns or "options" in columns else ""
    kept = [place for place, answer in enumerate(answers) if answer == "accept"]
    if not kept:
        again = "accept labels there and export again" if whose else "name the labels' column with --label-column"
        raise DataError(f"{table.file}: {whose}no row has the answer 'accept'; {again}")
    if len(kept) < len(table):
        counts = Counter(map(str, answers))
        rejected, ignored = counts["reject"], len(table) - len(kept) - counts["reject"]
        left = " and ".join(
            f"{count:,} {word}" for count, word in ((rejected, "rejected"), (ignored, "ignored")) if count
        )
        otherwise = "" if whose else "; if the column 'answer' is no review of the labels, rename it"
        warn(
            f"{table.file}: {whose}used only the {counted(len(kept), 'row')} with the answer 'accept', not the {left} ones{otherwise}"
        )
    taken = table.take(kept)
    cells = {name: column for name, column in taken.cells.items() if name not in {"answer", "options"}}
    if "accept" in cells and "label" not in cells:
        cells = {"label" if name == "accept" else name: column for name, column in cells.items()}
    return replace(taken, cells=cells)


def refuse_pairs(table: Table) -> None:
    """Reject a table whose columns are named like the two texts of a pair.

    Raises:
        DataError: if there are such columns. The message names both.
    """
    names = {plain(name): name for name in table.columns}
    pair = next((sorted(each) for each in PAIRED if each <= names.keys()), None)
    if pair is None:
        stems = {name: found[1] for name in names if (found := NUMBERED.fullmatch(name))}
        pair = next(
            ([a, b] for a, b in combinations(stems, 2) if stems[a] == stems[b] and _textual(table, names, (a, b))), None
        )
    if pair is not None and not _is_label(table, names[pair[0]]) and not _is_label(table, names[pair[1]]):
        first, second = (names[each] for each in pair)
        raise DataError(_two_texts(table, first, second))


def _textual(table: Table, names: Mapping[str, str], pair: Sequence[str]) -> bool:
    """Whether both columns have words rather than numbers."""
    return all(
        any(isinstance(cell, str) and re.search(r"[^\W\d_]", cell) for cell in table.cells[names[each]])
        for each in pair
    )


def _is_label(table: Table, name: str) -> bool:
    """Whether most values of a column occur more than once."""
    values = table.cells[name]
    return len({str(value) for value in values}) * 2 <= len(values)


def refuse_other_tasks(table: Table, text: str, label: str, *, text_given: bool) -> None:
    """Reject a second text, several labels for a text, and scores.

    Args:
        table: all columns.
        text: the column of the texts.
        label: the column of the labels.
        text_given: whether the user named the text column, and so knows that others are not used.

    Raises:
        DataError: if the task is another one. The message names it, the columns or values that show it, and what to do.
    """
    if not text_given:
        others = [name for name in table.columns if name not in {text, label} and _holds_texts(table.cells[name])]
        if others:
            raise DataError(_two_texts(table, text, others[0]))
    labels = table.cells[label]
    if separator := _separator(labels):
        example = next(value for value in labels if isinstance(value, str) and separator in value)
        raise DataError(
            f"{table.file}: the column {label!r} joins several labels with {separator!r} ({quoted(example)}), and {LATER}; "
            f"keep the most important one, or, if each of these is one label, write it without {separator!r}"
        )
    if scores := _scores(label, labels):
        raise DataError(
            f"{table.file}: the column {label!r} holds scores ({', '.join(scores)} …), and {LATER}; write classes in their "
            "place, such as low, medium and high, or choose another column with --label-column"
        )


def refuse_indicators(table: Table, text: str | None) -> None:
    """Reject columns of zeros and ones, one for each label.

    Raises:
        DataError: if there are such columns. The message says whether each row has one label or several.
    """
    flags = [name for name in table.columns if name != text and _is_indicator(table.cells[name])]
    if len(flags) < 2:
        return
    several = sum(sum(_is_one(table.cells[name][place]) for name in flags) != 1 for place in range(len(table)))
    columns = ", ".join(map(repr, flags[:5])) + (" …" if len(flags) > 5 else "")
    if several:
        raise DataError(
            f"{table.file}: the columns {columns} hold 0 and 1: several labels for a text, or none, in {several} of "
            f"{len(table)} rows, and {LATER}; choose one column with --label-column, or write one label for each row"
        )
    raise DataError(
        f"{table.file}: the columns {columns} hold 0 and 1, one 1 in each row; write the name of its column in a column "
        "`label` (pandas: frame[columns].idxmax(axis=1))"
    )


def single_labels(table: Table, label: str) -> Table:
    """Unwrap lists with a single label, as doccano and others write them. Other tables are unchanged.

    Raises:
        DataError: if a list has several labels, or marks parts of the text.

    Warns:
        DataWarning: about rows with an empty list, which are left out.
    """
    lists = [_as_list(value) for value in table.cells[label]]
    if not any(each is not None for each in lists):
        return table
    items = [item for each in lists for item in each or ()]
    if any(isinstance(item, list | tuple | Mapping) for item in items):
        raise DataError(f"{table.file}: the column {label!r} marks parts of a text ({quoted(items[0])}), and {LATER}")
    several = [place for place, each in enumerate(lists) if each is not None and len(each) > 1]
    tokens = next((name for name in table.columns if name != label and _parallel(table.cells[name], lists)), None)
    if tokens is not None:
        raise DataError(
            f"{table.file}: the column {label!r} labels the words in {tokens!r} (token classification), and {LATER}"
        )
    if several:
        raise DataError(
            f"{table.file}, row {table.numbers[several[0]]}: several labels for a text ({quoted(lists[several[0]])}), in "
            f"{len(several)} of {len(table)} rows, and {LATER}; keep the most important one"
        )
    values = [
        value if each is None else (each[0] if each else None)
        for value, each in zip(table.cells[label], lists, strict=True)
    ]
    kept = [place for place, each in enumerate(lists) if each is None or each]
    single = replace(table, cells={**table.cells, label: values})
    if len(kept) == len(table):
        return single
    if not kept:
        raise DataError(
            f"{table.file}: no row has a label in the column {label!r}; annotate the texts and export again"
        )
    warn(f"{table.file}: {len(table) - len(kept)} rows have an empty list of labels, and are not used")
    return single.take(kept)


def _parallel(cells: Sequence[object], lists: Sequence[Sequence[object] | None]) -> bool:
    """Whether a column has lists that are as long as these, such as the words of a text, and not all of them short."""
    lengths = [len(cell) if isinstance(cell, list | tuple) else None for cell in cells]
    return (
        lengths == [None if each is None else len(each) for each in lists] and max(filter(None, lengths), default=0) > 1
    )


def without_repeated_headers(table: Table, text: str, label: str) -> Table:
    """The table without rows that repeat its header, as files have that were joined from several.

    Warns:
        DataWarning: about such rows.
    """
    if table.header_row is None:
        return table
    header = (_bare(text), _bare(label))
    pairs = zip(table.cells[text], table.cells[label], strict=True)
    repeated = [place for place, (a, b) in enumerate(pairs) if (_bare(a), _bare(b)) == header]
    if not repeated:
        return table
    warn(
        f"{table.file}: repeats its header in {counted(len(repeated), 'row')}, not used; "
        f"the first is row {table.numbers[repeated[0]]}"
    )
    left_out = set(repeated)
    return table.take([place for place in range(len(table)) if place not in left_out])


def _bare(cell: object) -> str:
    return str(cell).lstrip("\ufeff").strip()


def unused_columns(table: Table, *used: str) -> list[str]:
    """The unused columns."""
    return [name for name in table.columns if name not in used and plain(name) not in {"", "split"}]


def _two_texts(table: Table, first: str, second: str) -> str:
    return (
        f"{table.file} has two columns of texts, {first!r} and {second!r}, and {LATER}, not for a pair; join them in one "
        f"column, or leave one out on purpose with --text-column {first}"
    )


def _holds_texts(cells: Sequence[object]) -> bool:
    """Whether a column has texts of several words that hardly repeat."""
    texts = [cell for cell in cells if isinstance(cell, str) and cell.strip()]
    if len(texts) * 2 <= len(cells) or len(set(texts)) * 2 <= len(texts):
        return False
    words = sum(len(re.findall(r"[^\W\d_]+", text)) for text in texts)
    return words >= WORDS_OF_A_TEXT * len(texts)


def _separator(labels: Sequence[object]) -> str | None:
    """The separator of several labels in one value: most parts also occur elsewhere, some alone or in another order."""
    distinct = {value.strip() for value in labels if isinstance(value, str)}
    for separator in SEPARATORS:
        parts = [[part.strip() for part in value.split(separator)] for value in distinct if separator in value]
        parts = [found for found in parts if len(found) > 1 and all(found)]
        alone = {value for value in distinct if separator not in value}
        company = Counter(part for found in parts for part in set(found))
        known = [found for found in parts if all(part in alone or company[part] > 1 for part in found)]
        mixed = alone & company.keys() or {found[0] for found in parts} & {
            part for found in parts for part in found[1:]
        }
        if len(parts) > 1 and len(known) * 2 > len(parts) and mixed:
            return separator
    return None


def _scores(name: str, labels: Sequence[object]) -> list[str]:
    """The first scores of a column of numbers with fractions; empty if it has classes."""
    numbers = list(_numbers(labels))
    if len(numbers) < len(labels) or all(number.is_integer() for number in numbers):
        return []
    distinct = sorted(set(numbers))
    if len(distinct) > MOST_NUMERIC_CLASSES or plain(name) in SCORE_NAMES:
        return [f"{number:g}" for number in distinct[:3]]
    return []


def _numbers(values: Sequence[object]) -> Iterator[float]:
    for value in values:
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            return
        try:
            yield float(value)
        except (ValueError, OverflowError):
            return


def _as_list(value: object) -> Sequence[object] | None:
    """A list of labels, also if written as text in a CSV file; None for anything else."""
    if isinstance(value, list | tuple):
        return value
    if not isinstance(value, str) or not re.fullmatch(r"\s*\[.*\]\s*", value, re.DOTALL):
        return None
    try:
        found = json.loads(value)
    except (ValueError, RecursionError):
        found = re.findall(r"'([^']*)'|\"([^\"]*)\"", value)
        found = [one or other for one, other in found] if found or value.strip("[] \t") == "" else None
    return found if isinstance(found, list) else None


def _is_indicator(cells: Sequence[object]) -> bool:
    return {str(cell) for cell in cells} <= {"0", "1", "0.0", "1.0", "True", "False", "true", "false"} and len(
        cells
    ) > 0


def _is_one(cell: object) -> bool:
    return str(cell) in {"1", "1.0", "True", "true"}
