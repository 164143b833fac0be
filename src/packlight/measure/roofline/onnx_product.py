"""An ONNX graph of one matrix product, written without the onnx library, which is an optional dependency.

The file format is a protobuf message (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto): each field is its number
and wire type, then a varint (type 0) or a length and that number of bytes (type 2). The numbers below are those of that
file.
"""

import numpy as np
import numpy.typing as npt

IR_VERSION, OPSET = 8, 17
TYPES = {"float32": 1, "uint8": 2, "int8": 3, "int32": 6}
"""TensorProto.DataType"""
MORE = 0x80


def product_model(shape: tuple[int, ...], dtype: npt.DTypeLike, weight: npt.NDArray[np.generic]) -> bytes:
    """A model `product = first @ weight` with a constant weight.

    Args:
        shape: of the input `first`, [rows, inner].
        dtype: of the input: float32, or uint8 for a product of integers.
        weight: [inner, columns], float32 or int8.
    """
    given = np.dtype(dtype)
    whole = given.kind != "f"
    node = (
        _text(1, "first") + _text(1, "weight") + _text(2, "product") + _text(4, "MatMulInteger" if whole else "MatMul")
    )
    constant = (
        b"".join(_number(1, size) for size in weight.shape)
        + _number(2, TYPES[weight.dtype.name])
        + _text(8, "weight")
        + _message(9, weight.tobytes())
    )
    result = (shape[0], weight.shape[1])
    graph = (
        _message(1, node)
        + _text(2, "product")
        + _message(5, constant)
        + _message(11, _tensor("first", TYPES[given.name], shape))
        + _message(12, _tensor("product", TYPES["int32" if whole else "float32"], result))
    )
    opset = _text(1, "") + _number(2, OPSET)
    return _number(1, IR_VERSION) + _message(7, graph) + _message(8, opset)


def _tensor(name: str, kind: int, shape: tuple[int, ...]) -> bytes:
    """ValueInfoProto: a name, and a type with its dimensions."""
    dimensions = b"".join(_message(1, _number(1, size)) for size in shape)
    return _text(1, name) + _message(2, _message(1, _number(1, kind) + _message(2, dimensions)))


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _message(field: int, content: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(content)) + content


def _text(field: int, value: str) -> bytes:
    return _message(field, value.encode())


def _varint(value: int) -> bytes:
    """Seven bits a byte, the lowest first; all but the last byte have the high bit set."""
    written = bytearray()
    while value >= MORE:
        written.append(value & (MORE - 1) | MORE)
        value >>= 7
    return bytes((*written, value))
