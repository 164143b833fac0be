"""Reject ONNX files with external weights, so that a server only opens files whose hash was checked.

Known from CVE-2022-25882 and CVE-2024-27318: a tensor's `external_data` has a path, which can point anywhere.
"""

import mmap
import re
from collections.abc import Iterator
from pathlib import Path

from packlight.errors import ArtifactError
from packlight.runtime.artifact import MANIFEST, Artifact, Manifest, read_manifest
from packlight.runtime.engines import engine_info

LOCATION = b"location"
"""the key in onnx.proto's StringStringEntryProto of TensorProto.external_data that names the other file"""
KEY = re.compile(rb"(?:\x0a|\x8a\x80*\x00)(?:\x08|\x88\x80*\x00)\Z")
"""protobuf's prefix of an eight-byte key, before or after its value; numbers can be encoded with extra bytes"""
LONGEST_LEAD = 20
"""bytes of these two numbers"""
NO_GRAPHS = (".safetensors", ".json", ".txt", ".model")
"""files that no runtime opens as a graph, unless one is the model's file; SentencePiece prefixes its pieces like
keys"""


def refuse_external_data(artifact: Artifact) -> None:
    """Check an artifact's graphs, without opening them.

    Raises:
        ArtifactError: if a tensor's data is in another file, or if a graph is empty.
    """
    for graph in sorted(set(_graphs(artifact.path, artifact.manifest))):
        _refuse(graph)


def _graphs(path: Path, manifest: Manifest) -> Iterator[Path]:
    """Every file that could be opened as a graph, including those of the artifact's parts."""
    yield path / manifest.model_file
    for name, entry in manifest.files.items():
        if entry.size and not name.endswith(NO_GRAPHS):
            yield path / name
    for part in (path / name for name in engine_info(manifest.engine).parts):
        if (part / MANIFEST).is_file():
            yield from _graphs(part, read_manifest(part))


def _refuse(graph: Path) -> None:
    if not graph.is_file() or graph.stat().st_size == 0:
        raise ArtifactError(f"{graph}: is missing or empty; build the artifact again")
    with graph.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
        at = content.find(LOCATION)
        while at >= 0:
            if KEY.search(content[max(0, at - LONGEST_LEAD) : at]):
                raise ArtifactError(
                    f"{graph}: has weights in another file (external data), which packlight doesn't serve; export "
                    "it as one file"
                )
            at = content.find(LOCATION, at + 1)
