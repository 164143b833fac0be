"""Requests per second within a p99 bound, server on one core and generator on the other, a peer beside it.

    python benchmarks/serve_rate.py runs/clinc/variants/student-onnx-static --data clinc/clinc_oos:plus --out rate.json

The peer is infinity-emb, installed into an environment of its own, and serves the float32 parent in torch, as its users do:

    python -m venv peer && peer/bin/pip install "infinity-emb[torch,server]"
    python benchmarks/serve_rate.py … --peer peer/bin/infinity_emb --peer-model runs/clinc/variants/student

Both are measured in turn in the same run. Last comes one JSON document: the highest rates, processor time for each
request, and for packlight where that time goes, from its own histograms.
"""

import argparse
import json
import os
import re
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from packlight.data import load_dataset
from packlight.serve.loadtest.measure import measure_load
from packlight.serve.loadtest.rates import Ramp
from packlight.serve.loadtest.result import Bound, LoadResult
from packlight.serve.loadtest.target import Process, free_port, served, split_cpus

STAGES = ("decode", "tokenize", "infer", "encode")
SUM = re.compile(r"^packlight_(\w+)_duration_seconds_sum (\S+)$", re.MULTILINE)
CPU = re.compile(r"^packlight_process_cpu_seconds\{.*\} (\S+)$", re.MULTILINE)
REQUESTS = re.compile(r'^packlight_requests_total\{route="infer",status="200"\} (\S+)$', re.MULTILINE)
START_SECONDS = 180


def main() -> None:
    """Measure, print, and write."""
    options = arguments()
    texts = list(load_dataset(options.data).test.texts)
    server_side, generator_side = split_cpus()
    ramp = Ramp(start=options.start, seconds=options.seconds, attempts=options.attempts)
    common = {"source": options.data, "bound": Bound(p99_ms=options.p99), "generator_processors": generator_side}
    outcome: dict[str, object] = {"load_average_before": os.getloadavg()}
    with served(options.artifact, workers=1, processors=server_side, name="loaded") as server:
        before = stages(server.url)
        result = measure_load(server, texts, model="loaded", ramp=ramp, report=say, **common)
        outcome["packlight"] = summary(result) | {"microseconds_a_request": shares(before, stages(server.url))}
    if options.peer:
        with peer(options.peer, options.peer_model, server_side) as server:
            template = json.dumps({"model": "peer", "input": ["{text}"], "raw_scores": False})
            slow = Ramp(start=options.peer_start, seconds=options.seconds, attempts=options.attempts)
            result = measure_load(
                server, texts, model="peer", ramp=slow, path="/classify", template=template, report=say, **common
            )
            outcome["peer"] = summary(result)
    outcome["load_average_after"] = os.getloadavg()
    print(json.dumps(outcome, indent=2))
    if options.out:
        options.out.write_text(json.dumps(outcome, indent=2) + "\n")


def arguments() -> argparse.Namespace:
    """Of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("artifact", type=Path)
    parser.add_argument("--data", default="sample")
    parser.add_argument("--p99", type=float, default=10.0)
    parser.add_argument("--start", type=float, default=200.0)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--attempts", type=int, default=3)
    parser.add_argument("--peer", type=Path, help="the command infinity_emb of its own environment")
    parser.add_argument("--peer-model", type=Path, help="the folder that it serves")
    parser.add_argument("--peer-start", type=float, default=10.0)
    parser.add_argument("--out", type=Path)
    return parser.parse_args()


def say(level: object) -> None:
    """One level, as it is measured."""
    times = level.latency_ms
    print(
        f"{level.rate:8.0f}/s  p50 {times.p50 if times else float('nan'):8.2f}  p99 {times.p99 if times else float('nan'):8.2f} ms  "
        f"errors {sum(level.errors.values())}  cpu {level.cpu_ms_per_request or float('nan'):.3f} ms  "
        f"generator late {level.generator_late_ms:.2f} ms  {'carried' if level.carried else 'broken'}",
        flush=True,
    )


def summary(result: LoadResult) -> dict[str, object]:
    """The figures of one target."""
    best = result.sustained
    return {
        "rate": best.rate if best else None,
        "p50_ms": best.latency_ms.p50 if best else None,
        "p99_ms": best.latency_ms.p99 if best else None,
        "cpu_ms_per_request": best.cpu_ms_per_request if best else None,
        "memory_mb": result.memory_mb,
    }


def stages(url: str) -> dict[str, float]:
    """Sums of the server's histograms, its processor time and its requests."""
    time.sleep(1.5)  # workers note their processor time every second
    text = urllib.request.urlopen(f"{url}/metrics").read().decode()  # noqa: S310 - our own server
    values = {name: float(value) for name, value in SUM.findall(text) if name in STAGES}
    found = REQUESTS.search(text)
    return values | {"cpu": sum(map(float, CPU.findall(text))), "requests": float(found[1]) if found else 0.0}


def shares(before: dict[str, float], after: dict[str, float]) -> dict[str, float]:
    """Microseconds of each request in each stage; `http` is what remains of the processor time."""
    spent = {name: after[name] - before.get(name, 0.0) for name in after}
    each = {name: 1e6 * spent[name] / spent["requests"] for name in (*STAGES, "cpu")}
    each["http"] = each["cpu"] - sum(each[name] for name in STAGES)
    each["http_json_tokenizer"] = each["cpu"] - each["infer"]
    return {name: round(value, 1) for name, value in each.items()}


@contextmanager
def peer(command: Path, model: Path, processors: frozenset[int] | None, *, threads: int = 1) -> Iterator[Process]:
    """Infinity on the same processors with this many threads, as long as the block lasts."""
    port = free_port()
    words = [str(command), "v2", "--model-id", str(model.resolve()), "--served-model-name", "peer", "--port", str(port)]
    words += ["--engine", "torch", "--device", "cpu", "--no-bettertransformer", "--no-model-warmup"]
    environment = os.environ | {"OMP_NUM_THREADS": str(threads), "HF_HUB_OFFLINE": "1", "DO_NOT_TRACK": "1"}
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(words, stdout=log, stderr=log, env=environment)
        try:
            if processors:
                os.sched_setaffinity(process.pid, processors)
            url = f"http://127.0.0.1:{port}"
            end = time.monotonic() + START_SECONDS
            while not answers(f"{url}/health"):
                if process.poll() is not None or time.monotonic() > end:
                    log.seek(0)
                    raise SystemExit("the peer did not come up:\n" + log.read().decode(errors="replace")[-2000:])
                time.sleep(0.5)
            for thread in psutil.Process(process.pid).threads():
                if processors:
                    os.sched_setaffinity(thread.id, processors)
            yield Process(url, process, 1)
        finally:
            process.kill()
            process.wait()


def answers(url: str) -> bool:
    """Whether a server is there."""
    try:
        urllib.request.urlopen(url, timeout=2).read()  # noqa: S310 - our own server
    except OSError:
        return False
    return True


if __name__ == "__main__":
    main()
