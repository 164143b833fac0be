"""Embeddings in 4 bits: blocks of at most 64 values share one scale, and the rows that a text looks up are unpacked as they come.

ONNX Runtime's operator GatherBlockQuantized does the unpacking. Two values lie in a byte, the first in the low half, as
ONNX stores INT4. Finer blocks than a row's whole width keep the rounding error of rare large values to themselves
(Dettmers et al. 2022, 8-bit Optimizers via Block-wise Quantization, section 2).
"""

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

from packlight.steps.fusion import DOMAIN, allow_own_operators

BLOCKS = (64, 32, 16)
"""sizes that the operator knows, the one that spends least on scales first"""
LOWEST, HIGHEST = -8, 7
LEAST_BYTES = 64_000
"""smaller tables are left to int8"""
IR_VERSION = 10
"""the first version of ONNX files that knows INT4"""


def embeddings_to_int4(model: onnx.ModelProto) -> int:
    """Turn each large float32 table that rows are looked up in into int4, in place.

    Returns:
        How many were turned.
    """
    graph = model.graph
    tables = {tensor.name: tensor for tensor in graph.initializer if tensor.data_type == onnx.TensorProto.FLOAT}
    turned = 0
    for place, node in enumerate(graph.node):
        table = tables.get(node.input[0]) if node.op_type == "Gather" else None
        block = _block(table) if table is not None else None
        if table is None or block is None:
            continue
        values, scales = pack(numpy_helper.to_array(table), block)
        packed = onnx.TensorProto(name=f"{table.name}_int4", data_type=onnx.TensorProto.INT4, dims=table.dims)
        packed.raw_data = values.tobytes()
        graph.initializer.append(packed)
        graph.initializer.append(numpy_helper.from_array(scales, f"{table.name}_scale"))
        looked_up = helper.make_node(
            "GatherBlockQuantized",
            [packed.name, node.input[1], f"{table.name}_scale"],
            list(node.output),
            node.name,
            domain=DOMAIN,
            block_size=block,
            gather_axis=0,
            quantize_axis=1,
        )
        graph.node.remove(node)
        graph.node.insert(place, looked_up)
        if not any(table.name in other.input for other in graph.node):
            graph.initializer.remove(table)
        turned += 1
    if turned:
        allow_own_operators(model)
        model.ir_version = max(model.ir_version, IR_VERSION)
    return turned


def pack(table: npt.NDArray[np.float32], block: int) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32]]:
    """A table [rows, columns] as packed int4 [rows, columns / 2] and its scales, float32 [rows, columns / block]."""
    blocks = table.reshape(len(table), -1, block)
    scales = np.abs(blocks).max(axis=-1) / (HIGHEST + 0.5)
    scales[scales == 0] = 1.0
    values = np.clip(np.rint(blocks / scales[..., None]), LOWEST, HIGHEST).astype(np.int8).reshape(table.shape)
    low, high = values[:, 0::2].astype(np.uint8) & 0xF, values[:, 1::2].astype(np.uint8) & 0xF
    return (low | (high << 4)).astype(np.uint8), scales.astype(np.float32)


def _block(table: onnx.TensorProto) -> int | None:
    """Values that share a scale; None for a tensor that is no large table, or too narrow for any size."""
    if len(table.dims) != 2 or 4 * np.prod(table.dims) < LEAST_BYTES:  # noqa: PLR2004 - rows and columns
        return None
    return next((size for size in BLOCKS if table.dims[1] % size == 0), None)
