r"""Other tools that make small text classifiers, beside packlight's artifacts, on the same texts in one run.

    python benchmarks/peers.py --data sample --out runs/peers \
        --artifact static=runs/frontier/variants/static --artifact balanced=runs/frontier/variants/balanced

TF-IDF with a linear SVM, fastText (whole and compressed), model2vec's classifier, and SetFit, the last two from the weights of
`minilm`. Each is trained on `train` with each seed, in an environment of its own below OUT, which is made with pip when it is
missing; `--python NAME=PATH` takes an interpreter that you have. Every out-of-scope text of `train` is one more class to them.
Latencies are single requests on one thread, in turn, on this machine. The table goes to standard output, the figures to OUT/peers.json.
"""

import argparse
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import msgspec

from packlight.data import SPLITS, Dataset, load_dataset
from packlight.files import atomic_write
from packlight.models import resolve
from packlight.runtime.artifact import Artifact
from packlight.runtime.predictor import Predictor

REQUIREMENTS = {
    "svm": ("scikit-learn", "skops"),
    "fasttext": ("fasttext-wheel", "numpy"),
    "fasttext-compressed": ("fasttext-wheel", "numpy"),
    "model2vec": ("model2vec[distill,train]",),
    "setfit": ("setfit",),
}
SCRIPT = Path(__file__).with_name("peer_models.py")
WARM_UP, TIMED = 20, 200
"""texts"""
MB = 1e6


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One tool, or one artifact."""

    name: str
    size_mb: float
    latency_ms: float
    val: tuple[float, ...]
    """accuracy of each seed, 0 to 1"""
    test: tuple[float, ...]
    in_scope: tuple[float, ...]
    train_seconds: float | None = None


def main() -> None:
    """Run each tool with each seed, then the artifacts; print the table and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="sample")
    parser.add_argument("--peers", nargs="*", default=list(REQUIREMENTS), choices=list(REQUIREMENTS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--artifact", action="append", default=[], metavar="NAME=FOLDER")
    parser.add_argument("--python", action="append", default=[], metavar="NAME=PATH")
    parser.add_argument("--setfit-steps", type=int, default=300, help="updates of SetFit's contrastive training")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    interpreters = dict(each.split("=", 1) for each in options.python)
    options.out.mkdir(parents=True, exist_ok=True)
    rows = []
    for name in options.peers:
        python = interpreters.get(name) or environment(name, options.out)
        found = [peer(name, python, options, seed) for seed in options.seeds]
        rows.append(row_of(name, found, [load_dataset(options.data, seed=seed) for seed in options.seeds]))
    data = load_dataset(options.data, seed=options.seeds[0])
    rows += [own(name, Path(folder), data) for name, folder in (each.split("=", 1) for each in options.artifact)]
    atomic_write(options.out / "peers.json", msgspec.json.format(msgspec.json.encode(rows), indent=2) + b"\n")
    print(rendered(rows))


def environment(name: str, out: Path) -> str:
    """The interpreter of a tool's own environment, made if it is missing."""
    folder = out.resolve() / "environments" / name
    python = folder / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", *REQUIREMENTS[name]], check=True)
    return str(python)


def peer(name: str, python: str, options: argparse.Namespace, seed: int) -> dict[str, Any]:
    """What one tool answers, trained with one seed."""
    data = load_dataset(options.data, seed=seed)
    place = options.out.resolve() / f"{name}-{seed}"
    place.mkdir(exist_ok=True)
    splits = {
        split: {"texts": list(data.split(split).texts), "labels": list(data.split(split).labels)} for split in SPLITS
    }
    job = {
        "seed": seed,
        "encoder": str(resolve("minilm").path),
        "folder": str(place / "model"),
        "steps": options.setfit_steps,
        **splits,
    }
    atomic_write(place / "job.json", msgspec.json.encode(job))
    with (place / "log.txt").open("wb") as log:
        command = [python, str(SCRIPT), name, str(place / "job.json"), str(place / "answers.json")]
        subprocess.run(command, check=True, stdout=log, stderr=log)
    found: dict[str, Any] = msgspec.json.decode((place / "answers.json").read_bytes())
    return found


def row_of(name: str, found: list[dict[str, Any]], data: list[Dataset]) -> Row:
    """A tool's figures: one accuracy for each seed, the median of the rest."""
    return Row(
        name=name,
        size_mb=statistics.median(each["size_bytes"] for each in found) / MB,
        latency_ms=statistics.median(each["latency_ms"] for each in found),
        val=tuple(accuracy(each["val"], one, "val") for each, one in zip(found, data, strict=True)),
        test=tuple(accuracy(each["test"], one, "test") for each, one in zip(found, data, strict=True)),
        in_scope=tuple(
            accuracy(each["test"], one, "test", in_scope=True) for each, one in zip(found, data, strict=True)
        ),
        train_seconds=statistics.median(each["train_seconds"] for each in found),
    )


def own(name: str, folder: Path, data: Dataset) -> Row:
    """An artifact's figures. Another seed is another artifact."""
    predictor = Predictor.open(folder, threads=1)
    answers = {split: [each.label for each in predictor.predict(list(data.split(split).texts))] for split in SPLITS[1:]}
    some = (list(data.test.texts) * (1 + (WARM_UP + TIMED) // len(data.test)))[: WARM_UP + TIMED]
    for text in some[:WARM_UP]:
        predictor.predict(text)
    before = time.perf_counter()
    for text in some[WARM_UP:]:
        predictor.predict(text)
    latency = 1000 * (time.perf_counter() - before) / TIMED
    return Row(
        name=name,
        size_mb=Artifact.open(folder).size_bytes / MB,
        latency_ms=latency,
        val=(accuracy(answers["val"], data, "val"),),
        test=(accuracy(answers["test"], data, "test"),),
        in_scope=(accuracy(answers["test"], data, "test", in_scope=True),),
    )


def accuracy(answers: list[str], data: Dataset, split: str, *, in_scope: bool = False) -> float:
    """The share of right answers, on request without out-of-scope texts."""
    pairs = [
        (answer, label)
        for answer, label in zip(answers, data.split(split).labels, strict=True)
        if not in_scope or label != data.oos_label
    ]
    return statistics.fmean(answer == label for answer, label in pairs)


def rendered(rows: list[Row]) -> str:
    """The table in Markdown. Accuracies are the mean of the seeds, the range in brackets."""
    lines = [
        "| tool | size | latency, one thread | val | test | in scope |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    lines += [
        f"| {row.name} | {row.size_mb:.2f} MB | {row.latency_ms:.3f} ms | {cell(row.val)} | {cell(row.test)} | {cell(row.in_scope)} |"
        for row in rows
    ]
    return "\n".join(lines)


def cell(values: tuple[float, ...]) -> str:
    """Mean and range in per cent."""
    mean = f"{statistics.fmean(values):.1%}"
    return mean if len(values) == 1 else f"{mean} ({100 * min(values):.1f} to {100 * max(values):.1f})"


if __name__ == "__main__":
    main()
