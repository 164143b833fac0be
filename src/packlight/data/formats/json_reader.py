"""JSON: one object per line, a list of records, or an object of splits like CLINC150's own file."""

import json
from collections.abc import Mapping

from packlight.data.dataset import split_named
from packlight.data.diagnostics import Diagnostic, quoted, raise_row_errors
from packlight.data.formats.decoding import decode
from packlight.data.formats.exports import PAIR, refuse_export, refuse_record
from packlight.data.table import Table, table_of
from packlight.errors import DataError


def read_json_lines(file: str, data: bytes, encoding: str | None = None) -> Table:
    """JSONL: each line that is not blank is an object.

    Raises:
        DataError: if the encoding is wrong, or if lines are not JSON objects.
    """
    records, diagnostics = list[tuple[int, Mapping[str, object]]](), []
    # Only line feeds end a line. splitlines would also split at separators that JSON allows inside strings.
    for number, line in enumerate(decode(file, data, encoding).text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except json.JSONDecodeError as error:
            what = f"invalid JSON ({error.msg} at character {error.pos + 1})"
            diagnostics.append(Diagnostic(file, number, what, "write one object per line"))
            continue
        except (RecursionError, ValueError) as error:
            diagnostics.append(Diagnostic(file, number, _excess(error), "write one object with a text and its label"))
            continue
        if isinstance(value, dict):
            if not records:
                refuse_record(file, value)
            records.append((number, value))
        else:
            what = f"{quoted(value)} is not a JSON object"
            diagnostics.append(
                Diagnostic(file, number, what, 'write lines such as {"text": "hello", "label": "greeting"}')
            )
    raise_row_errors(diagnostics)
    return table_of(file, records)


def read_json(file: str, data: bytes, encoding: str | None = None) -> dict[str, Table]:
    """A JSON file: a list of records under the name `train`, or split names with a list of records each.

    A record is an object or a pair `[text, label]`. A list under one name is read too, and so are columns, as pandas writes
    them. CLINC150's `oos_train`, `oos_val` and `oos_test` keep their
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
    if len(value) == 1 and isinstance(rows := next(iter(value.values())), list) and rows and isinstance(rows[0], dict):
        return {"train" if split_named(next(iter(value))) is None else next(iter(value)): _table(file, rows)}
    if (records := _by_columns(value)) is not None:
        return {"train": _table(file, records)}
    unknown = [name for name, items in value.items() if split_named(name) is None or not isinstance(items, list)]
    if unknown or not value:
        raise DataError(
            f"{file}: expected the splits train, val and test (or oos_train and so on) with a list of records each, "
            f"found {', '.join(quoted(name) for name in unknown) or 'an empty object'}; rename or remove those"
        )
    return {name: _table(f"{file} ({name})", items) for name, items in value.items() if items}


def _by_columns(value: Mapping[str, object]) -> list[object] | None:
    """Records of a table that is written column by column, as pandas does; None for anything else.

    A column is a list, or an object with a key for each row.
    """
    whole = list(value.values())
    lists = [each for each in whole if isinstance(each, list)]
    objects = [each for each in whole if isinstance(each, dict)]
    if len(objects) == len(whole) and all(each.keys() == objects[0].keys() for each in objects):
        lists = [list(each.values()) for each in objects]
    if len(whole) < PAIR or len(lists) < len(whole) or len(set(map(len, lists))) > 1:
        return None
    if any(isinstance(cell, dict | list) for each in lists for cell in each):
        return None
    return [dict(zip(value, row, strict=True)) for row in zip(*lists, strict=True)]


def _excess(error: RecursionError | ValueError) -> str:
    """Why valid JSON cannot be read."""
    return "nested too deeply" if isinstance(error, RecursionError) else "a number of too many digits"


def _table(file: str, items: list[object]) -> Table:
    """A table of records that are objects or pairs. A record's number is its position in the list."""
    records, diagnostics = list[tuple[int, Mapping[str, object]]](), []
    for number, item in enumerate(items, start=1):
        if isinstance(item, dict):
            records.append((number, item))
        elif isinstance(item, list) and len(item) == PAIR:
            records.append((number, {"text": item[0], "label": item[1]}))
        else:
            remedy = 'write ["hello", "greeting"] or {"text": "hello", "label": "greeting"}'
            diagnostics.append(Diagnostic(file, number, f"{quoted(item)} is neither a pair nor an object", remedy))
    raise_row_errors(diagnostics)
    return table_of(file, records)


READERS = {".jsonl": read_json_lines, ".ndjson": read_json_lines, ".json": read_json}
"""by suffix"""
