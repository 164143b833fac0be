"""Refuses ONNX files whose weights lie elsewhere: what a server opens is what its hash was checked for.

Known from CVE-2022-25882 and CVE-2024-27318: a tensor's `external_data` names a path, which may lead anywhere.
"""

import mmap
from pathlib import Path

from packlight.artifact import Artifact
from packlight.errors import ArtifactError

LOCATION = b"\x0a\x08location\x12"
"""how protobuf writes the key of onnx.proto's StringStringEntryProto in TensorProto.external_data"""


def refuse_external_data(artifact: Artifact) -> None:
    """Look into an ONNX artifact's graph, without opening it.

    Raises:
        ArtifactError: when a tensor's data lies in another file.
    """
    # A cascade has more than one.
    for name in artifact.manifest.files:
        if name.endswith(".onnx"):
            _refuse(artifact.path / name)


def _refuse(graph: Path) -> None:
    with graph.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
        if content.find(LOCATION) >= 0:
            raise ArtifactError(
                f"{graph}: keeps weights in another file (external data), which is not served; export it into one file"
            )
