"""The work for one text: multiply-accumulates and bytes of weights, counted and not timed.

A multiply-accumulate (MAC) is one product added to a sum; only matrix products are counted, including attention's
scores and weighted sums. Additions, norms and activations are left out, because there are only a few for each token
and channel.
Bytes are those of the weights, each read once in its stored width; for an embedding, only the rows that are looked
up. Values between layers are left out, because those of one text fit in the processor's caches. Both counts leave
something out, so the bound that follows from them is a true lower bound.
"""

from collections.abc import Sequence
from pathlib import Path

from packlight.measure.roofline.macs import Work
from packlight.runtime.artifact import SAFETENSORS
from packlight.runtime.engines import engine_info


def work_of(folder: Path, engine: str, lengths: Sequence[int], *, model_file: str = SAFETENSORS) -> Work | None:
    """The mean work for texts that run one at a time.

    Args:
        folder: a verified artifact's or classifier's folder.
        engine: the engine that runs it.
        lengths: number of tokens of each text, special tokens included.
        model_file: the weights that the engine opens, relative to the folder.

    Returns:
        The work, or None if there is no rule to count it for this engine or architecture.
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
