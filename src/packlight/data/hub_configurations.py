"""Assign the files of a Hub repository to configurations and splits.

The data set's card defines them in its YAML (https://huggingface.co/docs/hub/datasets-manual-configuration):

    configs:
    - config_name: plus
      data_files:
      - split: train
        path: plus/train-*

Without it, the names of folders and files decide: `plus/train-00000-of-00001.parquet`, `plus/test/0000.parquet`,
`data/validation.csv`, `train.jsonl`.

If a split has files of several formats, one format is read, as on the Hub, because the others hold the same rows.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from pathlib import PurePosixPath
from typing import Any

from packlight.data.dataset import split_named
from packlight.data.diagnostics import MAX_SHOWN
from packlight.data.formats import SUFFIXES

DEFAULT = "default"
SHARED_FOLDER = "data"
METADATA = frozenset({"config.json", "dataset_dict.json", "dataset_info.json", "dataset_infos.json"})

FORMATS = (".parquet", ".jsonl", ".csv")
"""the formats that are preferred if several have as many files, as on the Hub"""
SAME_FORMAT = {".ndjson": ".jsonl", ".json": ".jsonl", ".tsv": ".csv"}
"""suffixes that the Hub reads as one format, after those that are preferred to them"""

SHARD = re.compile(r"(?P<start>.*-)(?P<number>\d{1,9})-of-(?P<total>\d{1,9})(?P<end>\.\w+)")

Splits = Mapping[str, Sequence[str]]
"""File names by split, with the repository's names for splits."""


def configurations(card: Mapping[str, Any], files: Iterable[str], *, keep_empty: bool = False) -> dict[str, Splits]:
    """Every configuration with its splits and their files, by the card or by names.

    Args:
        card: the YAML of the card.
        files: the names of the repository's files, or of those in the cache.
        keep_empty: whether to include configurations without files, such as those that the cache doesn't have.

    Raises:
        ValueError: if the card's `configs` don't have the documented structure.
    """
    data = sorted(name for name in files if _is_data(name))
    if declared := card.get("configs"):
        found = {_name(entry): _declared(entry, data) for entry in _as_list(declared)}
    else:
        found = {name: _by_names(group) for name, group in _groups(data).items()}
    return {name: splits for name, splits in found.items() if splits or keep_empty}


def unmatched(card: Mapping[str, Any], files: Iterable[str], configuration: str) -> dict[str, list[str]]:
    """The patterns of a configuration in the card that match no data file, by split."""
    data = sorted(name for name in files if _is_data(name))
    found: dict[str, list[str]] = {}
    for entry in _as_list(card.get("configs") or []):
        if _name(entry) == configuration:
            patterns = _patterns(entry) or {"train": [f"{_folder(entry)}**"]}
            for split, listed in patterns.items():
                if absent := [each for each in listed if not any(matches(each, name) for name in data)]:
                    found[split] = absent
    return found


def missing_shards(names: Iterable[str]) -> list[str]:
    """The first few shards that are missing between those with names such as `train-00000-of-00002.parquet`."""
    shards: dict[tuple[str, str, str], set[int]] = {}
    for name in names:
        if match := SHARD.fullmatch(name):
            shards.setdefault((match["start"], match["total"], match["end"]), set()).add(int(match["number"]))
    return [
        f"{start}{number:0{len(total)}}-of-{total}{end}"
        for (start, total, end), there in shards.items()
        if len(there) < int(total)
        for number in islice((each for each in range(int(total)) if each not in there), MAX_SHOWN)
    ]


def one_format(splits: Splits) -> Splits:
    """The files of one format for each split: the format of most files, or in a draw Parquet, then JSON, then CSV.

    Of files whose names differ only in suffixes of one format, such as `train.jsonl` and `train.json`, one is kept.
    """
    counts = Counter(_format(name) for names in splits.values() for name in names)
    order = sorted(counts, key=lambda each: (-counts[each], _rank(each), each))
    return {split: _without_copies(_of_first_format(names, order)) for split, names in splits.items()}


def default_configuration(card: Mapping[str, Any], names: Iterable[str]) -> str | None:
    """The default configuration: the only one, the card's default, or the one named `default`."""
    names = list(names)
    marked = [_name(entry) for entry in _as_list(card.get("configs") or []) if entry.get("default") is True]
    for candidate in (*marked, DEFAULT):
        if candidate in names:
            return candidate
    return names[0] if len(names) == 1 else None


def class_names(card: Mapping[str, Any], configuration: str) -> dict[str, list[str]]:
    """Class names by column, from the card's `dataset_info`; empty if there are none."""
    for info in _as_list(card.get("dataset_info") or []):
        if isinstance(info, dict) and info.get("config_name", DEFAULT) == configuration:
            return {
                feature["name"]: names
                for feature in info.get("features") or ()
                if isinstance(feature, dict) and (names := _label_names(feature.get("dtype")))
            }
    return {}


