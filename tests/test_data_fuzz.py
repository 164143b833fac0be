"""Damaged data files end in a data set or in one clear error: 150 of them here, 3,000 by `make test-fuzz`."""

import gzip
import io
import json
import os
import random
import warnings

import pytest

from mutations import inside, mutated
from packlight.data import load_dataset
from packlight.data.text_file import texts_of_file
from packlight.errors import DataError
from packlight.extras import installed
from spreadsheets import ods, xlsx

FILES = int(os.environ.get("PACKLIGHT_FUZZ_FILES", "150"))
VERBS = ("wake me at", "play the song of", "how far is", "réserve une table à")
ROWS = [(f"{VERBS[n % 4]} {n}", ("alarm", "music", "distance", "oos")[n % 4]) for n in range(40)]
LINES = "".join(json.dumps({"text": text, "label": label}) + "\n" for text, label in ROWS)


def csv(delimiter, head="text{0}label"):
    return "\n".join([head.format(delimiter), *(f'"{text}"{delimiter}{label}' for text, label in ROWS)]).encode()


def parquet():
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet as writer

    stream = io.BytesIO()
    writer.write_table(
        pyarrow.table({"text": [text for text, _ in ROWS], "label": [label for _, label in ROWS]}), stream
    )
    return stream.getvalue()


SEEDS = {
    "a.csv": csv(","),
    "b.csv": csv(";", "sep=;\nquery{0}intent"),
    "c.csv": csv(",").split(b"\n", 1)[1],
    "d.tsv": csv("\t"),
    "e.jsonl": LINES.encode(),
    "f.jsonl": "".join(
        json.dumps({"text": text, "label": [label], "answer": "accept", "_view_id": "x"}) + "\n" for text, label in ROWS
    ).encode(),
    "g.json": json.dumps({"train": ROWS, "oos_test": [["why", "oos"]]}).encode(),
    "h.json": json.dumps([{"text": text, "label": label, "split": "train"} for text, label in ROWS]).encode(),
    "i.csv.gz": gzip.compress(csv(","), mtime=0),
    "j.parquet": None,
    "k.xlsx": xlsx([("text", "label"), *ROWS]),
    "m.xlsx": xlsx((), merged=("B2:B3",), train=[("text", "label"), *ROWS], test=[("text", "label"), *ROWS[:4]]),
    "l.ods": ods([("text", "label"), *ROWS]),
    "m.jsonl.gz": gzip.compress(LINES.encode(), mtime=0),
    "n.jsonl": "".join(
        json.dumps({"id": n, "text": text, "label": [label]}) + "\n" for n, (text, label) in enumerate(ROWS)
    ).encode("utf-16"),
}
ARCHIVES = ("i.csv.gz", "k.xlsx", "m.xlsx", "l.ods", "m.jsonl.gz")
"""half of these are damaged inside"""


def is_clear(words):
    """One message with no traceback in it, not endless."""
    return 0 < len(words) < 2_000 and words.count("\n") <= 7 and "Traceback" not in words


def outcome(read, file):
    """What a reader makes of a file: its result, or the words of its error."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return read(file), None
        except DataError as error:
            return None, str(error)


@pytest.mark.parametrize("name", SEEDS)
def test_a_damaged_file_is_a_data_set_or_one_error(tmp_path, name):
    if name in {"k.xlsx", "l.ods"} and not installed("python_calamine"):
        pytest.skip("needs the extra spreadsheet")
    seed = SEEDS[name] if SEEDS[name] is not None else parquet()
    chooser = random.Random(name)
    file = tmp_path / name
    outcomes = {"read": 0, "refused": 0}
    for number in range(FILES // len(SEEDS)):
        change = inside(mutated) if name in ARCHIVES and number % 2 else mutated
        file.write_bytes(change(seed, chooser))
        data, error = outcome(load_dataset, file)
        texts, other = outcome(texts_of_file, file)
        for words in filter(None, (error, other)):
            assert is_clear(words), f"{name}, number {number}: {words}"
        assert data is None or all(map(str.strip, (*data.train.texts, *data.train.labels)))
        assert texts is None or texts
        outcomes["refused" if data is None else "read"] += 1
    assert outcomes["refused"]
    assert outcomes["read"] or name in {"g.json", "h.json", "j.parquet"}, "these are rarely readable"
