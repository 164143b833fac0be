"""The record of what packlight wrote to a folder, so that a later call replaces nothing else."""

from collections.abc import Collection, Iterator, Mapping
from hashlib import sha256
from pathlib import Path

import msgspec

from packlight.errors import PacklightError
from packlight.files import DAMAGED_JSON, atomic_write, sha256_of

RECORD = ".packlight-deploy.json"
SHOWN = 3


def hash_of(content: str | bytes) -> str:
    """Hex sha256 of a file's content."""
    return sha256(content.encode() if isinstance(content, str) else content).hexdigest()


def check_unchanged(out: Path, hashes: Mapping[str, str], folder: str) -> None:
    """Check that every file that would be replaced is as packlight wrote it last, or as it would write it now.

    Args:
        out: the folder of the deployment.
        hashes: hex sha256 of the files to write, by their path in `out`.
        folder: path in `out` of a folder that is replaced, with everything in it.

    Raises:
        PacklightError: if there is another file. The message names it.
    """
    written = _read(out)
    others = [
        name
        for name in _existing(out, hashes, folder)
        if _hash(out / name) not in (hashes.get(name), written.get(name))
    ]
    if others:
        names = ", ".join(others[:SHOWN]) + f" and {len(others) - SHOWN} more" * (len(others) > SHOWN)
        them = "it" if len(others) == 1 else "them"
        raise PacklightError(
            f"{out}: {names} would be replaced, but packlight did not write {them}, or you have changed {them} since; "
            f"move {them} away, or give another --out"
        )


def write_record(out: Path, hashes: Mapping[str, str]) -> None:
    """Record the files that were written: their hashes by their path in `out`."""
    atomic_write(out / RECORD, msgspec.json.format(msgspec.json.encode(hashes), indent=1))


def _existing(out: Path, names: Collection[str], folder: str) -> Iterator[str]:
    yield from (name for name in names if (out / name).exists())
    inside = (path.relative_to(out).as_posix() for path in sorted((out / folder).rglob("*")) if not path.is_dir())
    yield from (name for name in inside if name not in names)


def _hash(path: Path) -> str | None:
    return sha256_of(path) if path.is_file() else None


def _read(out: Path) -> dict[str, str]:
    """The recorded hashes; none if the record is missing or damaged, so that every file counts as changed."""
    try:
        return msgspec.json.decode((out / RECORD).read_bytes(), type=dict[str, str])
    except (OSError, *DAMAGED_JSON):
        return {}
