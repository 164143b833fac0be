"""What `packlight score` brings over `packlight predict --file`: the same queries, interleaved in one run, Parquet in.

    python benchmarks/score.py runs/clinc/variants/balanced --data clinc/clinc_oos:plus --rows 200000 --rounds 3 --out score.json

The rows are the data's test queries, each edited twice, so that no two are equal and the cache answers nothing. Each round
runs, in another order each time: `predict --file --json` with its output thrown away, `score` with one worker, and `score` with as
many workers as there are processors. All times include the start of the command and its processes. Beside wall time, which other work
on the machine changes, CPU time of all processes is taken. The labels of both commands are compared. `--rows` of `predict` can be
fewer, with `--predict-rows`: it holds all rows in memory.

An earlier version of packlight may take part in each round with its own `predict --file`, which gets the same texts as lines. Its environment
must open the same artifact, or give it an equal one in its own format:

    python benchmarks/score.py … --earlier "earlier/bin/python -m packlight" --earlier-artifact earlier/runs/clinc/variants/balanced

A peer may take part, too: infinity-emb in an environment of its own, which answers the first `--peer-rows` of the same texts at its batch
endpoint. It serves the float32 parent in PyTorch, as its users do, and may use all processors. Its start is not counted:

    python -m venv peer && peer/bin/pip install "infinity-emb[torch,server]"
    python benchmarks/score.py … --peer peer/bin/infinity_emb --peer-model runs/clinc/variants/student

Last comes one JSON document: texts per second and CPU microseconds per text of each command, the ratios of each round, memory, and for
int8 graphs the share of the machine's int8 rate that a worker reaches, start not counted.
"""

import argparse
import json
import os
import random
import resource
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pyarrow as pa
from pyarrow import dataset, parquet
from serve_rate import peer

from packlight.data import load_dataset
from packlight.measure.roofline import measure_machine, work_of
from packlight.runtime.artifact import Artifact
from packlight.runtime.engines import engine_info
from packlight.runtime.processor import cpu_budget
from packlight.runtime.tokenization import encoder_of
from packlight.serve.loadtest.target import Process

WORDS = ("please", "now", "just", "really", "thanks", "ok", "today", "again", "maybe", "soon", "hey", "then")
COMMAND = (sys.executable, "-m", "packlight")
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
"""with compiled modules, as an installation has them"""
LENGTHS_OF = 2000
"""texts whose tokens are counted"""
PEER_TEXTS = 256
"""texts of a request to the peer, which makes batches of 32 of them"""
PEER_REQUESTS = 2
"""requests to it at once, so that it never waits for one"""


def main() -> None:
    options = arguments()
    queries = load_dataset(options.data).test.texts
    with ExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=options.scratch)))
        texts = edited(queries, options.rows)
        fewer = texts[: options.predict_rows or options.rows]
        parquet.write_table(pa.table({"id": range(len(texts)), "text": texts}), place / "all.parquet")
        parquet.write_table(pa.table({"text": fewer}), place / "fewer.parquet")
        (place / "fewer.txt").write_text("\n".join(fewer) + "\n")
        counts = (1, cpu_budget())
        commands = {"predict": len(fewer)} | {f"score {count}": len(texts) for count in counts}
        if options.earlier:
            commands["earlier"] = len(fewer)
        if options.peer:
            server = stack.enter_context(peer(options.peer, options.peer_model, None, threads=cpu_budget()))
            commands["peer"] = options.peer_rows
        rounds: list[dict[str, dict[str, float]]] = []
        for number in range(options.rounds):
            order = [*commands][number % len(commands) :] + [*commands][: number % len(commands)]
            rounds.append(
                {
                    name: ask(server, texts[: commands[name]])
                    if name == "peer"
                    else run(name, options, place, commands[name])
                    for name in order
                }
            )
            print(json.dumps(rounds[-1]), flush=True)
        outcome = {
            "artifact": str(options.artifact),
            "rows": len(texts),
            "predict_rows": len(fewer),
            "load_average": os.getloadavg(),
            "processors": cpu_budget(),
            "rounds": rounds,
            "median": {
                name: {key: statistics.median(each[name][key] for each in rounds) for key in rounds[0][name]}
                for name in commands
            },
            "faster_than_predict": ratios(rounds, f"score {counts[1]}", "predict"),
            "faster_than_earlier": ratios(rounds, f"score {counts[1]}", "earlier") if options.earlier else None,
            "faster_than_peer": ratios(rounds, f"score {counts[1]}", "peer") if options.peer else None,
            "workers_gain": ratios(rounds, f"score {counts[1]}", "score 1"),
            "workers_gain_once_started": [
                each[f"score {counts[1]}"]["texts_per_second_once_started"]
                / each["score 1"]["texts_per_second_once_started"]
                for each in rounds
            ],
            "other_labels": differing(place, len(fewer)),
            "share_of_int8_rate": share_of_int8_rate(options.artifact, fewer, place),
        }
    print(json.dumps(outcome, indent=2))
    if options.out:
        options.out.write_text(json.dumps(outcome, indent=2) + "\n")


