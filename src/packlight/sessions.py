"""ONNX Runtime, and its sessions on the CPU, opened alike wherever a graph is run or judged.

This is the only module that imports onnxruntime: the others take it from here, with its usage reports switched off.
"""

from pathlib import Path

import onnxruntime

__all__ = ["CPU", "SLOW_FUSIONS", "onnxruntime", "open_on_cpu"]

# `packlight.telemetry` has set the variable, which is enough but for builds that report through Windows itself.
onnxruntime.disable_telemetry_events()

CPU = "CPUExecutionProvider"
SLOW_FUSIONS = ("SkipLayerNormFusion",)
"""of the runtime's own: on a processor they make slower what they join (docs/decisions/0017)"""


def open_on_cpu(
    graph: Path | bytes,
    options: onnxruntime.SessionOptions | None = None,
) -> onnxruntime.InferenceSession:
    """A session on the CPU provider; what it raises is the library's own."""
    return onnxruntime.InferenceSession(graph, options, providers=[CPU], disabled_optimizers=list(SLOW_FUSIONS))
