"""CLINC150 with few training texts: a number of them for each intent and out of scope, drawn by seed. `val` and `test` stay whole.

    python benchmarks/few_texts.py data_oos_plus.json --texts 10 --seed 0 --out few-0.json

The file has the form of the whole one, so `--data` takes it.
"""

import argparse
import json
import random
from pathlib import Path

from packlight.files import atomic_write

Row = list[str]
"""text and intent"""


def main() -> None:
    """Draw the texts and write a file of the same form."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--texts", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    splits: dict[str, list[Row]] = json.loads(options.data.read_text(encoding="utf-8"))
    chooser = random.Random(options.seed)  # noqa: S311 - no secret
    few = {name: drawn(splits[name], options.texts, chooser) for name in ("train", "oos_train")}
    atomic_write(options.out, json.dumps(splits | few).encode())


def drawn(rows: list[Row], count: int, chooser: random.Random) -> list[Row]:
    """Some texts of each intent, by the intents' names."""
    by_intent: dict[str, list[Row]] = {}
    for row in rows:
        by_intent.setdefault(row[1], []).append(row)
    return [row for intent in sorted(by_intent) for row in chooser.sample(by_intent[intent], count)]


if __name__ == "__main__":
    main()
