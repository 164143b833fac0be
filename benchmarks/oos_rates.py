"""Accuracy on `test` by what is said of the traffic: no rule, nothing (the worst rate), the rate of `val`, a stated rate.

    python benchmarks/oos_rates.py runs/frontier/variants --data DATA --rate 0.2 \
        --cascade static-student balanced-student teacher static-student balanced-student small-student

The artifacts are named as the run has them before they are calibrated. Rules and the cascade's switch are chosen on `val`.
"""

import argparse
from pathlib import Path

import numpy as np
import numpy.typing as npt

from packlight.data import Dataset, load_dataset
from packlight.runtime.artifact import Artifact
from packlight.runtime.engines.cascade import confidence
from packlight.steps.artifact_inference import predict_logits
from packlight.steps.calibrate.rule import choose_rule
from packlight.steps.cascade.threshold import choose_threshold
from packlight.steps.out_of_scope import oos_rate_weights
from packlight.steps.step import OosRate

LOSS, CONFIDENCE = 0.025, 0.95
COLUMNS = 4
Answers = tuple[npt.NDArray[np.floating], npt.NDArray[np.floating]]
"""logits on `val` and on `test`, [texts, labels], labels in the data's order"""


def main() -> None:
    """Choose on `val`, print of `test`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("variants", type=Path)
    parser.add_argument("names", nargs="+")
    parser.add_argument("--data", required=True)
    parser.add_argument("--rate", type=float, required=True)
    parser.add_argument("--cascade", nargs=2, metavar=("FIRST", "SECOND"))
    options = parser.parse_args()
    data = load_dataset(options.data)
    known = {name: answered(Artifact.open(options.variants / name), data) for name in options.names}
    rates: tuple[OosRate | None, ...] = (None, "val", options.rate)
    print(f"{'':20} {'no rule':>8} {'unknown':>8} {'of val':>8} {f'of {options.rate:.0%}':>8}")
    for name, answers in known.items():
        ruled = [under_rule(answers, data, rate) for rate in rates]
        show(name, [right(each[1], data) for each in (answers, *ruled)])
    if options.cascade:
        first, second = (known[name] for name in options.cascade)
        show("cascade", [cascade(first, second, data, rate) for rate in rates])


def answered(artifact: Artifact, data: Dataset) -> Answers:
    """Logits of both splits."""
    order = [artifact.labels.index(label) for label in data.labels]
    val, test = (predict_logits(artifact, split.texts)[:, order] for split in (data.val, data.test))
    return val, test


def under_rule(answers: Answers, data: Dataset, rate: OosRate | None) -> Answers:
    """The same under the rule for a rate; None where nobody knows it."""
    outside = None if data.oos_label is None else data.label_ids[data.oos_label]
    weights = None if rate is None else oos_rate_weights(data, rate, where="rule")
    truth = np.array(data.ids(data.val))
    rule = choose_rule(answers[0], truth, outside, weights=weights)
    return rule.apply(answers[0]), rule.apply(answers[1])


def cascade(first: Answers, second: Answers, data: Dataset, rate: OosRate | None) -> float:
    """Accuracy of a cascade whose models and switch are for a rate."""
    quick, slow = under_rule(first, data, rate), under_rule(second, data, rate)
    truth = np.array(data.ids(data.val))
    choice = choose_threshold(
        confidence(quick[0]),
        quick[0].argmax(axis=1) == truth,
        slow[0].argmax(axis=1) == truth,
        loss=LOSS,
        confidence=CONFIDENCE,
        weights=oos_rate_weights(data, rate, where="switch"),
    )
    sure = confidence(quick[1]) >= choice.threshold
    return right(np.where(sure[:, None], quick[1], slow[1]), data)


def right(logits: npt.NDArray[np.floating], data: Dataset) -> float:
    """Share of `test` that is answered rightly."""
    return float((logits.argmax(axis=1) == np.array(data.ids(data.test))).mean())


def show(name: str, shares: list[float]) -> None:
    """One line; a missing first figure is left empty."""
    cells = [""] * (COLUMNS - len(shares)) + [f"{share:.1%}" for share in shares]
    print(f"{name:20} " + " ".join(f"{cell:>8}" for cell in cells))


if __name__ == "__main__":
    main()
