"""What identifies a folder's search, in `work/search.json`. Other texts or another teacher need another folder."""

from pathlib import Path

import msgspec

from packlight.errors import PacklightError
from packlight.files import DAMAGED_JSON, atomic_write
from packlight.search.locks import as_one


class Metadata(msgspec.Struct, frozen=True, kw_only=True):
    """What all trials in a folder have in common."""

    data: str
    """content hash"""
    seed: int
    threads: int
    teacher: str | None = None
    """fingerprint; None until it is known"""
    abstain: float = 0.0
    """in-scope accuracy that each trial's variant gives up by abstaining"""


def check(out: Path, about: Metadata) -> None:
    """Compare a new search with the folder's, if it has one.

    Raises:
        PacklightError: if the folder has a different search, or doesn't describe it.
    """
    with as_one(out):
        _compare(out, about)


def record(out: Path, about: Metadata) -> None:
    """Compare as `check` does, and record the search if the folder has none.

    Raises:
        PacklightError: as `check` does.
    """
    with as_one(out):
        if not _compare(out, about):
            atomic_write(_file(out), msgspec.json.encode(about))


def _compare(out: Path, about: Metadata) -> bool:
    """Whether the folder has a search, which then is the same."""
    known = _read(out)
    if known is None:
        return False
    for name in about.__struct_fields__:
        then, now = getattr(known, name), getattr(about, name)
        if now is not None and now != then:
            raise PacklightError(
                f"{out}: contains a search with another {name} ({then}, now {now}); use the same one, or another --out"
            )
    return True


def _read(out: Path) -> Metadata | None:
    file = _file(out)
    try:
        return msgspec.json.decode(file.read_bytes(), type=Metadata)
    except FileNotFoundError:
        return None
    except (OSError, *DAMAGED_JSON) as error:
        raise PacklightError(
            f"{file}: doesn't describe the search ({error}); give another --out, or remove the file if texts, "
            "teacher, --seed and --threads are those of the search"
        ) from error


def _file(out: Path) -> Path:
    return out / "work" / "search.json"
