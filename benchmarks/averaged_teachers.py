"""What the averaged teachers of a student know: the accuracy of the mean of their logits on `test`.

    python benchmarks/averaged_teachers.py --data DATA \
        runs/best/seed-0/variants/{teacher,narrow,narrow-2} runs/best/seed-1/variants/{teacher,narrow,narrow-2}

Each group of `--together` artifacts, in the given order, is averaged. The threshold is chosen on `val`, as `calibrate` does.
"""

import argparse
from pathlib import Path

import numpy as np
from oos_rates import answered
from sklearn.metrics import roc_auc_score

from packlight.data import load_dataset
from packlight.runtime.artifact import Artifact
from packlight.steps.calibrate.rule import choose_rule
from packlight.steps.calibrate.scores import margin


def main() -> None:
    """Print a line for each group."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("teachers", nargs="+", type=Path)
    parser.add_argument("--data", required=True)
    parser.add_argument("--together", type=int, default=3, help="artifacts in a group")
    options = parser.parse_args()
    data = load_dataset(options.data)
    if data.oos_label is None:
        raise SystemExit(f"{options.data}: has no out-of-scope label")
    oos = data.label_ids[data.oos_label]
    truths = [np.array(data.ids(split)) for split in (data.val, data.test)]
    print(f"{'teachers':24} {'accuracy':>9} {'in scope':>9} {'recall':>9} {'in scope, no threshold':>23} {'AUROC':>7}")
    for start in range(0, len(options.teachers), options.together):
        group = [Artifact.open(path) for path in options.teachers[start : start + options.together]]
        val, test = (np.mean(logits, axis=0) for logits in zip(*(answered(each, data) for each in group), strict=True))
        rule = choose_rule(val, truths[0], oos, weights=None)
        right, plain = (logits.argmax(axis=1) == truths[1] for logits in (rule.apply(test), test))
        outside = truths[1] == oos
        shares = (right.mean(), right[~outside].mean(), right[outside].mean())
        area = roc_auc_score(outside, -margin(test, oos, rule.slope))
        name = "+".join(artifact.name for artifact in group)
        cells = " ".join(f"{share:>9.2%}" for share in shares)
        print(f"{name:24} {cells} {plain[~outside].mean():>23.2%} {area:>7.4f}", flush=True)


if __name__ == "__main__":
    main()
