"""The protocol of open-intent classification (Zhang et al. 2021, Deep Open Intent Classification with Adaptive Decision Boundary).

    python benchmarks/open_intent.py --data data_full.json --seeds 0 1 2 --out runs/open-intent

A share of the intents is known, chosen by seed. `train` and `val` keep only their texts and no out-of-scope text, so the
threshold of `calibrate` can rest on nothing but a stated loss of accuracy in scope. In `test`, the texts of all other
intents and the out-of-scope texts are open. A prediction is right if the model abstains from an open text, or predicts the label of a
known one. F1 is the macro average over the known intents and the open class. The table goes to standard output, the figures to
OUT/open-intent.json. Rerun the command to resume.
"""

import argparse
import random
import statistics
from pathlib import Path
from typing import Any

import msgspec
from sklearn.metrics import f1_score

import packlight
from packlight.data import Dataset, Split, load_dataset
from packlight.data.memory import dataset_from_rows
from packlight.errors import ArtifactError
from packlight.files import atomic_write
from packlight.runtime.artifact import Artifact
from packlight.runtime.predictor import Predictor

OPEN = "open"


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """One share of known intents, with one seed and one loss."""

    known: float
    seed: int
    loss: float
    """in-scope accuracy on val that the threshold may cost"""
    accuracy: float
    f1: float
    known_accuracy: float
    open_recall: float


def main() -> None:
    """Train and calibrate for each share and seed, then print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True)
    parser.add_argument("--model", default="minilm")
    parser.add_argument("--known", type=float, nargs="+", default=[0.25, 0.5, 0.75])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument(
        "--loss", type=float, nargs="+", default=[0.02, 0.05], help="losses to allow; 0.02 is calibrate's default"
    )
    parser.add_argument("--threads", type=int)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    data = load_dataset(options.data)
    outcomes = [
        outcome for known in options.known for seed in options.seeds for outcome in measured(data, known, seed, options)
    ]
    atomic_write(options.out / "open-intent.json", msgspec.json.format(msgspec.json.encode(outcomes)))
    print(table(outcomes))


def measured(data: Dataset, known: float, seed: int, options: argparse.Namespace) -> list[Outcome]:
    """The outcomes for one choice of known intents."""
    intents = sorted(label for label in data.label_set if label != data.oos_label)
    chosen = set(random.Random(seed).sample(intents, round(known * len(intents))))  # noqa: S311 - no secret
    part = dataset_from_rows(*(rows_of(split, chosen) for split in (data.train, data.val, data.test)), seed=seed)
    folder = options.out / f"known-{known:.0%}-seed-{seed}"
    teacher = made(
        folder / "teacher",
        lambda out: packlight.finetune(part, model=options.model, seed=seed, threads=options.threads, out=out),
    )
    outcomes = []
    for loss in options.loss:
        calibrated = made(
            folder / f"calibrated-{loss:g}",
            lambda out, loss=loss: packlight.calibrate(teacher, part, abstain=loss, seed=seed, out=out),
        )
        outcomes.append(judged(calibrated, data.test, chosen, known=known, seed=seed, loss=loss))
    return outcomes


def made(out: Path, make: Any) -> Artifact:
    """The artifact in a folder; made if it isn't there."""
    try:
        return Artifact.open(out)
    except ArtifactError:
        artifact: Artifact = make(out)
        return artifact


def rows_of(split: Split, chosen: set[str]) -> list[tuple[str, str]]:
    """The texts of the known intents with their labels."""
    return [(text, label) for text, label in zip(split.texts, split.labels, strict=True) if label in chosen]


def judged(artifact: Artifact, test: Split, chosen: set[str], **stated: Any) -> Outcome:
    """The figures on all of `test`."""
    truth = [label if label in chosen else OPEN for label in test.labels]
    predictions = Predictor.open(artifact.path).predict(test.texts)
    predicted = [OPEN if each.out_of_scope else each.label for each in predictions]
    right = [one == other for one, other in zip(truth, predicted, strict=True)]
    is_open = [label == OPEN for label in truth]
    return Outcome(
        accuracy=statistics.fmean(right),
        f1=float(f1_score(truth, predicted, average="macro")),
        known_accuracy=statistics.fmean(each for each, open_ in zip(right, is_open, strict=True) if not open_),
        open_recall=statistics.fmean(each for each, open_ in zip(right, is_open, strict=True) if open_),
        **stated,
    )


def table(outcomes: list[Outcome]) -> str:
    """Means over the seeds, with their range."""
    lines = [
        "| known intents | loss allowed | accuracy | F1 | accuracy on known intents | open texts found |",
        "| ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for known, loss in dict.fromkeys((each.known, each.loss) for each in outcomes):
        rows = [each for each in outcomes if (each.known, each.loss) == (known, loss)]
        cells = [
            spread([getattr(each, name) for each in rows])
            for name in ("accuracy", "f1", "known_accuracy", "open_recall")
        ]
        lines.append(f"| {known:.0%} | {loss:.0%} | {' | '.join(cells)} |")
    return "\n".join(lines)


def spread(values: list[float]) -> str:
    """Mean and range in percent."""
    return f"{statistics.fmean(values):.1%} ({100 * min(values):.1f} to {100 * max(values):.1f})"


if __name__ == "__main__":
    main()
