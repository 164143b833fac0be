"""Labelled texts from the Hugging Face Hub: `org/name`, `org/name:configuration`, `org/name@revision:configuration`.

Only data files of the one configuration are read. A data set's loading script never runs. For data sets with scripts,
the Hub keeps a Parquet copy in the branch `refs/convert/parquet`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from packlight import hub
from packlight.data.columns import rows_by_split
from packlight.data.dataset import split_named
from packlight.data.diagnostics import MAX_SHOWN, warn
from packlight.data.formats import READERS
from packlight.data.hub_configurations import (
    Splits,
    class_names,
    configurations,
    default_configuration,
    missing_shards,
    one_format,
    unmatched,
)
from packlight.data.labelled import Labelled, labelled, rows_of
from packlight.data.table import Row, Table
from packlight.errors import DataError

CARD = "README.md"
CONVERTED = "refs/convert/parquet"


@dataclass(frozen=True)
class _Source:
    """A repository and its data files."""

    snapshot: hub.Snapshot
    card: Mapping[str, Any]
    configurations: Mapping[str, Splits]


def read_hub(
    reference: str, *, text_column: str | None = None, label_column: str | None = None
) -> dict[str, list[Row]]:
    """Rows by split (`train`, `val`, `test`) of one configuration of a data set on the Hub.

    Class labels stored as integers become names, by the Parquet file's own metadata or else by the card. If all files are
    train, their column `split` divides them, as it does a local file.

    Args:
        reference: `org/name`, with `:configuration` if there are several, and optionally `@revision`.
        text_column: the column of the texts. Detected by default.
        label_column: the column of the labels. Detected by default.

    Raises:
        DataError: if the data set or the configuration does not exist (the message lists those that do), if it cannot
            be downloaded, if only a part of it is in the local cache and the Hub cannot be reached, if only its own code can read it, or if a column `split` contradicts the splits of its files.
        MissingExtraError: if it is Parquet and pyarrow is not installed.
    """
    identifier, _, configuration = reference.partition(":")
    parsed = hub.parse_id(identifier)
    if parsed is None:
        raise DataError(f"{reference}: not a Hub id; write org/name or org/name:configuration")
    try:
        source = _open(reference, *parsed)
        chosen = _choose(reference, source, configuration)
        return _read(source, chosen, text_column, label_column)
    except hub.HubUnavailableError as error:
        raise DataError(f"{reference}: {error}") from error


def _open(reference: str, repo: str, revision: str | None) -> _Source:
    """The repository's data files, or the Hub's Parquet copy if there is a loading script."""
    source = _inspect(reference, hub.look_up(repo, kind="dataset", revision=revision))
    scripted = f"{PurePosixPath(repo).name}.py" in source.snapshot.files and not source.card.get("configs")
    if source.configurations and not scripted:
        return source
    if not scripted:
        raise DataError(f"{reference}: no Parquet, CSV or JSONL files; export it as one of these")
    if revision is not None:
        raise DataError(_refusal(reference, f"the Hub's Parquet copy is of its main branch; use {repo}@{CONVERTED}"))
    try:
        converted = _inspect(reference, hub.look_up(repo, kind="dataset", revision=CONVERTED))
    except hub.HubUnavailableError as error:
        raise DataError(_refusal(reference, f"the Hub's Parquet copy is not available: {error}")) from error
    # the copy has no card, so the names of labels can only be in the card of the main branch
    return replace(converted, card=source.card)


def _refusal(reference: str, remedy: str) -> str:
    return f"{reference}: it comes as a loading script, and packlight does not run a data set's own code; {remedy}"


def _inspect(reference: str, snapshot: hub.Snapshot) -> _Source:
    card: Mapping[str, Any] = {}
    try:
        if CARD in snapshot.files:
            card = _card(hub.download(snapshot, [CARD]) / CARD)
        return _Source(snapshot, card, configurations(card, snapshot.files, keep_empty=not snapshot.online))
    except (ValueError, TypeError, KeyError) as error:
        raise DataError(
            f"{reference}: the YAML of its card ({CARD}) cannot be used ({error}); download its files and give the folder"
        ) from error


def _card(path: Path) -> Mapping[str, Any]:
    import yaml  # (only a card needs it)
    from huggingface_hub import DatasetCard  # (slow to import)

    try:
        data: Mapping[str, Any] = DatasetCard.load(path).data.to_dict()
    except yaml.YAMLError as error:
        raise ValueError(" ".join(str(error).split())) from error
    return data


def _choose(reference: str, source: _Source, configuration: str) -> str:
    chosen = configuration or default_configuration(source.card, source.configurations)
    names = ", ".join(sorted(source.configurations))
    if chosen is None:
        raise DataError(
            f"{reference}: has several configurations; choose {source.snapshot.repo}:NAME with one of {names}"
        )
    if chosen not in source.configurations:
        raise DataError(f"{reference}: has no configuration {chosen!r}; there are: {names}")
    return chosen


def _read(
    source: _Source, configuration: str, text_column: str | None, label_column: str | None
) -> dict[str, list[Row]]:
    splits = _known_splits(source, configuration)
    wanted = [name for names in splits.values() for name in names]
    folder = hub.download(source.snapshot, wanted)
    labels = class_names(source.card, configuration)
    read: list[tuple[str, Labelled]] = []
    for split, names in splits.items():
        for name in names:
            shown = f"{source.snapshot.repo}/{name}"
            found = _by_split(_tables(shown, folder / name), divided="split" not in {text_column, label_column})
            if set(splits) != {"train"}:
                _refuse_other_splits(shown, split, [part for part, _ in found])
            for part, table in found:
                one = labelled(table, text_column=text_column, label_column=label_column, names=labels)
                read.append((part if set(splits) == {"train"} else split, one))
    return rows_of(read)[0]


def _known_splits(source: _Source, configuration: str) -> Splits:
    """The files of train, val and test in one format. Others are not downloaded, and a warning names them.

    Raises:
        DataError: if there are none for train, or if the local cache is used and lacks some.
    """
    place = f"{source.snapshot.repo}:{configuration}"
    _check_declared(place, source, configuration)
    splits: dict[str, list[str]] = {}
    for name, files in source.configurations[configuration].items():
        split = split_named(name)
        if split is None:
            warn(f"{place}: its split {name!r} is neither train, val nor test, and is not used")
        else:
            splits.setdefault(split, []).extend(files)
    if "train" not in splits:
        raise DataError(
            f"{place}: has no train split, only "
            f"{', '.join(source.configurations[configuration])}; download its files and give the folder"
        )
    if not source.snapshot.online:
        _refuse_missing(place, missing_shards(name for names in splits.values() for name in names))
    chosen = one_format(splits)
    read = {name for names in chosen.values() for name in names}
    if left := [name for names in splits.values() for name in names if name not in read]:
        warn(
            f"{place}: has files of several formats for one split; read {_listed(sorted(read))}, "
            f"not {_listed(left)}; to read those, download them and give their folder"
        )
    return chosen


def _check_declared(place: str, source: _Source, configuration: str) -> None:
    """Check that there are files for the splits that the card declares: all in the cache, or all on the Hub.

    Raises:
        DataError: if the local cache is used and lacks some.

    Warns:
        DataWarning: if the repository lacks some.
    """
    absent = unmatched(source.card, source.snapshot.files, configuration)
    used = [f"{each} (split {split})" for split, found in absent.items() if split_named(split) for each in found]
    if not source.snapshot.online:
        _refuse_missing(place, used)
    elif used:
        warn(
            f"{place}: its card declares {_listed(used)}, but the repository has no such Parquet, CSV or JSONL file; a "
            "split without files is made from train"
        )


def _refuse_missing(place: str, missing: Sequence[str]) -> None:
    """Refuse a data set of which the local cache has only a part.

    Raises:
        DataError: if anything is missing.
    """
    if missing:
        raise DataError(
            f"{place}: the Hub cannot be reached, and its local cache lacks {_listed(missing)}; rerun the command once with "
            "a connection (and without HF_HUB_OFFLINE) to download what is missing"
        )


def _listed(names: Sequence[str]) -> str:
    """Names for a message: the first few, and how many more."""
    more = f" and {len(names) - MAX_SHOWN} more" if len(names) > MAX_SHOWN else ""
    return f"{', '.join(names[:MAX_SHOWN])}{more}"


def _tables(shown: str, file: Path) -> dict[str, Table]:
    """The tables of a file by its own names for splits; all rows are train if it has none."""
    data = file.read_bytes()
    suffix = file.suffix.lower()
    if suffix == ".json" and data.lstrip()[:1] != b"[":  # on the Hub, one record per line, or a list of records
        suffix = ".jsonl"
    found = READERS[suffix](shown, data, None)
    return {"train": found} if isinstance(found, Table) else found


def _by_split(tables: Mapping[str, Table], *, divided: bool) -> list[tuple[str, Table]]:
    """The tables with their splits: of a single table, the parts by its column `split`, if it is to be divided."""
    if divided and set(tables) == {"train"}:
        tables = rows_by_split(tables["train"])
    return [(split_named(name) or name, table) for name, table in tables.items()]


def _refuse_other_splits(shown: str, split: str, found: Sequence[str]) -> None:
    """Refuse a file of one split that holds rows of another.

    Raises:
        DataError: if it does.
    """
    if set(found) - {"train", split}:
        raise DataError(
            f"{shown} is a file of the split {split}, but holds rows of {' and '.join(found)}; download it and read it by "
            "itself, or split it into one file for each"
        )
