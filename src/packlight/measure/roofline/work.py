"""The work that one text is: multiply-accumulates and bytes of weights, counted and not timed.

A multiply-accumulate (MAC) is one product added to a sum; only matrix products are counted, among them attention's
scores and weighted sums. Additions, norms and activations are left out: they are a few for each token and channel.
Bytes are those of the weights, each read once, as wide as they are stored; of an embedding only the rows looked up.
What passes between layers is left out: at one text it fits the processor's own caches. Both leave out something, so a
bound from them is one that is truly below.
"""

from collections.abc import Sequence
from pathlib import Path

from packlight.measure.roofline.macs import Work
from packlight.runtime.artifact import SAFETENSORS
from packlight.runtime.engines import engine_info


def work_of(folder: Path, engine: str, lengths: Sequence[int], *, model_file: str = SAFETENSORS) -> Work | None:
    """Mean work of answering texts one at a time.

    Args:
        folder: an artifact's or a classifier's, verified.
        engine: that answers.
        lengths: tokens of each text, special tokens included.
        model_file: the weights that the engine opens, relative to the folder.

    Returns:
        The work, or None where it cannot be counted: an engine or an architecture without a rule for it.
    """
    source = engine_info(engine).macs_from
    if source is None:
        return None
    lengths = [max(1, length) for length in lengths]
    if source == "onnx":
        from packlight.measure.roofline.onnx_work import count_graph  # loads onnxruntime

        return count_graph(folder / model_file, lengths)
    from packlight.measure.roofline.torch_work import count_tensors  # beside the above

    return count_tensors(folder / "config.json", folder / model_file, lengths)
