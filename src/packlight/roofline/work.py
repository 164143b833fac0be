"""The work that one text is: multiply-accumulates and bytes of weights, counted and not timed.

A multiply-accumulate (MAC) is one product added to a sum; only matrix products are counted, among them attention's
scores and weighted sums. Additions, norms and activations are left out: they are a few for each token and channel.
Bytes are those of the weights, each read once, as wide as they are stored; of an embedding only the rows looked up.
What passes between layers is left out: at one text it fits the processor's own caches. Both leave out something, so a
bound from them is one that is truly below.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from packlight.artifact import SAFETENSORS

ENGINES = ("onnxruntime", "torch", "pipeline")
"""whose work can be counted"""


@dataclass(frozen=True)
class Work:
    """Of one text, or of the mean of several."""

    fp32_macs: float
    int8_macs: float
    bytes: float

    @property
    def macs(self) -> float:
        """All multiply-accumulates."""
        return self.fp32_macs + self.int8_macs


def work_of(folder: Path, engine: str, lengths: Sequence[int], *, model_file: str = SAFETENSORS) -> Work | None:
    """Mean work of answering texts one at a time.

    Args:
        folder: an artifact's or a classifier's, verified.
        engine: that answers: onnxruntime, torch or pipeline.
        lengths: tokens of each text, special tokens included.
        model_file: the weights that the engine opens, relative to the folder.

    Returns:
        The work, or None where it cannot be counted: an engine or an architecture without a rule for it.
    """
    if engine not in ENGINES:
        return None
    lengths = [max(1, length) for length in lengths]
    if engine == "onnxruntime":
        from packlight.roofline.graph import count_graph  # noqa: PLC0415 - loads onnxruntime

        return count_graph(folder / model_file, lengths)
    from packlight.roofline.tensors import count_tensors  # noqa: PLC0415 - beside the above

    return count_tensors(folder / "config.json", folder / model_file, lengths)
