"""The OpenVINO engine: a graph in OpenVINO's format, compiled for the processor when it is opened.

    openvino/model.xml             the graph
    openvino/model.safetensors     one tensor, `weights`: the bytes that the graph's constants point into

OpenVINO itself writes these bytes to a `.bin` file, which artifacts reject, because pickles can have that suffix.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from packlight.errors import ArtifactError
from packlight.runtime.artifact import OPENVINO, OPENVINO_GRAPH, Artifact
from packlight.runtime.engine import EngineInfo, Logits
from packlight.runtime.token_engine import TokenEngine
from packlight.runtime.tokenization import Ids

if TYPE_CHECKING:
    import openvino

WEIGHTS = "weights"


class OpenVinoEngine(TokenEngine):
    """An OpenVINO artifact on the processor."""

    info = EngineInfo(
        name="openvino",
        label="OpenVINO",
        colour="#56B4E9",
        form="openvino",
        model_files={"fp32": OPENVINO, "int8": OPENVINO},
        modules=("openvino",),
        hub_tags=("openvino",),
    )

    def __init__(self, artifact: Artifact, *, threads: int | None = None) -> None:
        """Open a verified artifact.

        Raises:
            ArtifactError: if OpenVINO cannot open its files.
        """
        super().__init__(artifact, threads=threads)
        # The bytes that the graph's constants point into must live as long as the graph.
        self._weights = _read_weights(artifact.path / OPENVINO)
        self._request = _compile(artifact.path / OPENVINO_GRAPH, self._weights, self.threads).create_infer_request()

    def run(self, feed: Mapping[str, Ids]) -> Logits:
        """Run one padded batch."""
        self._request.infer(feed, share_inputs=True)
        # The request writes its next answer into the same memory.
        logits: Logits = self._request.get_output_tensor().data.copy()
        return logits


def _compile(graph: Path, weights: "openvino.Tensor", threads: int) -> "openvino.CompiledModel":
    import openvino

    settings = {
        "INFERENCE_NUM_THREADS": threads,
        "PERFORMANCE_HINT": "LATENCY",
        # By default it uses bfloat16 if the processor supports it. Other engines don't.
        "INFERENCE_PRECISION_HINT": "f32",
    }
    core = openvino.Core()
    try:
        return core.compile_model(core.read_model(model=graph.read_bytes(), weights=weights), "CPU", settings)
    except RuntimeError as error:  # the only kind that it raises
        raise ArtifactError(f"{graph}: OpenVINO cannot open it: {error}") from error


def _read_weights(file: Path) -> "openvino.Tensor":
    import openvino
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        return openvino.Tensor(np.ascontiguousarray(load_file(file)[WEIGHTS]))
    except (OSError, SafetensorError, KeyError) as error:
        raise ArtifactError(f"{file}: has no weights of an OpenVINO graph ({error!r})") from error
