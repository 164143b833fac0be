"""Files on the Hugging Face Hub: listed in one quick attempt, downloaded by name, verified by hash.

Apart from `packlight push`, all of packlight's network access is in this file. It requests the commit and the file
names of a repository once, with a limit of a few seconds in total. If the Hub does not respond, the local cache is
used. Only files that are requested by name are downloaded, to that same cache, so other tools and later runs find them.

`huggingface_hub` is imported inside the functions: with its HTTP client it takes 0.2 s, which only commands that use
the Hub should spend.
"""

import glob
import hashlib
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, Literal, TypeVar

from packlight.files import sha256_of

T = TypeVar("T")
Kind = Literal["model", "dataset"]

PATIENCE = 5.0
"""Maximum seconds for a response from the Hub, including name resolution and connection."""
MAIN = "main"
CONVERTER = "SFconvertbot"
"""The Hub account that proposes safetensors conversions as pull requests."""

GIT_HASH_DIGITS = 40

_PART = r"[A-Za-z0-9](?:[\w-]|\.(?!\.))*"
_ID = re.compile(rf"(?P<repo>{_PART}(?:/{_PART})?)(?:@(?P<revision>\w(?:[\w/-]|\.(?!\.))*))?", re.ASCII)


class HubUnavailableError(Exception):
    """Something on the Hub is not available. Callers convert this to their own kind of error."""


class HubUnreachableError(HubUnavailableError):
    """The Hub did not respond, or must not be contacted."""


@dataclass(frozen=True)
class Snapshot:
    """One commit of a repository and the names of its files."""

    repo: str
    kind: Kind
    revision: str
    """the requested branch, tag, pull request or commit"""
    commit: str
    files: tuple[str, ...]
    """all files of the commit, or those in the cache if the cache was used"""
    online: bool
    """whether this comes from the Hub and not from the cache"""


def parse_id(text: str) -> tuple[str, str | None] | None:
    """Split `org/name` or `org/name@revision` into repository and revision; None if it is neither."""
    match = _ID.fullmatch(text)
    if match is None or "--" in match["repo"]:
        return None
    return match["repo"], match["revision"]


def look_up(repo: str, *, kind: Kind = "model", revision: str | None = None) -> Snapshot:
    """Find a revision's commit and files, on the Hub or, if it does not respond, in its cache.

    Raises:
        HubUnavailableError: if it does not exist, or if access is denied.
        HubUnreachableError: if the Hub does not respond within `PATIENCE` seconds or `HF_HUB_OFFLINE` is set, and the
            cache does not have the revision.
    """
    try:
        return _ask(repo, kind, revision or MAIN)
    except HubUnreachableError as error:
        held = cached(repo, kind=kind, revision=revision)
        if held is None:
            raise HubUnreachableError(f"{error}, and its local cache does not have {repo}") from error
        return held


def cached(repo: str, *, kind: Kind = "model", revision: str | None = None) -> Snapshot | None:
    """A revision's files in the local cache; None if there are none. Does not use the network."""
    asked = revision or MAIN
    storage = _storage(repo, kind)
    ref = storage / "refs" / asked
    commit = ref.read_text().strip() if ref.is_file() else asked
    folder = storage / "snapshots" / commit
    if not folder.is_dir():
        return None
    names = sorted(file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file())
    return Snapshot(repo, kind, asked, commit, tuple(names), online=False)


def folder_of(snapshot: Snapshot) -> Path:
    """The folder of a snapshot in the cache."""
    return _storage(snapshot.repo, snapshot.kind) / "snapshots" / snapshot.commit


def download(snapshot: Snapshot, names: Sequence[str]) -> Path:
    """Download the named files of a snapshot to the local cache, verify them and return their folder.

    Files that are already there are not downloaded again. An interrupted download resumes.

    Raises:
        HubUnavailableError: if a file is not available, or does not match its hash.
    """
    folder = folder_of(snapshot)
    if snapshot.online and not all((folder / name).is_file() for name in names):
        _fetch(snapshot, names)
    for name in names:
        if not (folder / name).is_file():
            raise HubUnavailableError(f"the Hub cannot be reached, and its local cache lacks {name} of {snapshot.repo}")
        _verify(folder / name, snapshot)
    return folder


def conversion_requests(repo: str) -> tuple[str, ...]:
    """Revisions of the open pull requests by the Hub's safetensors converter; empty if the Hub does not respond."""
    from huggingface_hub import HfApi  # (slow to import)

    def ask() -> tuple[str, ...]:
        found = HfApi().get_repo_discussions(
            repo, author=CONVERTER, discussion_type="pull_request", discussion_status="open"
        )
        return tuple(f"refs/pr/{item.num}" for item in found if item.author == CONVERTER)

    try:
        return _within(PATIENCE, ask)
    except (_transport_error(), OSError, ValueError, KeyError):
        return ()


