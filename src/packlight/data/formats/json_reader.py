"""JSON: one object per line, a list of records, or an object of splits like CLINC150's own file."""

import json
from collections.abc import Mapping

from packlight.data.dataset import split_named
from packlight.data.diagnostics import Diagnostic, quoted, raise_row_errors
from packlight.data.formats.decoding import decode
from packlight.data.formats.exports import refuse_export
from packlight.data.table import Table, table_of
from packlight.errors import DataError

PAIR = 2


def read_json_lines(file: str, data: bytes, encoding: str | None = None) -> Table:
    """JSONL: each line that is not blank is an object.

    Raises:
        DataError: if the encoding is wrong, or if lines are not JSON objects.
    """
    records, faults = [], []
    # Only line feeds end a line. splitlines would also split at separators that JSON allows inside strings.
    for number, line in enumerate(decode(file, data, encoding).text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except json.JSONDecodeError as error:
            what = f"invalid JSON ({error.msg} at character {error.pos + 1})"
            faults.append(Diagnostic(file, number, what, "write one object per line"))
            continue
        except (RecursionError, ValueError) as error:
            faults.append(Diagnostic(file, number, _excess(error), "write one object with a text and its label"))
            continue
        if isinstance(value, dict):
            records.append((number, value))
        else:
            what = f"{quoted(value)} is not a JSON object"
            faults.append(Diagnostic(file, number, what, 'write lines such as {"text": "hello", "label": "greeting"}'))
    raise_row_errors(faults)
    return table_of(file, records)


def read_json(file: str, data: bytes, encoding: str | None = None) -> dict[str, Table]:
    """A JSON file: a list of records under the name `train`, or split names with a list of records each.

    A record is an object or a pair `[text, label]`. CLINC150's `oos_train`, `oos_val` and `oos_test` keep their
    names here; the caller merges them into their splits.

    Raises:
        DataError: if it is not JSON, has another structure, or has no split.
    """
    try:
        value = json.loads(decode(file, data, encoding).text)
    except json.JSONDecodeError as error:
        hint = (
            "for one object per line name the file .jsonl" if error.msg == "Extra data" else "fix it or export it again"
        )
        raise DataError(f"{file}, row {error.lineno}: invalid JSON ({error.msg}); {hint}") from error
    except (RecursionError, ValueError) as error:
        raise DataError(f"{file}: {_excess(error)}; expected a list of records or an object of splits") from error
    refuse_export(file, value)
    if isinstance(value, list):
        return {"train": _table(file, value)}
    if not isinstance(value, dict):
        raise DataError(f"{file} holds {quoted(value)}: expected a list of records or an object of splits")
    unknown = [name for name, items in value.items() if split_named(name) is None or not isinstance(items, list)]
    if unknown or not value:
        raise DataError(
            f"{file}: expected the splits train, val and test (or oos_train and so on) with a list of records each, "
            f"found {', '.join(quoted(name) for name in unknown) or 'an empty object'}; rename or remove those"
        )
    return {name: _table(f"{file} ({name})", items) for name, items in value.items() if items}


def _excess(error: RecursionError | ValueError) -> str:
    """Why valid JSON cannot be read."""
    return "nested too deeply" if isinstance(error, RecursionError) else "a number of too many digits"


def _table(file: str, items: list[object]) -> Table:
    """A table of records that are objects or pairs. A record's number is its position in the list."""
    records, faults = list[tuple[int, Mapping[str, object]]](), []
    for number, item in enumerate(items, start=1):
        if isinstance(item, dict):
            records.append((number, item))
        elif isinstance(item, list) and len(item) == PAIR:
            records.append((number, {"text": item[0], "label": item[1]}))
        else:
            remedy = 'write ["hello", "greeting"] or {"text": "hello", "label": "greeting"}'
            faults.append(Diagnostic(file, number, f"{quoted(item)} is neither a pair nor an object", remedy))
    raise_row_errors(faults)
    return table_of(file, records)


READERS = {".jsonl": read_json_lines, ".ndjson": read_json_lines, ".json": read_json}
"""by suffix"""