def matches(pattern: str, name: str) -> bool:
    """Whether a file matches a card's pattern. `*` doesn't cross folders, `**` does."""
    return re.fullmatch("".join(map(_regex, _TOKENS.findall(pattern))), name) is not None


_TOKENS = re.compile(r"\*\*/|\*\*|\*|\?|\[!?[^\]]+\]|.", re.DOTALL)


def _regex(token: str) -> str:
    wild = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    if token in wild:
        return wild[token]
    if len(token) > 1:
        return token.replace("[!", "[^", 1)
    return re.escape(token)


def _declared(entry: Mapping[str, Any], data: Sequence[str]) -> Splits:
    """The splits of an entry of `configs`, whose `data_files` is a pattern, a list, or a list with splits."""
    folder = _folder(entry)
    inside = [name for name in data if name.startswith(folder)]
    patterns = _patterns(entry)
    if patterns is None:
        return _by_names(inside)
    found = {
        split: [name for name in inside if any(matches(each, name) for each in listed)]
        for split, listed in patterns.items()
    }
    return {split: names for split, names in found.items() if names}


def _folder(entry: Mapping[str, Any]) -> str:
    """The folder of an entry's files, with a slash at its end; empty for the whole repository."""
    folder = str(entry.get("data_dir") or "").strip("./")
    return f"{folder}/" if folder else ""


def _patterns(entry: Mapping[str, Any]) -> dict[str, list[str]] | None:
    """The patterns of an entry's files by split, from the repository's root; None if names decide."""
    given = entry.get("data_files")
    if given is None:
        return None
    by_split: dict[str, list[str]] = {}
    if isinstance(given, dict):
        by_split = {str(split): _as_list(paths) for split, paths in given.items()}
    else:
        for item in _as_list(given):
            split, paths = (item["split"], item["path"]) if isinstance(item, dict) else ("train", item)
            by_split.setdefault(str(split), []).extend(_as_list(paths))
    return {
        split: [_folder(entry) + str(path).removeprefix("./") for path in paths] for split, paths in by_split.items()
    }


def _groups(data: Sequence[str]) -> dict[str, list[str]]:
    """Files by configuration: the top folder, unless that only stands for data or a split."""
    groups: dict[str, list[str]] = {}
    for name in data:
        top, *below = PurePosixPath(name).parts
        plain = not below or top == SHARED_FOLDER or _split_of_part(top) is not None
        groups.setdefault(DEFAULT if plain else top, []).append(name)
    return groups


def _by_names(group: Sequence[str]) -> Splits:
    """Files by the split in their name or a folder's name. If no name has a split, all are train."""
    splits: dict[str, list[str]] = {}
    for name in group:
        named = next(filter(None, map(_split_of_part, reversed(PurePosixPath(name).parts))), None)
        if named is not None:
            splits.setdefault(named, []).append(name)
    return splits or ({"train": list(group)} if group else {})


def _split_of_part(part: str) -> str | None:
    """The split among the words of a file or folder name: test for `clinc_oos-test.parquet`."""
    return next(filter(None, map(split_named, re.split(r"[-._ 0-9]+", part))), None)


def _of_first_format(names: Sequence[str], order: Sequence[str]) -> list[str]:
    """The files of the first format that there are any of."""
    chosen = next((each for each in order if each in set(map(_format, names))), None)
    return [name for name in names if _format(name) == chosen]


def _without_copies(names: Sequence[str]) -> list[str]:
    """The files without those whose name has another suffix in a preferred file."""
    best: dict[PurePosixPath, str] = {}
    for name in sorted(names, key=lambda name: _rank(_suffix(name))):
        best.setdefault(PurePosixPath(name).with_suffix(""), name)
    return [name for name in names if best[PurePosixPath(name).with_suffix("")] == name]


def _format(name: str) -> str:
    """The preferred suffix of a file's format."""
    return SAME_FORMAT.get(_suffix(name), _suffix(name))


def _rank(suffix: str) -> int:
    order = (*FORMATS, *SAME_FORMAT)
    return order.index(suffix) if suffix in order else len(order)


def _suffix(name: str) -> str:
    return PurePosixPath(name).suffix.lower()


def _is_data(name: str) -> bool:
    path = PurePosixPath(name)
    hidden = any(part.startswith((".", "__")) for part in path.parts)
    return path.suffix.lower() in SUFFIXES and path.name not in METADATA and not hidden


def _name(entry: Any) -> str:
    if not isinstance(entry, dict) or "config_name" not in entry:
        raise ValueError(f"an entry of configs has no config_name: {entry!r}")
    return str(entry["config_name"])


def _label_names(dtype: Any) -> list[str]:
    label = dtype.get("class_label") if isinstance(dtype, dict) else None
    names = label.get("names") if isinstance(label, dict) else None
    if isinstance(names, dict):
        return [str(names[key]) for key in sorted(names, key=int)]
    return [str(name) for name in names or ()]


def _as_list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]
