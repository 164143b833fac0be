"""Upload an artifact to the Hugging Face Hub: verified, listed, and as one commit.

Only the files in the manifest, the manifest itself and the model card are sent, so other files in the folder never
leave the machine. A commit is atomic.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from packlight.errors import ModelError
from packlight.hub import parse_id
from packlight.progress import console
from packlight.runtime.artifact import CARD, MANIFEST, Artifact

if TYPE_CHECKING:
    from huggingface_hub import CommitOperationAdd

_LOCAL_PATH = re.compile(r'"(?:/|~/|[A-Za-z]:\\\\)[^"]*"')


@dataclass(frozen=True)
class UploadPlan:
    """What to upload, and where."""

    artifact: Artifact
    repo: str
    revision: str | None
    private: bool
    files: tuple[tuple[str, int], ...]
    """name and size in bytes of each file"""
    remarks: tuple[str, ...]
    """warnings to check before publishing"""

    @property
    def size_bytes(self) -> int:
        """Total size in bytes."""
        return sum(size for _, size in self.files)


def pack(folder: Path, repo: str, *, private: bool = True) -> UploadPlan:
    """Verify an artifact and list what a push would send, without sending anything.

    Args:
        folder: the artifact's.
        repo: `org/name` or `org/name@branch`.
        private: whether a new repository is private. An existing one is not changed.

    Raises:
        ArtifactError: if the artifact is incomplete or was altered.
        ModelError: if `repo` is not a valid repository id.
    """
    parsed = parse_id(repo)
    if parsed is None or "/" not in parsed[0]:
        raise ModelError(f"{repo!r} is not a valid repository id: give org/name, such as my-team/intents-small")
    artifact = Artifact.open(folder)
    names = [*artifact.manifest.files, MANIFEST, *([CARD] if (folder / CARD).is_file() else [])]
    files = tuple((name, (folder / name).stat().st_size) for name in sorted(names))
    return UploadPlan(artifact, parsed[0], parsed[1], private, files, _remarks(artifact))


def push(plan: UploadPlan, *, message: str | None = None) -> str:
    """Upload everything as one commit, and create the repository if necessary.

    Returns:
        The commit's URL.

    Raises:
        ModelError: if the Hub rejects it, or cannot be reached.
    """
    from huggingface_hub import HfApi, errors  # (slow to import)
    from huggingface_hub.utils import disable_progress_bars  # type: ignore[attr-defined]

    if console.quiet:
        disable_progress_bars()
    api = HfApi(library_name="packlight")
    try:
        api.create_repo(plan.repo, private=plan.private, exist_ok=True)
        if plan.revision is not None:
            api.create_branch(plan.repo, branch=plan.revision, exist_ok=True)
        commit = api.create_commit(
            plan.repo,
            _operations(plan),
            commit_message=message or f"Upload {plan.artifact.name} with packlight",
            revision=plan.revision,
        )
    except errors.LocalTokenNotFoundError as error:
        raise ModelError("no token: log in with `hf auth login`, or set HF_TOKEN") from error
    except errors.HfHubHTTPError as error:
        status = error.response.status_code if error.response is not None else "no"
        raise ModelError(
            f"the Hub rejected the push to {plan.repo} (status {status}): {_first_line(error)}; log in with "
            "`hf auth login` with a token that has write access"
        ) from error
    except (errors.HTTPError, OSError, ValueError) as error:  # type: ignore[attr-defined]
        raise ModelError(f"the push to {plan.repo} failed: {_first_line(error)}; rerun the command") from error
    return str(commit.commit_url)


def _operations(plan: UploadPlan) -> "list[CommitOperationAdd]":
    from huggingface_hub import CommitOperationAdd  # (slow to import)

    folder = plan.artifact.path
    return [CommitOperationAdd(path_in_repo=name, path_or_fileobj=folder / name) for name, _ in plan.files]


def _remarks(artifact: Artifact) -> tuple[str, ...]:
    from huggingface_hub import ModelCard  # (slow to import)

    remarks = []
    card = artifact.path / CARD
    if not card.is_file():
        remarks.append("it has no model card (README.md): `packlight measure` writes one")
    else:
        data = ModelCard(card.read_text(encoding="utf-8")).data
        if not getattr(data, "license", None):
            remarks.append("its card names no license: add `license: …` at the top of README.md")
        if not getattr(data, "language", None):
            remarks.append("its card names no language: add `language: …` at the top of README.md")
    document = msgspec.json.encode(artifact.manifest).decode()
    if paths := sorted(set(_LOCAL_PATH.findall(document))):
        remarks.append(f"{MANIFEST} holds paths of this machine, which everybody will read: {', '.join(paths)}")
    return tuple(remarks)


def _first_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
