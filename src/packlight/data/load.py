"""Labelled texts from a file, a folder of split files, the Hub or the bundled sample."""

import re
from dataclasses import dataclass, field, replace
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from packlight.data.build import Rare, assemble
from packlight.data.dataset import Dataset, split_named
from packlight.data.diagnostics import warn
from packlight.data.formats import GZIP, SUFFIXES, read_file, read_labelled, stem_and_suffix
from packlight.data.labelled import Labelled, rows_of
from packlight.data.table import Row
from packlight.errors import DataError

SHARD = re.compile(r"-\d+-of-\d+$")


@dataclass(frozen=True, kw_only=True)
class ReadOptions:
    """Options for reading a source."""

    text_column: str | None = None
    label_column: str | None = None
    encoding: str | None = None
    notes: list[str] = field(default_factory=list)
    """notes on how each file was read are appended to this"""


def read_folder(folder: Path | Traversable, shown: str, options: ReadOptions) -> dict[str, list[Row]]:
    """The rows of a folder's split files. Other files are ignored.

    The shards of one split (`train-00000-of-00002.parquet`) are joined in the order of their names.

    Raises:
        DataError: if there is no file for train, if a split has two files, or if a file cannot be read.
        MissingExtraError: if a Parquet file is read without pyarrow.
    """
    files = split_files(folder, shown)
    tables = list[tuple[str, Labelled]]()
    for name, sources in files.items():
        for source in sources:
            file = f"{shown}/{source.name}"
            found = read_labelled(
                file,
                source.read_bytes(),
                text_column=options.text_column,
                label_column=options.label_column,
                encoding=options.encoding,
            )
            splits = dict.fromkeys(split for split, _ in found)
            if set(splits) - {"train", name}:
                raise DataError(
                    f"{file} holds rows of {' and '.join(splits)}; read it by itself, or split it into one file for each"
                )
            tables.extend((name, table) for _, table in found)
    parts, notes = rows_of(tables)
    options.notes.extend(notes)
    return parts


def split_files(folder: Path | Traversable, shown: str) -> dict[str, list[Path | Traversable]]:
    """The folder's data files by split, in the order of their names.

    Raises:
        DataError: if there is none for train, or two kinds for one split.
    """
    entries = sorted(folder.iterdir(), key=lambda entry: entry.name)
    files = dict[str, list[Path | Traversable]]()
    for entry in entries:
        stem, suffix = stem_and_suffix(entry.name)
        name = split_named(SHARD.sub("", stem))
        if name is not None and suffix in SUFFIXES and entry.is_file():
            files.setdefault(name, []).append(entry)
    for name, found in files.items():
        whole = [entry.name for entry in found if not SHARD.search(stem_and_suffix(entry.name)[0])]
        if whole and len(found) > 1:
            raise DataError(f"{shown} has {' and '.join(e.name for e in found)} for the split {name}; keep one of them")
    if "train" not in files:
        there = ", ".join(entry.name for entry in entries[:8]) or "nothing"
        raise DataError(
            f"{shown} has no file for the split train: expected train.csv (or {', '.join(SUFFIXES[1:])}) and, if you "
            f"have them, val and test beside it; found {there}"
        )
    return files


SAMPLE = "sample"

HUB_ID = re.compile(r"\w[\w.-]*/\w[\w.-]*(@[\w./-]+)?(:.+)?")

KINDS = (
    f"`{SAMPLE}` (the built-in data), a {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]} file, gzipped or not, a folder with train.csv "
    "and optionally val.csv and test.csv, or a Hub id such as clinc/clinc_oos:plus"
)


def load_dataset(
    source: str | Path,
    *,
    text_column: str | None = None,
    label_column: str | None = None,
    oos_label: str | None = None,
    encoding: str | None = None,
    rare: Rare = "keep",
    seed: int = 0,
) -> Dataset:
    """Read, check and complete labelled texts.

    Args:
        source: the word `sample`, a CSV, TSV, JSONL, JSON, Parquet or spreadsheet file, gzipped or not, a folder
            of split files, or a Hub id with its configuration (`clinc/clinc_oos:plus`). Local paths take precedence
            over Hub ids.
        text_column: column with the texts. Detected by default.
        label_column: column with the labels. Detected by default.
        oos_label: label of out-of-scope texts. Detected by its name (`oos`, `out_of_scope`, ...) by default.
        encoding: encoding of text files. Detected by default.
        rare: what to do with labels that have a single text when splits are made: `keep` them in train, or `drop` them.
        seed: random seed of the splits that are made if the source lacks them.

    Returns:
        A data set with the splits train, val and test, none of them empty. Every label is in train, except possibly the
        out-of-scope label.

    Raises:
        DataError: if the texts cannot be used. The message names the file, the row and what to do.
        MissingExtraError: if the library that reads the file is not installed. The message has the install command.

    Warns:
        DataWarning: about anything that was left out, or that biases the figures.
    """
    options = ReadOptions(text_column=text_column, label_column=label_column, encoding=encoding)
    parts = _read(source, options)
    given = {
        "text_column": text_column,
        "label_column": label_column,
        "oos_label": oos_label,
        "encoding": encoding,
        "rare": None if rare == "keep" else rare,
        "seed": seed or None,
    }
    reading = {name: value for name, value in given.items() if value is not None}
    dataset = assemble(str(source), parts, oos_label=oos_label, rare=rare, seed=seed)
    return replace(dataset, reading=reading, notes=tuple(options.notes))


def _read(source: str | Path, options: ReadOptions) -> dict[str, list[Row]]:
    """Rows by split from whatever the source is."""
    path, shown = _place(source), str(source)
    if source == SAMPLE:
        return read_folder(files("packlight").joinpath("data", "sample"), SAMPLE, options)
    try:
        if path.is_dir():
            return read_folder(path, shown, options)
        if path.exists():
            return read_file(shown, path.read_bytes(), **vars(options))
    except OSError as error:
        raise DataError(f"{shown} cannot be read ({error.strerror}); check its permissions") from error
    if isinstance(source, str) and HUB_ID.fullmatch(source) and path.suffix.lower() not in {*SUFFIXES, GZIP}:
        return _read_hub(source, options)
    raise DataError(f"there is no {shown}: expected {KINDS}")


def _place(source: str | Path) -> Path:
    """The source as a path, with `~` and `~name` expanded."""
    try:
        return Path(source).expanduser()
    except RuntimeError as error:
        raise DataError(f"there is no {source}: unknown user; write the full path") from error
    except TypeError as error:
        kind = type(source).__name__
        raise DataError(f"expected a path, got a {kind}; packlight.data.as_dataset takes texts in memory") from error


def _read_hub(reference: str, options: ReadOptions) -> dict[str, list[Row]]:
    """Rows by split from the Hub. Splits other than train, val and test are skipped with a warning."""
    from packlight.data.hub_dataset import read_hub  # (the Hub's client is slow to import)

    try:
        found = read_hub(reference, text_column=options.text_column, label_column=options.label_column)
    except DataError as error:
        raise DataError(f"{error} (and there is no file or folder {reference!r} here)") from error
    parts = dict[str, list[Row]]()
    for name, rows in found.items():
        split = split_named(name)
        if split is None:
            warn(f"{reference}: the split {name!r} ({len(rows)} rows) is neither train, val nor test, and is not used")
        else:
            parts.setdefault(split, []).extend(rows)
    return parts
