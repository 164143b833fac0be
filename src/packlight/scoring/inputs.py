"""Find the input files, and divide them into fragments with the names of their outputs."""

from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import takewhile
from pathlib import PurePosixPath
from typing import NamedTuple

import msgspec

from packlight.errors import DataError
from packlight.scoring.formats import READERS, Reader
from packlight.scoring.settings import Fragment, JobOptions, Kind
from packlight.scoring.storage import Found, find

SUFFIXES: dict[str, Kind] = {
    ".parquet": "parquet",
    ".arrow": "arrow",
    ".feather": "arrow",
    ".ipc": "arrow",
    ".csv": "csv",
    ".tsv": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".txt": "lines",
}
PACKINGS = {".gz": "gzip", ".zst": "zstd"}
EXTENSIONS = {"parquet": "parquet", "csv": "csv", "jsonl": "jsonl"}
AT_ONCE = 16
"""number of files that are inspected at once"""


class InputFile(NamedTuple):
    """An input file of a known format."""

    found: Found
    kind: Kind
    packing: str | None

    @property
    def reader(self) -> Reader:
        """The reader of its format."""
        return READERS[self.kind]


def input_files(given: Sequence[str]) -> list[InputFile]:
    """Every input file, in the order of the arguments.

    Raises:
        DataError: if there are none, if a file is given twice, or if its format is unknown or differs from that of
        the others in its folder.
    """
    files: dict[str, InputFile] = {}
    for one in given:
        found = [(each, *_kind(each.name)) for each in find(one)]
        known = [InputFile(each, kind, packing) for each, kind, packing in found if kind is not None]
        unknown = [each for each, kind, _ in found if kind is None and not each.listed]
        if unknown or not known:
            name = (unknown or [each for each, *_ in found])[0].location
            raise DataError(
                f"{name}: unknown kind of file: expected one of {', '.join(SUFFIXES)}, compressed as {' or '.join(PACKINGS)} or not"
            )
        kinds = Counter(each.kind for each in known)
        if len(kinds) > 1:
            held = ", ".join(f"{number} {kind}" for kind, number in kinds.most_common())
            raise DataError(
                f"{one}: holds files of several kinds ({held}); give a pattern such as '{one}/**/*.parquet'"
            )
        for each in known:
            if each.found.location in files:
                raise DataError(f"{each.found.location}: given twice")
            files[each.found.location] = each
    return list(files.values())


def fragments_of(files: Sequence[InputFile], options: JobOptions) -> list[Fragment]:
    """The parts of the files, of about `rows_per_file` rows each, with the names of their outputs.

    Raises:
        DataError: if a file can't be read.
    """
    names = _output_names(files)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        parts = list(pool.map(lambda each: each.reader.cut(each.found, each.packing, options.rows_per_file), files))
    found: list[Fragment] = []
    for file, name, cut in zip(files, names, parts, strict=True):
        for number, part in enumerate(cut):
            found.append(
                Fragment(
                    file=file.found.location,
                    kind=file.kind,
                    packing=file.packing,  # type: ignore[arg-type] # one of PACKINGS
                    output=f"{name}-{number:05d}.{EXTENSIONS[options.format]}",
                    seed=len(found),
                    start=part.start,
                    stop=part.stop,
                    rows=part.rows,
                    likely_rows=part.likely_rows,
                )
            )
    return found if options.limit is None else _limited(found, options.limit)


def _kind(name: str) -> tuple[Kind | None, str | None]:
    path = PurePosixPath(name.lower())
    packing = PACKINGS.get(path.suffix)
    return SUFFIXES.get((path.with_suffix("") if packing else path).suffix), packing


def _output_names(files: Sequence[InputFile]) -> list[str]:
    """The output's name for each file: its path below the folder that all arguments have in common."""
    roots = [each.found.root.split("/") for each in files]
    shared = [parts[0] for parts in takewhile(lambda parts: len(set(parts)) == 1, zip(*roots, strict=False))]
    if not shared:
        raise DataError("the inputs are on several file systems; score them into a folder each")
    common = "/".join(shared)
    whole = [f"{each.found.root[len(common) :]}/{each.found.name}".lstrip("/") for each in files]
    stems = [_stem(name) for name in whole]
    taken = Counter(stems)
    return [stem if taken[stem] == 1 else name for stem, name in zip(stems, whole, strict=True)]


def _stem(name: str) -> str:
    path = PurePosixPath(name)
    if path.suffix.lower() in PACKINGS:
        path = path.with_suffix("")
    return str(path.with_suffix(""))


def _limited(fragments: Sequence[Fragment], limit: int) -> list[Fragment]:
    """The fragments with the first rows, up to a limit."""
    chosen, left = [], limit
    for fragment in fragments:
        if left <= 0:
            break
        rows = fragment.rows if fragment.rows is not None else READERS[fragment.kind].count(fragment, left)
        most = min(rows, left)
        chosen.append(msgspec.structs.replace(fragment, rows=most, likely_rows=most, most=most))
        left -= most
    return chosen
