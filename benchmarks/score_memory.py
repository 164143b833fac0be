r"""The memory of all processes of `packlight score` over the rows that it has scored: is it flat?

    python benchmarks/score_memory.py runs/frontier/variants/static runs/frontier/variants/balanced --rows 10000000 1000000 \
        --data clinc/clinc_oos:plus --plot docs/images/score-memory.png

Each artifact labels a table of its number of rows: the data's test queries, edited and numbered so that no two are equal, in files of a
million. Twice a second, the resident memory of the command and its workers is added up; pages that they share count for each, so
it is an upper bound. Rows are those of completed output files, and evenly many in between. Last comes one JSON document with the samples of each artifact, thinned.
"""

import argparse
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pyarrow as pa
from pyarrow import parquet
from score import COMMAND, edited

from packlight.data import load_dataset
from packlight.files import atomic_write
from packlight.report import vega

PER_FILE = 1_000_000
GROUP = 131_072
EVERY = 0.5
"""seconds between two samples"""
POINTS = 200
"""most samples that are kept of an artifact: the highest of each stretch"""


def main() -> None:
    options = arguments()
    queries = edited(load_dataset(options.data).test.texts, 100_000)
    found = {}
    for artifact, rows in zip(options.artifacts, options.rows, strict=True):
        with tempfile.TemporaryDirectory(dir=options.scratch) as scratch:
            place = Path(scratch)
            write_lake(queries, rows, place / "lake")
            found[artifact.name] = summary(*score(artifact, place, options.workers))
        print(
            artifact.name,
            {name: value for name, value in found[artifact.name].items() if name != "samples"},
            flush=True,
        )
    if options.plot:
        draw(found, options.workers, options.plot)
    print(json.dumps({"workers": options.workers, "load_average": os.getloadavg(), "artifacts": found}))


def write_lake(queries: list[str], rows: int, folder: Path) -> None:
    folder.mkdir()
    numbered = (f"{query} {number}" for number, query in zip(range(rows), itertools.cycle(queries), strict=False))
    for number, start in enumerate(range(0, rows, PER_FILE)):
        texts = list(itertools.islice(numbered, PER_FILE))
        table = pa.table({"id": range(start, start + len(texts)), "text": texts})
        parquet.write_table(table, folder / f"part-{number:05}.parquet", row_group_size=GROUP)


def score(artifact: Path, place: Path, workers: int) -> tuple[dict[str, object], list[tuple[int, float]]]:
    """The report, and samples of (rows, MB)."""
    out = place / "out"
    words = ["score", str(artifact), str(place / "lake"), "--out", str(out), "--keep", "id", "--workers", str(workers)]
    with (place / "report.json").open("wb") as stream:
        process = subprocess.Popen([*COMMAND, *words, "--json", "--quiet"], stdout=stream)
        samples = []
        while process.poll() is None:
            time.sleep(EVERY)
            samples.append((rows_done(out), memory_mb(process.pid)))
    if process.returncode:
        sys.exit(process.returncode)
    return json.loads((place / "report.json").read_bytes()), [each for each in samples if each[1]]


def rows_done(out: Path) -> int:
    """Rows in the output files that are complete."""
    try:
        lines = (out / "_journal.jsonl").read_bytes().splitlines()
    except FileNotFoundError:
        return 0
    return sum(rows_of(lines))


def rows_of(lines: list[bytes]) -> Iterator[int]:
    for line in lines:
        try:
            yield json.loads(line)["counts"]["rows"]
        except (ValueError, KeyError):
            continue  # the head of the journal, or a line that is being written


def memory_mb(pid: int) -> float:
    """Resident memory of a process and its children; 0 once it has ended."""
    try:
        process = psutil.Process(pid)
        return sum(each.memory_info().rss for each in [process, *process.children(recursive=True)]) / 1e6
    except psutil.Error:
        return 0.0


def summary(report: dict[str, object], samples: list[tuple[int, float]]) -> dict[str, object]:
    """The highest memory, in all and in each tenth of the time, and some samples."""
    memory = [mb for _, mb in samples]
    tenths = [max(memory[len(memory) * part // 10 : len(memory) * (part + 1) // 10], default=0) for part in range(10)]
    step = max(1, len(samples) // POINTS)
    return {
        "rows": report["rows"],
        "texts_per_second": report["texts_per_second"],
        "highest_mb": max(memory),
        "highest_mb_by_tenth": [round(each) for each in tenths],
        "median_mb": statistics.median(memory),
        "samples": [
            max(samples[start : start + step], key=lambda each: each[1]) for start in range(0, len(samples), step)
        ],
    }


def spread(samples: list[tuple[int, float]], total: int) -> Iterator[tuple[float, float]]:
    """The samples, with rows that grow evenly from one completed file to the next."""
    stretches = [(rows, list(group)) for rows, group in itertools.groupby(samples, key=lambda each: each[0])]
    ends = [*(rows for rows, _ in stretches[1:]), total]
    for (rows, group), end in zip(stretches, ends, strict=True):
        for place, (_, mb) in enumerate(group):
            yield rows + (end - rows) * place / len(group), mb


def draw(found: dict[str, dict[str, object]], workers: int, path: Path) -> None:
    """Memory over rows, a line for each artifact."""
    points = [
        {"artifact": name, "rows": rows / 1e6, "mb": mb}
        for name, each in found.items()
        for rows, mb in spread(each["samples"], each["rows"])
    ]
    look = vega.chart("load")
    axes = [
        {"scale": "x", "orient": "bottom", "title": "million rows scored", "grid": True},
        {"scale": "y", "orient": "left", "title": "memory of all processes, MB", "grid": True},
    ]
    line = {
        "type": "line",
        "from": {"data": "line"},
        "encode": {
            "update": {
                "x": {"scale": "x", "field": "rows"},
                "y": {"scale": "y", "field": "mb"},
                "stroke": {"scale": "colour", "field": "artifact"},
                "strokeWidth": {"value": 1.8},
            }
        },
    }
    drawing = vega.svg(
        {
            **{name: look[name] for name in ("$schema", "padding", "width", "background", "config")},
            "height": 260,
            "title": {**look["title"], "text": f"packlight score with {workers} workers"},
            "data": [{"name": "points", "values": points}],
            "scales": [
                {"name": "x", "domain": {"data": "points", "field": "rows"}, "range": "width", "nice": True},
                {
                    "name": "y",
                    "domain": {"data": "points", "field": "mb"},
                    "range": "height",
                    "zero": True,
                    "nice": True,
                },
                {"name": "colour", "type": "ordinal", "domain": [*found], "range": ["#2f5fc4", "#7a3e9d", "#2e7d4f"]},
            ],
            "axes": axes,
            "legends": [{"stroke": "colour", "symbolType": "stroke", "symbolStrokeWidth": 2}],
            "marks": [
                {
                    "type": "group",
                    "from": {"facet": {"name": "line", "data": "points", "groupby": "artifact"}},
                    "marks": [line],
                }
            ],
        }
    )
    atomic_write(path, vega.png(drawing, scale=1.6))


def arguments() -> argparse.Namespace:
    """Of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("artifacts", type=Path, nargs="+")
    parser.add_argument("--rows", type=int, nargs="+", required=True, help="rows for each artifact, in their order")
    parser.add_argument("--data", default="sample")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--scratch", type=Path, help="folder for the tables; by default the system's")
    parser.add_argument("--plot", type=Path, help="PNG to draw")
    return parser.parse_args()


if __name__ == "__main__":
    main()
