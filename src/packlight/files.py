"""Write files and folders atomically, and hash them for verification."""

import atexit
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from glob import escape
from pathlib import Path

import msgspec

CHUNK = 1 << 20
DAMAGED_JSON = (msgspec.MsgspecError, UnicodeDecodeError)
"""what msgspec raises for a file with unexpected content"""
DRAFT = ".draft"
FORMER = ".former"
RANDOM = "?" * 8
"""what tempfile puts between a prefix and a suffix"""


def cache_folder() -> Path:
    """The cache folder: `PACKLIGHT_CACHE`, or `packlight` in the user's cache folder.

    A user without a home, as in some containers, gets a temporary folder that lasts as long as the process. If nothing
    can be written, the path does not exist and nothing is cached.
    """
    home = os.environ.get("PACKLIGHT_CACHE") or Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")) / "packlight"
    try:
        return Path(home).expanduser()
    except RuntimeError:
        return _passing_cache()


@cache
def _passing_cache() -> Path:
    try:
        folder = Path(tempfile.mkdtemp(prefix="packlight-cache-"))
    except OSError:
        return Path(os.devnull) / "packlight"
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def sha256_of(path: Path) -> str:
    """Hex sha256 of a file's bytes, read in chunks."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def atomic_write(path: Path, content: bytes | str) -> None:
    """Write a file so that readers see the old content or the new, never a part, even after a crash."""
    data = content.encode() if isinstance(content, str) else content
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=DRAFT, dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Yield an empty sibling folder to fill. It replaces `path` when the block succeeds.

    After an exception, the sibling is removed and `path` is unchanged. Folders cannot be exchanged in one operation, so
    a crash at the very end can leave no folder at `path`. The old one is then next to it, until the next clean-up.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=DRAFT, dir=path.parent))
    try:
        yield draft
        draft.chmod(0o755)
        if path.exists():
            old = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=FORMER, dir=path.parent))
            path.replace(old / path.name)
            try:
                draft.replace(path)
            except BaseException:
                (old / path.name).replace(path)
                old.rmdir()
                raise
            shutil.rmtree(old)
        else:
            draft.replace(path)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def remove_stale_temp(folder: Path, name: str | None = None) -> None:
    """Remove what killed processes left half-written in a folder. No other process may be writing there.

    Args:
        folder: where `atomic_write` and `atomic_folder` wrote. Subfolders are not searched.
        name: name of the file or folder that was written; any by default.
    """
    for suffix in (DRAFT, FORMER):
        for left in folder.glob(f".{escape(name) if name else '*'}.{RANDOM}{suffix}"):
            if left.is_dir():
                shutil.rmtree(left, ignore_errors=True)
            else:
                with suppress(OSError):
                    left.unlink()
