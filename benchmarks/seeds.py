"""One recipe with several seeds: mean and range of each variant's accuracy, so that no figure rests on one training.

    python benchmarks/seeds.py --recipe frontier --data data_oos_plus.json --seeds 0 1 2 --out runs/seeds

Each seed is a run of its own, `packlight run --seed N` into OUT/seed-N, one after another. Rerun the command to
resume. Every text of the splits is predicted, but latency is sampled as little as possible: ignore the times in these
folders. References are left out, because no seed changes them. The table goes to standard output, the figures to OUT/seeds.json.
"""

import argparse
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from packlight.data import load_dataset
from packlight.files import atomic_write
from packlight.formatting import NONE
from packlight.measure.results import Measurements, read_measurements
from packlight.measure.rounds import BenchmarkConfig
from packlight.pipeline import run
from packlight.recipes.overrides import with_oos_rate
from packlight.recipes.recipe import load_recipe

FIGURES = {
    "val": ("val", "accuracy"),
    "test": ("accuracy",),
    "in scope": ("in_scope_accuracy",),
    "out-of-scope recall": ("oos_recall",),
}
"""column -> where it stands in a row of measurements.json"""
ACCURACY_ONLY = BenchmarkConfig(rounds=2, texts=4)


class Spread(msgspec.Struct, frozen=True, kw_only=True):
    """One figure over all seeds."""

    mean: float
    least: float
    most: float
    by_seed: dict[str, float]


Table = dict[str, dict[str, Spread | None]]
"""variant -> column -> its figure; None where no run has it"""


def main() -> None:
    """Run each seed, print the table, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", default="walk")
    parser.add_argument("--data", default="sample")
    parser.add_argument("--model", default="minilm")
    parser.add_argument("--oos-rate", type=float)
    parser.add_argument("--train-threads", type=int)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--table", action="store_true", help="run nothing: tabulate the runs that OUT holds")
    options = parser.parse_args()
    places = {seed: options.out / f"seed-{seed}" for seed in dict.fromkeys(options.seeds)}
    if not options.table:
        recipe = load_recipe(options.recipe)
        if options.oos_rate is not None:
            recipe = with_oos_rate(recipe, options.oos_rate)
        recipe = msgspec.structs.replace(recipe, references=())
        for seed, place in places.items():
            run(
                load_dataset(options.data, seed=seed),
                recipe,
                place,
                model=options.model,
                train_threads=options.train_threads,
                seed=seed,
                effort=ACCURACY_ONLY,
            )
    table = aggregate({seed: read_measurements(place) for seed, place in places.items()})
    atomic_write(options.out / "seeds.json", msgspec.json.format(msgspec.json.encode(table), indent=2) + b"\n")
    print(rendered(table))


def aggregate(runs: Mapping[int, Measurements]) -> Table:
    """Mean and range of each variant's figures over the seeds.

    Raises:
        ValueError: when a variant is missing from one of the runs, so that means would not compare.
    """
    rows: dict[int, dict[str, Any]] = {
        seed: {row.variant: msgspec.to_builtins(row) for row in known.measurements} for seed, known in runs.items()
    }
    every = list(dict.fromkeys(variant for known in rows.values() for variant in known))
    for variant in every:
        if lacking := [seed for seed, known in rows.items() if variant not in known]:
            raise ValueError(f"{variant} is missing from the run with seed {lacking[0]}; finish that run first")
    return {
        variant: {
            column: _spread({seed: _figure(known[variant], path) for seed, known in rows.items()})
            for column, path in FIGURES.items()
        }
        for variant in every
    }


def rendered(table: Table) -> str:
    """The table in Markdown: mean (least to most), in per cent; columns that no run has are left out."""
    columns = [name for name in FIGURES if any(row[name] is not None for row in table.values())]
    lines = [f"| variant | {' | '.join(columns)} |", "| --- |" + " ---: |" * len(columns)]
    lines += [f"| {variant} | {' | '.join(_cell(row[name]) for name in columns)} |" for variant, row in table.items()]
    return "\n".join(lines)


def _figure(row: Mapping[str, Any], path: Sequence[str]) -> float | None:
    value: Any = row
    for name in path:
        value = None if value is None else value.get(name)
    return None if value is None else float(value)


def _spread(values: Mapping[int, float | None]) -> Spread | None:
    """Over the seeds; None where one of them has no figure."""
    known = {str(seed): value for seed, value in values.items() if value is not None}
    if len(known) < len(values):
        return None
    return Spread(
        mean=statistics.fmean(known.values()), least=min(known.values()), most=max(known.values()), by_seed=known
    )


def _cell(spread: Spread | None) -> str:
    if spread is None:
        return NONE
    return f"{spread.mean:.1%} ({100 * spread.least:.1f} to {100 * spread.most:.1f})"


if __name__ == "__main__":
    main()
