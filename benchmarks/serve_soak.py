"""Minutes of steady load on one worker, with memory that must stay flat.

    python benchmarks/serve_soak.py runs/latest/variants/student-onnx-static --minutes 10 --rate 200

Fails when a request fails, or when the memory of the second half of the time grows by more than the tolerance.
"""

import argparse
import json
import sys
import threading
import time
from pathlib import Path

import numpy as np

from packlight.data import load_dataset
from packlight.serve.loadtest.client import address_of, http_request, infer_body
from packlight.serve.loadtest.process import GeneratorProcess
from packlight.serve.loadtest.settings import Job
from packlight.serve.loadtest.target import served, split_cpus

SAMPLE_SECONDS = 2.0


def main() -> None:
    """Load, sample, judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("artifact", type=Path)
    parser.add_argument("--data", default="sample")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--rate", type=float, default=200.0)
    parser.add_argument("--tolerance-mb", type=float, default=5.0)
    options = parser.parse_args()
    server_side, generator_side = split_cpus()
    samples: list[tuple[float, float]] = []
    done = threading.Event()
    with (
        served(options.artifact, workers=1, processors=server_side, name="soak", access_log=True) as server,
        GeneratorProcess(generator_side) as generator,
    ):
        address = address_of(server.url, "soak")
        requests = [http_request(address, infer_body(text)) for text in load_dataset(options.data).test.texts]
        start = time.monotonic()

        def sample() -> None:
            while not done.wait(SAMPLE_SECONDS):
                samples.append((time.monotonic() - start, server.memory_mb() or 0.0))

        watcher = threading.Thread(target=sample)
        watcher.start()
        job = Job(address=address, requests=requests, rate=options.rate, seconds=60 * options.minutes)
        observed = generator.run(job)
        done.set()
        watcher.join()
    half = [memory for moment, memory in samples if moment > 30 * options.minutes]
    quarter = max(1, len(half) // 2)
    growth = float(np.median(half[quarter:]) - np.median(half[:quarter]))
    p50, p99 = np.percentile(observed.latency_us, (50, 99)) / 1000
    outcome = {
        "minutes": options.minutes,
        "rate": options.rate,
        "answered": len(observed.latency_us),
        "errors": observed.errors,
        "p50_ms": p50,
        "p99_ms": p99,
        "memory_mb_first": samples[0][1],
        "memory_mb_last": samples[-1][1],
        "growth_mb_second_half": growth,
    }
    print(json.dumps(outcome, indent=2))
    if observed.errors or growth > options.tolerance_mb:
        sys.exit("not flat" if not observed.errors else "requests failed")


if __name__ == "__main__":
    main()
