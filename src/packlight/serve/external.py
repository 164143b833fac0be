"""Refuses ONNX files whose weights lie elsewhere: what a server opens is what its hash was checked for.

Known from CVE-2022-25882 and CVE-2024-27318: a tensor's `external_data` names a path, which may lead anywhere.
"""

import mmap

from packlight.artifact import Artifact
from packlight.errors import ArtifactError

LOCATION = b"\x0a\x08location\x12"
"""how protobuf writes the key of onnx.proto's StringStringEntryProto in TensorProto.external_data"""


def refuse_external_data(artifact: Artifact) -> None:
    """Look into an ONNX artifact's graph, without opening it.

    Raises:
        ArtifactError: when a tensor's data lies in another file.
    """
    if artifact.model_path.suffix != ".onnx":
        return
    with artifact.model_path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
        if content.find(LOCATION) >= 0:
            raise ArtifactError(
                f"{artifact.model_path}: keeps weights in another file (external data), which is not served; export it "
                "into one file"
            )
