"""Would the int8 file answer alike on a processor without VNNI?

There the multiplication of unsigned activations by signed weights adds neighbouring products in pairs into 16 bits,
which saturate (`vpmaddubsw`; ONNX Runtime's documentation on quantization, "When and why do I need to try U8S8 with
reduce_range?"). Whether that ever happens can be told exactly: the quantized activations of real texts are multiplied
by the weights here, pair by pair. Where no pair leaves the 16 bits, the sums are the same on both kinds of processor.
Weights of 7 bits (`reduce_range`) never leave them.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
from onnx import helper, numpy_helper

from packlight.measurement import Portability
from packlight.tokenization import TextEncoder

PRODUCTS = ("MatMulIntegerToFloat", "MatMulInteger", "QAttention")
LOWEST, HIGHEST = -(1 << 15), (1 << 15) - 1
ROWS = 8
"""activation rows multiplied at once: bounds the memory"""


def check_portability(file: Path, encoder: TextEncoder, texts: Sequence[str]) -> Portability:
    """Count the pair sums that would saturate without VNNI.

    Args:
        file: an int8 ONNX file of `quantize_onnx`.
        encoder: the model's tokenizer.
        texts: real texts, each answered alone.
    """
    model = onnx.load_model(file)
    weights = {tensor.name: tensor for tensor in model.graph.initializer}
    products = [
        (node.input[0], numpy_helper.to_array(weights[node.input[1]]))
        for node in model.graph.node
        if node.op_type in PRODUCTS and node.input[1] in weights
    ]
    known = {output.name for output in model.graph.output}
    names = list(dict.fromkeys(name for name, _ in products))
    for name in names:
        if name not in known:
            model.graph.output.append(helper.make_tensor_value_info(name, onnx.TensorProto.UINT8, None))
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    pairs = saturated = 0
    for text in texts:
        tokens = encoder([text])
        feed = {"input_ids": tokens.input_ids, "attention_mask": tokens.attention_mask}
        activations = dict(zip(names, session.run(names, feed), strict=True))
        for name, weight in products:
            rows = activations[name].reshape(-1, weight.shape[0])
            more, over = _pairs(rows, weight)
            pairs, saturated = pairs + more, saturated + over
    return Portability(texts=len(texts), pairs=pairs, saturated=saturated)


def _pairs(rows: npt.NDArray[np.uint8], weight: npt.NDArray[np.int8]) -> tuple[int, int]:
    """How many neighbouring products are added in pairs, and how many of these sums leave 16 bits."""
    even = weight.shape[0] // 2 * 2
    first, second = weight[0:even:2].astype(np.int32), weight[1:even:2].astype(np.int32)
    # Only where both weights have one sign, and are large together, can a sum of 8-bit activations leave 16 bits.
    risky = np.abs(first + second) * np.iinfo(np.uint8).max > HIGHEST
    saturated = 0
    inputs, outputs = np.nonzero(risky)
    for start in range(0, len(rows), ROWS):
        part = rows[start : start + ROWS].astype(np.int32)
        sums = part[:, 2 * inputs] * first[inputs, outputs] + part[:, 2 * inputs + 1] * second[inputs, outputs]
        saturated += int(((sums < LOWEST) | (sums > HIGHEST)).sum())
    return len(rows) * first.size, saturated
