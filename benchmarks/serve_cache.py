"""The gain from the cache: requests per second within a p99 bound with it and without, interleaved in one run.

    python benchmarks/serve_cache.py runs/clinc/variants/balanced --data clinc/clinc_oos:plus --rounds 3 --out cache.json

Four requests of five ask one of `--hot` texts, which the cache knows; the fifth asks a text that was not asked before. Two
servers of one worker run one after the other in each round, on the same processor: one with `--cache`, one without. Run it
on a machine that does nothing else: the generator needs a processor of its own. Last comes one JSON document with the
highest rate of each round, their ratio, and the share of texts that the cache answered.
"""

import argparse
import json
import os
import statistics
from pathlib import Path

from packlight.data import load_dataset
from packlight.serve.loadtest.measure import measure_load
from packlight.serve.loadtest.rates import Ramp
from packlight.serve.loadtest.result import Bound, LoadResult
from packlight.serve.loadtest.target import served, split_cpus

SHARE = 0.8
"""of requests that ask a hot text"""
FRESH = 20_000
"""texts that are asked beside the hot ones, in a random order; each again only after the cache has dropped it"""


def main() -> None:
    """Measure, print, and write."""
    options = arguments()
    hot = list(dict.fromkeys(load_dataset(options.data).test.texts))[: options.hot]
    fresh = [f"{hot[number % len(hot)]} number {number}" for number in range(FRESH)]
    copies = round(SHARE / (1 - SHARE) * FRESH / len(hot))
    texts = [*fresh, *(hot * copies)]
    rounds = []
    for number in range(options.rounds):
        sizes = (0, 2 * len(hot)) if number % 2 else (2 * len(hot), 0)
        found = {size > 0: load(options, texts, size) for size in sizes}
        with_cache, without = found[True], found[False]
        rates = {
            name: each.sustained.rate if each.sustained else None
            for name, each in (("with", with_cache), ("without", without))
        }
        ratio = rates["with"] / rates["without"] if all(rates.values()) else None
        rounds.append({**rates, "ratio": ratio, "hit_rate": with_cache.cache_hit_rate})
        print(rounds[-1], flush=True)
    ratios = [each["ratio"] for each in rounds if each["ratio"]]
    outcome = {
        "artifact": str(options.artifact),
        "rounds": rounds,
        "median_ratio": statistics.median(ratios) if ratios else None,
        "load_average": os.getloadavg(),
    }
    print(json.dumps(outcome, indent=2))
    if options.out:
        options.out.write_text(json.dumps(outcome, indent=2) + "\n")


def load(options: argparse.Namespace, texts: list[str], cache: int) -> LoadResult:
    """One ramp on a fresh server with a cache of this many texts; 0 for none."""
    server_side, generator_side = split_cpus()
    with served(options.artifact, workers=1, processors=server_side, name="loaded", cache_texts=cache) as server:
        return measure_load(
            server,
            texts,
            model="loaded",
            source=options.data,
            ramp=Ramp(start=options.start, seconds=options.seconds, attempts=options.attempts),
            bound=Bound(p99_ms=options.p99),
            generator_processors=generator_side,
        )


def arguments() -> argparse.Namespace:
    """Of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("artifact", type=Path)
    parser.add_argument("--data", default="sample")
    parser.add_argument("--hot", type=int, default=1000, help="texts that four of five requests ask")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--p99", type=float, default=10.0)
    parser.add_argument("--start", type=float, default=200.0)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--attempts", type=int, default=3)
    parser.add_argument("--out", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    main()
