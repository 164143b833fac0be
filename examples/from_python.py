"""From labelled texts to a prediction: run a recipe, pick a variant within limits, and use it.

python examples/from_python.py [DATA] [OUT]
"""

import sys
from pathlib import Path

from packlight import Predictor, load_dataset, load_recipe, run
from packlight.analysis.recommend import Constraints, recommend


def main(source: str = "sample", out: str = "runs/from_python") -> None:
    outcome = run(load_dataset(source), load_recipe("walk"), Path(out))
    for row in outcome.measurements.measurements:
        accuracy = "-" if row.accuracy is None else f"{row.accuracy:.1%}"
        print(f"{row.variant:24} {row.size_mb:7.1f} MB {row.latency_ms.mean:7.2f} ms  {accuracy}")

    advice = recommend(outcome.measurements, Constraints(profile="edge", max_size_mb=30))
    if advice.pick is None:
        print("no variant is within these limits")
        return
    predictor = Predictor.open(Path(out) / "variants" / advice.pick)
    print(advice.pick, "predicts", predictor("wake me up at six", top_k=3))


if __name__ == "__main__":
    main(*sys.argv[1:])
