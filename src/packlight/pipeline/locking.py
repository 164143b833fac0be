"""Lock a folder for one process, and remove what a killed process left."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from packlight.errors import PacklightError
from packlight.files import remove_stale_temp
from packlight.locks import try_lock

LOCK = ".lock"
WRITTEN_IN = ("variants", "variants/*", "raw", "work", "work/*")
"""places below a run's folder where a killed process can leave partial files"""


@contextmanager
def lock_run(out: Path) -> Iterator[None]:
    """Lock a run's folder, and remove what a killed run left.

    Raises:
        PacklightError: if it is locked by another process, or if it cannot be written.
    """
    with _locked(out, out):
        for folder in (out, *(each for pattern in WRITTEN_IN for each in out.glob(pattern) if each.is_dir())):
            remove_stale_temp(folder)
        yield


@contextmanager
def lock_artifact(artifact: Path) -> Iterator[Path]:
    """Lock the place of one artifact, and yield a hidden work folder next to it.

    A killed process leaves it for resuming.

    Raises:
        PacklightError: if another process is building the same artifact, or if its place cannot be written.
    """
    work = artifact.parent / f".{artifact.name}.work"
    with _locked(work, artifact):
        remove_stale_temp(artifact.parent, artifact.name)
        remove_stale_temp(work)
        try:
            yield work
        finally:
            if work.is_dir() and [path.name for path in work.iterdir()] == [LOCK]:
                shutil.rmtree(work, ignore_errors=True)  # Windows cannot remove an open file


@contextmanager
def _locked(folder: Path, out: Path) -> Iterator[None]:
    with _lock_file(folder, out) as lock:
        if not (try_lock(lock) and _still_there(lock, folder / LOCK)):
            raise PacklightError(f"{out}: locked by another process; wait for it, or give another --out")
        yield


def _still_there(lock: TextIO, path: Path) -> bool:
    """Whether the locked file is still the one at the path. Its previous holder may have removed the folder."""
    try:
        return os.fstat(lock.fileno()).st_ino == path.stat().st_ino
    except OSError:
        return False


def _lock_file(folder: Path, out: Path) -> TextIO:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return (folder / LOCK).open("a")  # opened for writing, it could not be truncated while another process locks it
    except OSError as error:
        raise PacklightError(f"{out}: cannot be written to ({error.strerror}); give another --out") from error