def _ask(repo: str, kind: Kind, revision: str) -> Snapshot:
    from huggingface_hub import HfApi, constants, errors  # (slow to import)

    def ask() -> tuple[str | None, tuple[str, ...]]:
        api = HfApi()
        info = (api.model_info if kind == "model" else api.dataset_info)(repo, revision=revision, timeout=PATIENCE)
        return info.sha, tuple(sorted(item.rfilename for item in info.siblings or ()))

    if constants.HF_HUB_OFFLINE:
        raise HubUnreachableError("the Hub is not contacted, because HF_HUB_OFFLINE is set")
    try:
        commit, names = _within(PATIENCE, ask)
    except errors.GatedRepoError as error:
        raise HubUnavailableError(
            f"{repo} is gated: accept its terms on the Hub, then log in with `hf auth login`"
        ) from error
    except errors.RevisionNotFoundError as error:
        raise HubUnavailableError(f"{repo} has no revision {revision!r} on the Hub") from error
    except errors.RepositoryNotFoundError as error:
        raise HubUnavailableError(
            f"the Hub has no {kind} {repo!r}; check the name, or log in with `hf auth login` if it is private"
        ) from error
    except (_transport_error(), OSError, ValueError) as error:
        raise HubUnreachableError(f"the Hub cannot be reached ({_brief(error)})") from error
    if commit is None:
        raise HubUnreachableError(f"the Hub's response for {repo} has no commit")
    return Snapshot(repo, kind, revision, commit, names, online=True)


def _fetch(snapshot: Snapshot, names: Sequence[str]) -> None:
    from huggingface_hub import snapshot_download  # (slow to import)
    from huggingface_hub.utils.tqdm import tqdm

    class Silent(tqdm):
        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **{**options, "disable": True})  # type: ignore[no-untyped-call]

    try:
        folder = snapshot_download(
            snapshot.repo,
            repo_type=snapshot.kind,
            revision=snapshot.revision,
            allow_patterns=[glob.escape(name) for name in names],
            tqdm_class=None if sys.stderr.isatty() else Silent,
        )
    except (_transport_error(), OSError, ValueError) as error:
        raise HubUnavailableError(
            f"the download of {snapshot.repo} failed ({_brief(error)}); rerun the command to resume"
        ) from error
    if Path(folder).name != snapshot.commit:
        raise HubUnavailableError(f"{snapshot.repo} changed on the Hub during the download; rerun the command")


def _verify(file: Path, snapshot: Snapshot) -> None:
    """Compare a cached file with its blob's name: the SHA-256 of large files, git's blob hash of small ones.

    Without symbolic links there are no blob names, so nothing can be compared.
    """
    if not file.is_symlink():
        return
    expected = file.readlink().name
    actual = _git_hash(file) if len(expected) == GIT_HASH_DIGITS else sha256_of(file)
    if actual != expected:
        raise HubUnavailableError(
            f"{file.name} of {snapshot.repo} was altered or damaged (its hash is {actual}, the Hub's is {expected}); "
            f"delete {file.resolve()} and rerun the command"
        )


def _git_hash(file: Path) -> str:
    """Git's name for a blob: sha1 over the word blob, the size, a zero byte and the content."""
    content = file.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def _storage(repo: str, kind: Kind) -> Path:
    from huggingface_hub import constants  # (slow to import)
    from huggingface_hub.file_download import repo_folder_name

    return Path(constants.HF_HUB_CACHE) / repo_folder_name(repo_id=repo, repo_type=kind)


def _within(seconds: float, call: Callable[[], T]) -> T:
    """Limit the total time of a call. An HTTP timeout covers neither name resolution nor several addresses.

    Raises:
        TimeoutError: if it does not return in time. Its thread is abandoned and does not delay the exit.
    """
    box: SimpleQueue[tuple[T, None] | tuple[None, BaseException]] = SimpleQueue()

    def work() -> None:
        try:
            box.put((call(), None))
        except BaseException as error:  # noqa: BLE001  # handed to the caller's thread, whatever it is
            box.put((None, error))

    Thread(target=work, daemon=True).start()
    try:
        value, error = box.get(timeout=seconds)
    except Empty:
        raise TimeoutError(f"no response within {seconds:g} s") from None
    if error is not None:
        raise error
    return value  # type: ignore[return-value]  # no error, so it is the value


def _transport_error() -> type[Exception]:
    """The base class of the HTTP client's errors: httpx's for huggingface_hub 1, httpx2's for 2."""
    from huggingface_hub import errors  # (slow to import)

    root: type[Exception] = errors.HTTPError  # type: ignore[attr-defined]
    return root


def _brief(error: Exception) -> str:
    first = next(iter(str(error).splitlines()), "")
    return f"{type(error).__name__}: {first}" if first else type(error).__name__
