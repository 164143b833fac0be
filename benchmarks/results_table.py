"""The tables of docs/results.md: speed and size from one run, accuracies from several seeds, both as they were measured.

    python benchmarks/results_table.py runs/frontier --seeds runs/seeds/seeds.json

RUN is a folder of `packlight run` or `packlight measure`; each JSON is what `benchmarks/seeds.py` wrote for some of its variants. A
variant that was not trained, such as a reference with random weights, has no accuracy.
"""

import argparse
from pathlib import Path

import msgspec

from packlight.formatting import NONE, megabytes, milliseconds, percent, times, times_interval
from packlight.measure.results import Measurement, read_measurements

COLUMNS = ("variant", "size", "latency, mean (p99)", "speedup (95% interval)", "labels changed in a batch")
ACCURACIES = {"accuracy": "test", "in scope": "in scope", "out-of-scope recall": "out-of-scope recall"}
"""heading -> column of the seeds' table"""


class Spread(msgspec.Struct, frozen=True):
    """Mean and range over the seeds."""

    mean: float
    least: float
    most: float


Seeds = dict[str, dict[str, Spread | None]]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--seeds", type=Path, nargs="+", required=True)
    options = parser.parse_args()
    seeds: Seeds = {}
    for file in options.seeds:
        seeds |= msgspec.json.decode(file.read_bytes(), type=Seeds)
    print(rendered(read_measurements(options.run).measurements, seeds))


def rendered(rows: tuple[Measurement, ...], seeds: Seeds) -> str:
    """The table in Markdown; the first row is the baseline of the speedups."""
    headings = [*COLUMNS[:3], *ACCURACIES, *COLUMNS[3:]]
    lines = [f"| {' | '.join(headings)} |", "| --- |" + " ---: |" * (len(headings) - 1)]
    for place, row in enumerate(rows):
        known = seeds.get(row.variant, {})
        flips = NONE if row.batch_flips is None else str(row.batch_flips)
        cells = [
            row.variant,
            megabytes(row.size_mb),
            f"{milliseconds(row.latency_ms.mean)} ({milliseconds(row.latency_ms.p99)})",
            *(_spread(known.get(column)) for column in ACCURACIES.values()),
            f"{times(row.speedup)} ({times_interval(row.speedup_ci95)})" if place else "baseline",
            flips,
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _spread(of: Spread | None) -> str:
    if of is None:
        return NONE
    known = f" ({100 * of.least:.1f}–{100 * of.most:.1f})"  # noqa: RUF001 - a range
    return percent(of.mean) + (known if of.least < of.most else "")


if __name__ == "__main__":
    main()
