"""An ONNX graph of one matrix product, written without the library for ONNX files, which is not always there.

The file format is a protobuf message (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto): each field is its number
and wire type, then a varint (type 0) or a length and that number of bytes (type 2). The numbers below are those of that
file.
"""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt

from packlight.measure.results import BandwidthSample, MachineRates
from packlight.runtime.ort_session import onnxruntime

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


ROWS, INNER, COLUMNS = 384, 1024, 1024

REPEATS = 15

ERRORS_ONLY = 3

MB = 1 << 20

WORKING_SETS = tuple(megabytes * MB for megabytes in (4, 8, 16, 32, 64, 256))
"""sizes in bytes; the last is larger than the caches of nearly all processors"""

READ_AT_LEAST = 64 * MB
"""bytes per timing, so that starting threads doesn't matter"""


def measure_machine(threads: int) -> MachineRates:
    """Measure this machine's rates with a number of threads. Each rate is the best of several timings."""
    reads = tuple(BandwidthSample(bytes=size, bytes_per_s=_bytes_per_s(size, threads)) for size in WORKING_SETS)
    return MachineRates(
        fp32_macs_per_s=_macs_per_s(np.ones((ROWS, INNER), np.float32), np.ones((INNER, COLUMNS), np.float32), threads),
        int8_macs_per_s=_macs_per_s(np.ones((ROWS, INNER), np.uint8), np.ones((INNER, COLUMNS), np.int8), threads),
        bytes_per_s=reads[-1].bytes_per_s,
        reads=reads,
        threads=threads,
    )


def _macs_per_s(first: npt.NDArray[np.generic], weight: npt.NDArray[np.generic], threads: int) -> float:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = ERRORS_ONLY
    model = product_model(first.shape, first.dtype, weight)
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return ROWS * INNER * COLUMNS / _seconds(lambda: session.run(None, {"first": first}))


def _bytes_per_s(size: int, threads: int) -> float:
    """Each thread reads its own part repeatedly."""
    parts = np.array_split(np.ones(size // 8, np.int64), threads)
    again = max(1, READ_AT_LEAST // size)

    def read(part: npt.NDArray[np.int64]) -> None:
        for _ in range(again):
            part.max()

    with ThreadPoolExecutor(threads) as pool:
        return size * again / _seconds(lambda: list(pool.map(read, parts)))


def _seconds(work: Callable[[], object]) -> float:
    """The fastest of several timings, because any disturbance makes a timing longer."""
    work()
    taken = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        work()
        taken.append(time.perf_counter() - start)
    return min(taken)