def run(name: str, options: argparse.Namespace, place: Path, rows: int) -> dict[str, float]:
    """One command: texts per second of wall time, and CPU microseconds per text."""
    verb, _, workers = name.partition(" ")
    out, artifact = place / name.replace(" ", "-"), options.artifact
    command = shlex.split(options.earlier) if verb == "earlier" else COMMAND
    words = ["predict", str(artifact), "--file", str(place / "fewer.parquet"), "--json", "--quiet"]
    if verb == "earlier":
        words = ["predict", str(options.earlier_artifact or artifact), "--file", str(place / "fewer.txt"), "--json"]
    elif verb == "score":
        shutil.rmtree(out, ignore_errors=True)
        words = [
            "score",
            str(artifact),
            str(place / "all.parquet"),
            "--out",
            str(out),
            "--workers",
            workers,
            "--json",
            "--quiet",
        ]
        words += ["--rows-per-file", str(max(1, rows // (4 * cpu_budget())))]
    before, start = cpu_seconds(), time.perf_counter()
    with (place / f"{out.name}.json").open("wb") as stream:
        subprocess.run([*command, *words], check=True, stdout=stream, env=ENVIRONMENT)
    seconds = time.perf_counter() - start
    found = {"texts_per_second": rows / seconds, "cpu_us_per_text": 1e6 * (cpu_seconds() - before) / rows}
    if verb == "score":
        report = json.loads((place / f"{out.name}.json").read_bytes())
        found |= {
            "peak_memory_mb": report["peak_memory_mb"],
            "texts_per_second_once_started": report["texts_per_second"],
        }
    return found


def ask(server: Process, texts: list[str]) -> dict[str, float]:
    """The peer: texts per second of wall time at its batch endpoint, and its own CPU microseconds per text."""

    def classify(start: int) -> int:
        body = json.dumps({"model": "peer", "input": texts[start : start + PEER_TEXTS], "raw_scores": False}).encode()
        request = urllib.request.Request(f"{server.url}/classify", body, {"Content-Type": "application/json"})  # noqa: S310 - our own
        return len(json.loads(urllib.request.urlopen(request).read())["data"])  # noqa: S310 - our own

    before, start = server.cpu_seconds() or 0.0, time.perf_counter()
    with ThreadPoolExecutor(PEER_REQUESTS) as pool:
        answered = sum(pool.map(classify, range(0, len(texts), PEER_TEXTS)))
    assert answered == len(texts)
    used = (server.cpu_seconds() or 0.0) - before
    return {"texts_per_second": len(texts) / (time.perf_counter() - start), "cpu_us_per_text": 1e6 * used / len(texts)}


def cpu_seconds() -> float:
    """Of all processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def edited(queries: list[str], rows: int) -> list[str]:
    """`rows` queries, each with two words dropped, shortened or added, no two equal."""
    randomly = random.Random(0)  # noqa: S311 - the same texts each time
    found: dict[str, None] = {}
    while len(found) < rows:
        words = randomly.choice(queries).split()
        for _ in range(2):
            place = randomly.randrange(len(words))
            match randomly.randrange(3):
                case 0 if len(words) > 2:
                    words.pop(place)
                case 1:
                    words[place] = words[place][:-1] or words[place]
                case _:
                    words.insert(place, randomly.choice(WORDS))
        found[" ".join(words)] = None
    return list(found)


def ratios(rounds: list[dict[str, dict[str, float]]], one: str, other: str) -> dict[str, object]:
    """How many times as fast one command is as another, in each round and in the middle; by wall time and by CPU time."""
    wall = [each[one]["texts_per_second"] / each[other]["texts_per_second"] for each in rounds]
    cpu = [each[other]["cpu_us_per_text"] / each[one]["cpu_us_per_text"] for each in rounds]
    return {"wall": wall, "median": statistics.median(wall), "cpu_median": statistics.median(cpu)}


def differing(place: Path, rows: int) -> int:
    """Rows whose label differs between the two commands."""
    said = [each["label"] for each in json.loads((place / "predict.json").read_bytes())]
    scored = dataset.dataset(place / f"score-{cpu_budget()}").head(rows)["label"].to_pylist()
    return sum(one != other for one, other in zip(said, scored, strict=True))


def share_of_int8_rate(folder: Path, texts: list[str], place: Path) -> float | None:
    """Multiply-accumulates per second of one worker, by those of the machine's best int8 product on one thread."""
    artifact = Artifact.open(folder)
    if engine_info(artifact.manifest.engine).macs_from != "onnx" or artifact.manifest.precision != "int8":
        return None
    lengths = [len(ids) for ids in encoder_of(artifact).ids(texts[:LENGTHS_OF])]
    work = work_of(folder, artifact.manifest.engine, lengths, model_file=artifact.manifest.model_file)
    report = json.loads((place / "score-1.json").read_bytes())
    assert work is not None  # see above
    return work.macs * report["rows"] / report["worker_seconds"] / measure_machine(1).int8_macs_per_s


def arguments() -> argparse.Namespace:
    """Of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("artifact", type=Path)
    parser.add_argument("--data", default="sample")
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--predict-rows", type=int, help="rows for `predict`; by default all")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--scratch", type=Path, help="folder for the tables; by default the system's")
    parser.add_argument("--earlier", help="the command packlight of an earlier version, for its `predict --file`")
    parser.add_argument("--earlier-artifact", type=Path, help="what it opens; by default the same")
    parser.add_argument("--peer", type=Path, help="the command infinity_emb of its own environment")
    parser.add_argument("--peer-model", type=Path, help="the folder that it serves")
    parser.add_argument("--peer-rows", type=int, default=10_000, help="rows for the peer")
    parser.add_argument("--out", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    main()
