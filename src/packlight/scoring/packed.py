"""Send an artifact to another machine: its folder as bytes, which each process there unpacks once and verifies."""

import io
import tarfile
import tempfile
from functools import cache
from pathlib import Path
from typing import NamedTuple

from packlight.files import sha256_of
from packlight.runtime.artifact import MANIFEST, Artifact
from packlight.scoring.scorer import Scorer
from packlight.scoring.settings import ScorerSettings

FOLDER = "artifact"
"""in the tar file"""
_unpacked: dict[str, "tempfile.TemporaryDirectory[str]"] = {}
"""complete folders, by the hash of their manifest"""


class Packed(NamedTuple):
    """An artifact's folder."""

    sha256: str
    """hash of its manifest, which has the hash of every file"""
    content: bytes
    """a tar file"""


def pack(artifact: str | Path) -> Packed:
    """Pack a verified artifact.

    Raises:
        ArtifactError: if the folder is incomplete or was altered.
    """
    opened = Artifact.open(Path(artifact))
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        archive.add(opened.path, arcname=FOLDER)
    return Packed(sha256_of(opened.path / MANIFEST), stream.getvalue())


def unpacked(packed: Packed) -> Path:
    """The artifact's folder on this machine. It is unpacked once for each process, and removed when the process ends."""
    folder = _unpacked.get(packed.sha256)
    if folder is None:
        folder = tempfile.TemporaryDirectory(prefix=f"packlight-{packed.sha256[:8]}-")
        with tarfile.open(fileobj=io.BytesIO(packed.content)) as archive:
            archive.extractall(folder.name, filter="data")
        _unpacked[packed.sha256] = folder
    return Path(folder.name) / FOLDER


def scorer_of(artifact: Packed | str, settings: ScorerSettings) -> Scorer:
    """The scorer of a packed artifact, or of a folder that every machine has. It is opened once for each process.

    Raises:
        ArtifactError: if the folder is incomplete or was altered.
    """
    return _opened(str(unpacked(artifact)) if isinstance(artifact, Packed) else artifact, settings)


@cache
def _opened(folder: str, settings: ScorerSettings) -> Scorer:
    return Scorer(folder, settings)
