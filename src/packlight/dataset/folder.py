"""A folder of split files: train.csv, dev.jsonl, test-00000-of-00002.parquet."""

import re
from importlib.resources.abc import Traversable
from pathlib import Path, PurePath

from packlight.dataset.formats import SUFFIXES, read_file
from packlight.dataset.model import split_named
from packlight.dataset.rows import Row
from packlight.errors import DataError

SHARD = re.compile(r"-\d+-of-\d+$")


def read_folder(
    folder: Path | Traversable, shown: str, *, text_column: str | None = None, label_column: str | None = None
) -> dict[str, list[Row]]:
    """The rows of a folder's split files; other files are passed over.

    The shards of one split (`train-00000-of-00002.parquet`) are joined in the order of their names.

    Raises:
        DataError: when no file is named for train, when a split comes in two files, or a file cannot be read.
        MissingExtraError: when a Parquet file is read without pyarrow.
    """
    files = split_files(folder, shown)
    parts = dict[str, list[Row]]()
    for name, sources in files.items():
        for source in sources:
            file = f"{shown}/{source.name}"
            found = read_file(file, source.read_bytes(), text_column=text_column, label_column=label_column)
            if set(found) - {"train", name}:
                raise DataError(f"{file} holds rows of {' and '.join(found)}; read it by itself, or cut it in files")
            parts.setdefault(name, []).extend(row for rows in found.values() for row in rows)
    return parts


def split_files(folder: Path | Traversable, shown: str) -> dict[str, list[Path | Traversable]]:
    """The folder's data files by split, in the order of their names.

    Raises:
        DataError: when there is none for train, or two kinds for one split.
    """
    entries = sorted(folder.iterdir(), key=lambda entry: entry.name)
    files = dict[str, list[Path | Traversable]]()
    for entry in entries:
        path = PurePath(entry.name)
        name = split_named(SHARD.sub("", path.stem))
        if name is not None and path.suffix.lower() in SUFFIXES and entry.is_file():
            files.setdefault(name, []).append(entry)
    for name, found in files.items():
        whole = [entry.name for entry in found if not SHARD.search(PurePath(entry.name).stem)]
        if whole and len(found) > 1:
            raise DataError(f"{shown} has {' and '.join(e.name for e in found)} for the split {name}; keep one of them")
    if "train" not in files:
        there = ", ".join(entry.name for entry in entries[:8]) or "nothing"
        raise DataError(
            f"{shown} has no file for the split train: expected train.csv (or {', '.join(SUFFIXES[1:])}) and, if you "
            f"have them, val and test beside it; found {there}"
        )
    return files
