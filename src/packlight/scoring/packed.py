"""Send an artifact to another machine: its folder as bytes, which each process there unpacks once and verifies."""

import io
import tarfile
import tempfile
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
_opened: dict[tuple[str, ScorerSettings], tuple[str, Scorer]] = {}
"""scorers, each with the hash of its artifact's manifest, by folder and settings"""


class Packed(NamedTuple):
    """An artifact's folder."""

    sha256: str
    """hash of its manifest, which has the hash of every file"""
    content: bytes
    """a tar file"""


def pack(artifact: str | Path) -> Packed:
    """Pack a verified artifact; links in its folder, as the Hub's cache has them, become the files that they lead to.

    Raises:
        ArtifactError: if the folder is incomplete or was altered.
    """
    opened = Artifact.open(Path(artifact))
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", dereference=True) as archive:
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
    """The scorer of a packed artifact, or of a folder that every machine has.

    It is opened once for each process, and again after the artifact in the folder was replaced.

    Raises:
        ArtifactError: if the folder is incomplete or was altered.
    """
    if isinstance(artifact, Packed):
        folder, sha256 = str(unpacked(artifact)), artifact.sha256
    else:
        manifest = Path(artifact) / MANIFEST
        folder, sha256 = artifact, sha256_of(manifest) if manifest.is_file() else ""
    known = _opened.get((folder, settings))
    if known is None or known[0] != sha256:
        known = _opened[folder, settings] = sha256, Scorer(folder, settings)
    return known[1]
