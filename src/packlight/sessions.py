"""ONNX Runtime sessions on the processor, opened alike wherever a graph is run or judged."""

from pathlib import Path

import onnxruntime

CPU = "CPUExecutionProvider"
SLOW_FUSIONS = ("SkipLayerNormFusion",)
"""of the runtime's own: on a processor they make slower what they join (docs/decisions/0017)"""


def open_on_cpu(
    graph: Path | bytes,
    options: onnxruntime.SessionOptions | None = None,
) -> onnxruntime.InferenceSession:
    """A session on the CPU provider; what it raises is the library's own."""
    return onnxruntime.InferenceSession(graph, options, providers=[CPU], disabled_optimizers=list(SLOW_FUSIONS))
