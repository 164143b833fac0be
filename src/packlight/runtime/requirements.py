"""Which of packlight's extras must be installed before an artifact opens."""

from packlight.runtime.artifact import FIRST, SECOND, Artifact, Manifest, read_manifest

EXTRAS = {"torch": "compress", "torch-compiled": "compress", "pipeline": "compress", "openvino": "openvino"}
"""by engine; the others run on what packlight itself brings"""


def extras_of(artifact: Artifact) -> tuple[str, ...]:
    """The extras that the artifact's engine needs, in the order of the alphabet; those of both models of a cascade.

    Raises:
        ArtifactError: when a part of a cascade has no manifest.
    """
    manifests: list[Manifest] = [artifact.manifest]
    if artifact.manifest.engine == "cascade":
        manifests = [read_manifest(artifact.path / part) for part in (FIRST, SECOND)]
    return tuple(sorted({EXTRAS[each.engine] for each in manifests if each.engine in EXTRAS}))
