"""Where the time of one request goes: each kind of ONNX Runtime's kernels, one text at a time on one thread.

    python benchmarks/kernels.py runs/frontier/variants/balanced --data data_oos_plus.json

Every text runs several times with ONNX Runtime's profiler. A kernel's time for a text is its shortest, because any disturbance
makes it longer; the table has the means over the texts. The profiler adds two to three microseconds to each kernel, so
the shares of small ones are smaller without it. The same texts without the profiler are timed for comparison.
"""

import argparse
import json
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np

from packlight import load_dataset
from packlight.measure.sampling import spread_places
from packlight.runtime.artifact import Artifact
from packlight.runtime.ort_session import onnxruntime, open_on_cpu
from packlight.runtime.tokenization import encoder_of


def main() -> None:
    """Profile and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("artifact", type=Path)
    parser.add_argument("--data", required=True)
    parser.add_argument("--texts", type=int, default=120)
    parser.add_argument("--repeats", type=int, default=15)
    given = parser.parse_args()
    artifact, split = Artifact.open(given.artifact), load_dataset(given.data).test
    encoder = encoder_of(artifact)
    feeds = [encoder([split.texts[place]]).feed() for place in spread_places(split, given.texts, seed=0)]
    kernels, shortest = profiled(artifact.model_path, feeds, given.repeats)
    together = shortest.sum()
    print(
        f"{np.mean([feed['input_ids'].size for feed in feeds]):.1f} tokens, {len(kernels)} kernels, {together:.0f} us with the profiler"
    )
    print(f"{unprofiled(artifact.model_path, feeds, given.repeats):.0f} us without it, one call in all\n")
    print("| kernel | nodes | microseconds | share |\n| --- | ---: | ---: | ---: |")
    times: Counter[str] = Counter()
    for kernel, spent in zip(kernels, shortest, strict=True):
        times[kernel] += spent
    for kernel, spent in times.most_common():
        print(f"| {kernel} | {kernels.count(kernel)} | {spent:.0f} | {spent / together:.0%} |")


def profiled(graph: Path, feeds: list[dict[str, np.ndarray]], repeats: int) -> tuple[list[str], np.ndarray]:
    """The kernels in the order in which they run, and the microseconds of each: the shortest, as a mean over texts."""
    with tempfile.TemporaryDirectory() as scratch:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.enable_profiling = 1, True
        options.profile_file_prefix = str(Path(scratch) / "profile")
        session = open_on_cpu(graph, options)
        for feed in feeds:
            for _ in range(repeats):
                session.run(None, feed)
        events = json.loads(Path(session.end_profiling()).read_text())
    ran = [each for each in events if each["cat"] == "Node" and each["name"].endswith("kernel_time")]
    ran.sort(key=lambda each: each["ts"])
    times = np.array([each["dur"] for each in ran], dtype=float).reshape(len(feeds), repeats, -1)
    return [each["args"]["op_name"] for each in ran[: times.shape[2]]], times.min(axis=1).mean(axis=0)


def unprofiled(graph: Path, feeds: list[dict[str, np.ndarray]], repeats: int) -> float:
    """Microseconds of a whole call: the shortest, as a mean over texts."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = open_on_cpu(graph, options)
    shortest = []
    for feed in feeds:
        times = []
        for _ in range(repeats + 2):
            start = time.perf_counter()
            session.run(None, feed)
            times.append(time.perf_counter() - start)
        shortest.append(min(times[2:]))
    return 1e6 * float(np.mean(shortest))


if __name__ == "__main__":
    main()
