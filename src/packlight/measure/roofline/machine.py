"""The machine's peak rates, for the roofline: of matrix products in ONNX Runtime, and of reads from caches and memory."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt

from packlight.measure.results import BandwidthSample, MachineRates
from packlight.measure.roofline.onnx_product import product_model
from packlight.runtime.ort_session import onnxruntime

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
