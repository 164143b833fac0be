"""Embeddings in 4 bits: blocks of 64 values share one scale, and only the rows that a text looks up are unpacked.

A byte holds two values, from the first half of a block in the low bits and from the second half in the high ones, so
that standard operators can unpack a row: two masks, one concatenation, one scaling. (ONNX Runtime's own operator,
GatherBlockQuantized, takes four times as long on rows of this width.) Blocks confine the rounding error that rare large
values cause (Dettmers et al. 2022, 8-bit Optimizers via Block-wise Quantization, section 2).
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

BLOCKS = (64, 32, 16)
"""values that share a scale: the first size that divides a row, because fewer scales take less space"""
ZERO = 8
"""the unsigned value that stands for 0"""
LIMIT = 15
LEAST_BYTES = 64_000
"""smaller tables stay in int8"""
HALF_BYTE = 4


def embeddings_to_int4(model: onnx.ModelProto) -> bool:
    """Convert the largest float32 lookup table to int4, in place.

    Smaller tables, such as that of the positions, would not save enough to justify the extra operators.

    Returns:
        Whether there was one.
    """
    graph = model.graph
    tables = {tensor.name: tensor for tensor in graph.initializer if tensor.data_type == onnx.TensorProto.FLOAT}
    lookups = [node for node in graph.node if node.op_type == "Gather" and _block(tables.get(node.input[0]))]
    if not lookups:
        return False
    node = max(lookups, key=lambda each: int(np.prod(tables[each.input[0]].dims)))
    table = tables[node.input[0]]
    block = _block(table)
    assert block is not None  # chosen above
    place = list(graph.node).index(node)
    graph.node.remove(node)
    for offset, made in enumerate(_unpacking(graph, table, node, block)):
        graph.node.insert(place + offset, made)
    if not any(table.name in other.input for other in graph.node):
        graph.initializer.remove(table)
    return True


def pack(table: npt.NDArray[np.float32], block: int) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float16]]:
    """A table [rows, columns] as packed int4 [rows, blocks, block / 2] and its scales, float16 [rows, blocks, 1]."""
    blocks = table.reshape(len(table), -1, block)
    scales = (np.abs(blocks).max(axis=-1, keepdims=True) / (ZERO - 0.5)).astype(np.float16)
    scales[scales == 0] = 1.0
    values = np.clip(np.rint(blocks / scales.astype(np.float32)) + ZERO, 0, LIMIT).astype(np.uint8)
    return values[..., : block // 2] | (values[..., block // 2 :] << HALF_BYTE), scales


def _unpacking(
    graph: onnx.GraphProto, table: onnx.TensorProto, lookup: onnx.NodeProto, block: int
) -> list[onnx.NodeProto]:
    """The nodes that look up and unpack rows. Their constants are added to the graph."""
    packed, scales = pack(numpy_helper.to_array(table), block)
    name, ids = table.name, lookup.input[1]
    constants: dict[str, npt.NDArray[Any]] = {
        f"{name}_int4": packed,
        f"{name}_scale": scales,
        f"{name}_low": np.array(LIMIT, dtype=np.uint8),
        f"{name}_shift": np.array(HALF_BYTE, dtype=np.uint8),
        f"{name}_one": np.array(1.0, dtype=np.float32),
        f"{name}_zero": np.array(ZERO, dtype=np.uint8),
        # Any batch size and length, with the blocks of a row joined again.
        f"{name}_shape": np.array([0, 0, table.dims[1]], dtype=np.int64),
    }
    graph.initializer.extend(numpy_helper.from_array(value, key) for key, value in constants.items())

    def node(kind: str, inputs: list[str], output: str, **attributes: Any) -> onnx.NodeProto:
        return helper.make_node(kind, inputs, [output], f"{name}_{kind}_{output}", **attributes)

    return [
        node("Gather", [f"{name}_int4", ids], f"{name}_bytes"),
        node("BitwiseAnd", [f"{name}_bytes", f"{name}_low"], f"{name}_first"),
        node("BitShift", [f"{name}_bytes", f"{name}_shift"], f"{name}_second", direction="RIGHT"),
        node("Concat", [f"{name}_first", f"{name}_second"], f"{name}_values", axis=-1),
        node("DequantizeLinear", [f"{name}_values", f"{name}_one", f"{name}_zero"], f"{name}_steps"),
        node("Gather", [f"{name}_scale", ids], f"{name}_halves"),
        node("Cast", [f"{name}_halves"], f"{name}_scales", to=onnx.TensorProto.FLOAT),
        node("Mul", [f"{name}_steps", f"{name}_scales"], f"{name}_blocks"),
        node("Reshape", [f"{name}_blocks", f"{name}_shape"], lookup.output[0]),
    ]


def _block(table: onnx.TensorProto | None) -> int | None:
    """The block size; None for a tensor that is not a large table, or too narrow for any block size."""
    if table is None or len(table.dims) != 2 or 4 * np.prod(table.dims) < LEAST_BYTES:  # rows and columns
        return None
    return next((size for size in BLOCKS if table.dims[1] % size == 0), None)
