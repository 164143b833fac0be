"""Files and folders that are written atomically, and the hashes that verify them."""

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
"""what msgspec raises of a file that is not what was written"""
DRAFT = ".draft"
FORMER = ".former"
RANDOM = "?" * 8
"""what tempfile puts between a prefix and a suffix"""


def cache_folder() -> Path:
    """Where packlight keeps what it can make again: `PACKLIGHT_CACHE`, or `packlight` in the user's cache folder.

    A user without a home, as in some containers, has a folder for as long as the process lives. Where nothing can be
    written, the path leads nowhere, and nothing is kept.
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
    """Write a file so that a reader, or a crash, sees the old content or the new, never a part."""
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
    """Give an empty sibling folder to fill; it takes the place of `path` when the block succeeds.

    On any exception the sibling is removed and `path` stays as it was. A folder cannot be exchanged for another in
    one act, so a crash at the very end can leave none; what was there before then lies beside it until `sweep`.
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
    """Remove what killed processes left half-written in a folder; nobody else may be writing there.

    Args:
        folder: where `atomic_write` and `atomic_folder` wrote; its subfolders are not looked at.
        name: of the file or folder that was written; by default any.
    """
    for suffix in (DRAFT, FORMER):
        for left in folder.glob(f".{escape(name) if name else '*'}.{RANDOM}{suffix}"):
            if left.is_dir():
                shutil.rmtree(left, ignore_errors=True)
            else:
                with suppress(OSError):
                    left.unlink()
