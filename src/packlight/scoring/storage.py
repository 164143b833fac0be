"""Find and open input files: local paths, and URLs that pyarrow or fsspec reads."""

import glob
import re
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
from pyarrow import fs

from packlight.errors import DataError

URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
SEPARATOR = "://"
HIDDEN = ("_", ".")


class Found(NamedTuple):
    """An input file."""

    location: str
    """path or URL"""
    name: str
    """relative to the folder that was given, or that the pattern begins in, with `/`"""
    root: str
    """that folder"""
    size: int
    """bytes"""
    modified: int
    """nanoseconds since 1970; 0 if the file system doesn't record it"""
    listed: bool
    """whether it was found in a folder, rather than named or matched"""


def find(given: str) -> list[Found]:
    """The files that a path, pattern or URL refers to, sorted by name; all files below a folder.

    Names that begin with `_` or `.` are skipped, as by other readers of data lakes, unless you name them.

    Raises:
        DataError: if there are none, or they can't be listed.
    """
    system, path, head = _split(given)
    try:
        info = system.get_file_info(path)
        if info.type == fs.FileType.File:
            return [_found(head, info, path.rpartition("/")[0], listed=False)]
        if info.type == fs.FileType.Directory:
            root, chosen = path.rstrip("/"), [each for each in _below(system, path) if not _hidden(each.path, path)]
            files = [_found(head, each, root, listed=True) for each in chosen]
        elif glob.has_magic(path):
            root = _fixed_part(path)
            below = _below(system, root) if system.get_file_info(root).type == fs.FileType.Directory else []
            files = [_found(head, each, root, listed=False) for each in below if _matches(each.path, path)]
        else:
            raise DataError(f"{given}: no such file or folder")
    except (OSError, pa.ArrowException, ImportError) as error:
        raise DataError(f"{given}: can't be listed ({error})") from error
    if not files:
        raise DataError(f"{given}: no files found")
    return sorted(files)


def open_random(location: str) -> Any:
    """Open a file for random access.

    Raises:
        DataError: if it can't be opened.
    """
    system, path, _ = _split(location)
    try:
        if isinstance(system, fs.LocalFileSystem):
            return pa.memory_map(path) if Path(path).stat().st_size else pa.BufferReader(b"")
        return system.open_input_file(path)
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"{location}: can't be read ({error})") from error


def open_stream(location: str, packing: str | None) -> Any:
    """Open a file for reading from the start, decompressed.

    Raises:
        DataError: if it can't be opened.
    """
    stream = open_random(location)
    return stream if packing is None else pa.CompressedInputStream(stream, packing)


def _split(location: str) -> tuple[Any, str, str]:
    """The file system, the path in it, and the prefix of its URLs."""
    if not URL.match(location):
        return _local(), str(Path(location).absolute()), ""
    scheme, _, rest = location.partition(SEPARATOR)
    authority = rest.partition("/")[0]
    system, path = _remote(location.partition("?")[0] if not glob.has_magic(location) else location, scheme, authority)
    place = rest.find(path.lstrip("/")) if path.strip("/") else len(rest)
    return system, path, f"{scheme}{SEPARATOR}{rest[:place]}" if place >= 0 else ""


@cache
def _local() -> Any:
    return fs.LocalFileSystem()


def _remote(location: str, scheme: str, authority: str) -> tuple[Any, str]:
    try:
        system = _pyarrow_system(scheme, authority)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return _by_fsspec(location)
    _, path = fs.FileSystem.from_uri(location)
    return system, path


@cache
def _pyarrow_system(scheme: str, authority: str) -> Any:
    return fs.FileSystem.from_uri(f"{scheme}{SEPARATOR}{authority}/")[0]


def _by_fsspec(location: str) -> tuple[Any, str]:
    try:
        import fsspec

        system, path = fsspec.core.url_to_fs(location)
    except (ImportError, ValueError) as error:
        raise DataError(f"{location}: neither pyarrow nor fsspec can open it ({error})") from error
    return fs.PyFileSystem(fs.FSSpecHandler(system)), path


def _below(system: Any, folder: str) -> list[Any]:
    found = system.get_file_info(fs.FileSelector(folder, recursive=True))
    return [each for each in found if each.type == fs.FileType.File]


def _found(head: str, info: Any, root: str, *, listed: bool) -> Found:
    name = info.path[len(root) :].lstrip("/")
    place, folder = (f"{head}{path.lstrip('/')}" if head else path for path in (info.path, root))
    return Found(place, name, folder, int(info.size or 0), int(info.mtime_ns or 0), listed)


def _hidden(path: str, folder: str) -> bool:
    return any(part.startswith(HIDDEN) for part in path[len(folder.rstrip("/")) :].split("/"))


def _fixed_part(pattern: str) -> str:
    """The folder that a pattern starts from."""
    parts = pattern.split("/")
    first = next(place for place, part in enumerate(parts) if glob.has_magic(part))
    return "/".join(parts[:first]) or "/"


def _matches(path: str, pattern: str) -> bool:
    return _parts_match(path.split("/"), pattern.split("/"))


def _parts_match(parts: list[str], pattern: list[str]) -> bool:
    """Whether a path's parts match a pattern's. `**` stands for any number of folders."""
    if not pattern:
        return not parts
    if pattern[0] == "**":
        deeper = bool(parts) and not parts[0].startswith(HIDDEN) and _parts_match(parts[1:], pattern)
        return deeper or _parts_match(parts, pattern[1:])
    if not parts or (parts[0].startswith(HIDDEN) and not pattern[0].startswith(HIDDEN)):
        return False
    return fnmatchcase(parts[0], pattern[0]) and _parts_match(parts[1:], pattern[1:])
